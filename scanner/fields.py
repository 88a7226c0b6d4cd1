"""The fields of an entry that `stat` returns, and the columns of 64-bit numbers that carry their values."""

from __future__ import annotations

import stat
from collections.abc import Collection, Sequence
from typing import Any, Literal, get_args

from scanner.errors import OptionError

Field = Literal[
    "type", "size", "blocks", "mode", "uid", "gid", "ino", "dev", "nlink", "mtime_ns", "ctime_ns", "atime_ns"
]  # fmt: skip
EntryType = Literal["f", "d", "l", "p", "s", "b", "c"]
FIELDS: tuple[Field, ...] = get_args(Field)
STATUS = FIELDS[1:]
NAMED = {"owner": "uid", "group": "gid"}
"""Fields of outputs that are names, with the fields that hold their ids."""
TARGET = "target"
"""The field of outputs that is the target of a symlink; workers read it, where `type` is a symlink's."""
OUTPUT_FIELDS = (*FIELDS, *NAMED, TARGET)
TIMES = ("mtime_ns", "ctime_ns", "atime_ns")
EXACT = {name: (name.replace("_ns", "_s"), name.replace("_ns", "_rest")) for name in TIMES}
"""Columns that make a time exact beyond 64 bits: seconds, and the remaining nanoseconds."""
COLUMNS = (*STATUS, *(seconds for seconds, _ in EXACT.values()), *(rest for _, rest in EXACT.values()))
"""Columns of `stat`, signed 64-bit numbers, in the order of _columns.h."""
NULL = -(1 << 63)
"""Marks an unavailable value."""
FIRST, LAST = NULL + 1, (1 << 63) - 1
"""Range of a column. Times beyond it (before 1677-09-21 or after 2262-04-11) are clamped."""
TYPES = {
    stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s", stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}  # fmt: skip
"""As in `find -type`."""


def in_64_bits(nanoseconds: int) -> int:
    """Return the nearest time that a column holds."""
    return min(max(nanoseconds, FIRST), LAST)


def fields_of(wanted: bool | Sequence[str]) -> tuple[str, ...]:
    """Return the fields that the option `stat` selects, in the order of FIELDS. Raises OptionError."""
    if isinstance(wanted, bool):
        return FIELDS if wanted else ()
    names = wanted.split(",") if isinstance(wanted, str) else wanted if isinstance(wanted, Collection) else (wanted,)
    for name in names:
        if name not in FIELDS:
            raise OptionError(f"stat must be True, False, or some of {', '.join(FIELDS)}; not {name!r}")
    return tuple(name for name in FIELDS if name in names)


def stat_fields(fields: Sequence[str]) -> tuple[Field, ...]:
    """Return the fields of `stat` that fields of an output need."""
    needed = {NAMED.get(name, "type" if name == TARGET else name) for name in fields}
    return tuple(name for name in FIELDS if name in needed)


def worker_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """Return what workers produce for the fields of an output: its fields of `stat`, and TARGET."""
    return (*stat_fields(fields), *([TARGET] if TARGET in fields else []))


def with_exact_times(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the fields and the columns that make their times exact."""
    return (*fields, *(column for name in fields if name in EXACT for column in EXACT[name]))


def columns_of(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that hold these fields."""
    if not fields:
        return ()
    return tuple(name for name in COLUMNS if name in fields or (name == "mode" and "type" in fields))


def type_of(mode: int) -> str | None:
    """Return the letter of a mode, None for an unavailable mode."""
    return None if mode == NULL else TYPES.get(stat.S_IFMT(mode), "?")


class Columns:
    """Converts rows of columns into values of fields: all `fields` of the rows, or the `wanted` ones."""

    def __init__(self, fields: Sequence[str], wanted: Sequence[str] | None = None) -> None:
        self._wanted = set(fields if wanted is None else wanted)
        self._columns = columns_of(fields)
        self.width = len(self._columns)
        self.has_targets = TARGET in self._wanted

    def take_apart(self, table: bytes | memoryview) -> tuple[bytes, memoryview]:
        """Split the output of the producer `table` into joined paths and rows."""
        joined, _, rows = self._parts(table)
        return joined, rows

    def targets(self, table: bytes | memoryview) -> list[bytes | None]:
        """Return the target of each entry in the output of the producer `table`."""
        _, targets, _ = self._parts(table)
        return [target or None for target in targets.split(b"\0")]

    def _parts(self, table: bytes | memoryview) -> tuple[bytes, bytes, memoryview]:
        view = memoryview(table)
        end = 8 + 8 * self.width * int.from_bytes(view[:8], "little")
        joined, targets = bytes(view[end:]), b""
        if self.has_targets:
            joined, _, targets = joined.partition(b"\0\0")
        return joined, targets, view[8:end].cast("q")

    def put_together(self, parts: Sequence[tuple[bytes, memoryview]]) -> tuple[bytes, memoryview]:
        """Return several joined paths with their rows as one."""
        if len(parts) == 1:
            return parts[0]
        width = self.width
        columns = [
            rows[number * len(rows) // width : (number + 1) * len(rows) // width].cast("B")
            for number in range(width)
            for _, rows in parts
        ]
        return b"\0".join([paths for paths, _ in parts]), memoryview(b"".join(columns)).cast("q")

    def rows_from(self, rows: memoryview, first: int) -> memoryview:
        """Return the rows from row `first` on."""
        count = len(rows) // self.width
        columns = [rows[number * count + first : (number + 1) * count].cast("B") for number in range(self.width)]
        return memoryview(b"".join(columns)).cast("q")

    def values(self, rows: memoryview) -> dict[str, list[Any]]:
        """Return a list of values for each field; unavailable values are None."""
        count = len(rows) // (self.width or 1)
        found: dict[str, list[Any]] = {}
        for number, name in enumerate(self._columns):
            if name not in self._wanted and not (name == "mode" and "type" in self._wanted):
                continue
            values: list[Any] = rows[number * count : (number + 1) * count].tolist()
            if name == "mode" and "type" in self._wanted:
                known = {mode: type_of(mode) for mode in set(values)}
                found["type"] = [known[mode] for mode in values]
            if name in self._wanted:
                found[name] = _known(values, unsigned=name in ("ino", "dev"))
                if name in EXACT and EXACT[name][0] in self._columns:
                    self._make_exact(found[name], rows, *EXACT[name])
        return found

    def _make_exact(self, values: list[Any], rows: memoryview, seconds: str, rest: str) -> None:
        """Replace clamped times by exact ones, where these are known: a snapshot store does not have them."""
        if FIRST not in values and LAST not in values:
            return
        count = len(values)
        seconds_at, rest_at = (count * self._columns.index(name) for name in (seconds, rest))
        for row, value in enumerate(values):
            if value in (FIRST, LAST) and rows[seconds_at + row] != NULL:
                values[row] = rows[seconds_at + row] * 10**9 + rows[rest_at + row]


def _known(values: list[Any], *, unsigned: bool) -> list[Any]:
    """Replace NULL by None, and restore unsigned values."""
    if not values or min(values) >= 0:
        return values
    if NULL in values:
        values = [None if value == NULL else value for value in values]
    if unsigned:
        values = [value + (1 << 64) if value is not None and value < 0 else value for value in values]
    return values
