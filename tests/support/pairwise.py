"""Select test cases from a product of parameters so that each pair of values occurs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any


def pairwise(*columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows with one value of each column, in which each two values of different columns occur together.

    The selection is greedy and always the same: a row starts with the first missing pair, and each further column
    adds the value that completes most missing pairs. A fault that depends on two parameters is found, with a number
    of rows near the product of the two longest columns. A fault that needs three of them may be missed.
    """
    missing = dict.fromkeys(
        ((first, i), (second, j))
        for first, second in combinations(range(len(columns)), 2)
        for i in range(len(columns[first]))
        for j in range(len(columns[second]))
    )
    rows = []
    while missing:
        row = dict(next(iter(missing)))
        for column in range(len(columns)):
            if column not in row:
                gains = [
                    sum(tuple(sorted([(column, value), other])) in missing for other in row.items())
                    for value in range(len(columns[column]))
                ]
                row[column] = gains.index(max(gains))
        for pair in combinations(sorted(row.items()), 2):
            missing.pop(pair, None)
        rows.append(tuple(values[row[column]] for column, values in enumerate(columns)))
    return rows


def in_turn(cases: Sequence[Any], full: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return pairs: each case with each value of `full`, and with one of `others`, which take turns."""
    return [(case, value) for turn, case in enumerate(cases) for value in (*full, others[turn % len(others)])]
