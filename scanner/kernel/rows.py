"""Columns that are put together from rows of several directories."""

from __future__ import annotations

from collections.abc import Sequence


class Rows:
    """`numbers`: which of the `width` columns that come are kept."""

    def __init__(self, numbers: Sequence[int], width: int) -> None:
        self._numbers, self._width = numbers, width
        self._columns: list[list[bytes]] = [[] for _ in numbers]

    def add(self, rows: bytes, start: int = 0) -> None:
        """Columns one after the other, without their first `start` values."""
        size = len(rows) // self._width if self._width else 0
        for number, column in zip(self._numbers, self._columns, strict=True):
            column.append(rows[number * size + 8 * start : (number + 1) * size])

    def joined(self) -> bytes:
        return b"".join([value for column in self._columns for value in column])


def without_first(rows: bytes, width: int) -> bytes:
    """Columns without the first value of each."""
    kept = Rows(range(width), width)
    kept.add(rows, 1)
    return kept.joined()
