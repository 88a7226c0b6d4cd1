"""Columns that are put together from rows of several directories, and rows that do not count."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from struct import pack

from scanner.fields import FIRST, LAST, NULL, TIMES, columns_of
from scanner.options import ScanOptions

ENDS = (pack("q", FIRST), pack("q", LAST))
SUMS = ("sizes", "summary")
"""Sinks that add up sizes."""


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


class OneDevice:
    """Blanks rows of other file systems than the root's where sizes are added up, as `du -x` does: files that are
    mounted, and what links lead to.
    """

    def __init__(self, options: ScanOptions) -> None:
        columns = columns_of(options.fields)
        self.wanted = options.one_file_system and any(sink.kind in SUMS for sink in options.sinks or ())
        self._width, self._dev = len(columns), columns.index("dev") if "dev" in columns else -1
        self.wanted = self.wanted and self._dev >= 0

    def only(self, device: int, rows: bytes) -> bytes:
        """Return the rows, with NULL in those of another device."""
        count = len(rows) // (8 * self._width)
        if rows[8 * self._dev * count : 8 * (self._dev + 1) * count] == pack("Q", device) * count:
            return rows
        values = array("q", rows)
        devices = values[self._dev * count : (self._dev + 1) * count]
        for row in [row for row, each in enumerate(devices) if each != device]:
            values[row::count] = array("q", [NULL]) * self._width
        return values.tobytes()


def times_among(columns: Sequence[str]) -> list[int]:
    """Numbers of the columns whose values may be clamped."""
    return [number for number, name in enumerate(columns) if name in TIMES]


def count_clamped(rows: bytes, numbers: Sequence[int], width: int, start: int = 0) -> int:
    """Count the values, from row `start` on, that are at an end of what 64 bits hold, in the columns `numbers`."""
    size = len(rows) // width if width else 0
    count = 0
    for number in numbers:
        column = rows[number * size + 8 * start : (number + 1) * size]
        if any(end in column for end in ENDS):  # seldom, and not sure: they may be parts of two values
            values = memoryview(column).cast("q").tolist()
            count += values.count(FIRST) + values.count(LAST)
    return count


def without_first(rows: bytes, width: int) -> bytes:
    """Columns without the first value of each."""
    kept = Rows(range(width), width)
    kept.add(rows, 1)
    return kept.joined()
