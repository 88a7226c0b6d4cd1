"""What a directory contained in a snapshot, and how two such states differ, entry by entry."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from scanner.fields import NULL
from scanner.kernel.record import DIRECTORY, EXCLUDED_MARK, Head, Record, inodes_in, names_in, rows_in

Row = tuple[int, ...]
REPLACED = "="
"""A directory that is another one than before, of the same name."""


class Item(NamedTuple):
    """An entry. `row`: values of the columns of the store, None where they are unknown."""

    type: str
    inode: int
    row: Row | None


class State(NamedTuple):
    """A directory, with its entries by name: suffix in the record, inode, row. Plain tuples, because there are many, of
    which few differ.
    """

    head: Head
    entries: dict[bytes, tuple[str, int, Row | None]]


class Difference(NamedTuple):
    """One entry that differs. `kind`: as in Change, without moves; REPLACED."""

    kind: str
    name: bytes
    before: Item | None
    after: Item | None


def state_of(records: Sequence[Record], width: int) -> State | None:
    """Return the state of a directory from the records of its parts; None without any.

    `width`: number of columns of the store. Raises ValueError for a damaged record.
    """
    if not records:
        return None
    found: dict[bytes, tuple[str, int, Row | None]] = {}
    for record in records:
        if not record.is_intact:
            raise ValueError("damaged record")
        entries = names_in(record.names)
        names, suffixes = zip(*entries, strict=True) if entries else ((), ())
        inodes = inodes_in(record.columns, len(entries))
        rows = rows_in(record.columns, len(entries), width)[1:] if width else [None] * len(entries)
        found.update(zip(names, zip(suffixes, inodes, rows, strict=True), strict=True))
        if EXCLUDED_MARK.encode() in record.names:
            found = {name: entry for name, entry in found.items() if not entry[0].endswith(EXCLUDED_MARK)}
    return State(records[0].head, found)


def type_of(suffix: str) -> str:
    """Return the letter of a type, as in `find -type`."""
    return {"": "f", "/": "d"}.get(suffix) or suffix[1:].lower()


def item_of(entry: tuple[str, int, Row | None] | None) -> Item | None:
    return None if entry is None else Item(type_of(entry[0]), *entry[1:])


class Comparison:
    """Compares entries by the columns that both snapshots have.

    `columns`: of the snapshot before, and of the one after. `same_tree`: inodes of both can be compared.
    """

    def __init__(self, columns: tuple[Sequence[str], Sequence[str]], *, same_tree: bool) -> None:
        self._places = tuple({name: number for number, name in enumerate(names)} for names in columns)
        common = set(columns[0]) & set(columns[1])
        self._content = self._pairs(common.intersection(("size", "mtime_ns")))
        self._metadata = self._pairs(common.intersection(("mode", "uid", "gid")))
        self._inodes = same_tree and not self._content
        self._common = [{name: places[name] for name in common} for places in self._places]

    def _pairs(self, names: Iterable[str]) -> list[tuple[int, int]]:
        return [(self._places[0][name], self._places[1][name]) for name in names]

    def differences(
        self, before: State | None, after: State | None, *, is_moved: bool = False
    ) -> Iterator[Difference]:  # fmt: skip
        """Yield the entries that differ, in the order of their names. `is_moved`: also directories that do not differ,
        as REPLACED: whether they were moved along is not known here.
        """
        old = before.entries if before is not None else {}
        new = after.entries if after is not None else {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name) and not (is_moved and old[name][0] == DIRECTORY):
                continue
            one, other = item_of(old.get(name)), item_of(new.get(name))
            kind = "+" if one is None else "-" if other is None else self._kind(one, other)
            if is_moved and kind == "" and one is not None and one.type == "d":
                kind = REPLACED
            if kind:
                yield Difference(kind, name, one, other)

    def _kind(self, before: Item, after: Item) -> str:
        if before.type != after.type:
            return "" if "?" in (before.type, after.type) else "T"
        if before.type == "d":  # it has a record of its own
            return REPLACED if before.inode != after.inode else ""
        if before.row is None or after.row is None:
            return "M" if self._inodes and before.inode != after.inode else ""
        if any(before.row[one] != after.row[other] for one, other in self._content):
            return "M"
        if self._inodes and before.inode != after.inode:
            return "M"
        return "U" if any(before.row[one] != after.row[other] for one, other in self._metadata) else ""

    def has_new_metadata(self, before: State, after: State) -> bool:
        """Return whether mode or owner of the directory itself differ."""
        one, other = before.head, after.head
        return (stat.S_IMODE(one.mode), one.uid, one.gid) != (stat.S_IMODE(other.mode), other.uid, other.gid)

    def values(self, side: int, item: Item | None, names: Sequence[str]) -> list[int | None]:
        """Return the values of some columns of an entry, on side 0 or 1; None where they, or those of the other side,
        are unknown, and for directories.
        """
        if item is None or item.row is None or item.type == "d":
            return [None] * len(names)
        row, places = item.row, self._common[side]
        return [None if name not in places or row[places[name]] == NULL else row[places[name]] for name in names]
