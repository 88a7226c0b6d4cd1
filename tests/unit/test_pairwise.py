"""Selections of test cases: each pair of values occurs, in few rows."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest

from tests.support.pairwise import in_turn, pairwise

COLUMNS = [
    [range(9), "td", "sbp", range(8)],
    ["ab", "cd"],
    ["a", range(3), range(4), "b", range(2)],
    [range(30), range(3), range(2), range(2)],
]


@pytest.mark.parametrize("columns", COLUMNS, ids=str)
def test_each_pair_of_values_occurs_in_few_rows(columns: list[Any]) -> None:
    rows = pairwise(*columns)
    for first, second in combinations(range(len(columns)), 2):
        assert {(row[first], row[second]) for row in rows} == set(product(columns[first], columns[second]))
    sizes = sorted(map(len, columns))
    assert len(rows) <= 1.3 * sizes[-1] * sizes[-2]
    assert pairwise(*columns) == rows, "each process collects the same cases"


def test_others_take_turns() -> None:
    pairs = in_turn(range(5), "ab", "xyz")
    assert [value for case, value in pairs if case == 4] == ["a", "b", "y"]
    assert {value for _, value in pairs} == set("abxyz")
    assert len(pairs) == 15
