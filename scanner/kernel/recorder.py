"""Records of directories that were read, for the writer of a snapshot; and what else a Chunk brings for it."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.fields import LAST, NULL, in_64_bits
from scanner.kernel.devices import Devices, as_signed
from scanner.kernel.native import RACY_NS, WalkedRun
from scanner.kernel.pack import FilesWithRows, ReadPart
from scanner.kernel.record import (
    BOUNDARY,
    DIRECTORY,
    EXCLUDED_MARK,
    MORE,
    PARTED,
    RACY,
    UNKNOWN_NUMBER,
    Counts,
    Head,
    Record,
    Update,
    excluded_suffix,
    names_in,
    names_of,
    pack_columns,
    pack_record,
    pack_update,
    type_suffix,
)
from scanner.kernel.rows import Key, KnownSpec, RootKeys, StoredRecords
from scanner.model import Path
from scanner.model import names as listed

if TYPE_CHECKING:
    from scanner.kernel.facts import ScanFacts

NEWS = struct.Struct(f"<{len(Counts._fields)}q q q q")
"""The head of `Chunk.snapshot`: Counts, newest ctime, then root and length of the path of the last finished directory
(-1: none). That path follows, then updates with their records."""


class SnapshotNews(NamedTuple):
    """What a Chunk brings for the writer of a snapshot."""

    counts: Counts
    newest: int
    last: Key | None
    updates: memoryview


def news_from(body: bytes | memoryview) -> SnapshotNews:
    """Return the content of `Chunk.snapshot`. Raises ValueError if it is damaged."""
    view = memoryview(body)
    if len(view) < NEWS.size:
        raise ValueError("damaged message: it is cut off")
    *counts, newest, root, length = NEWS.unpack_from(view)
    start = NEWS.size + max(length, 0)
    last = (root, bytes(view[NEWS.size : start])) if length >= 0 else None
    return SnapshotNews(Counts(*counts), newest, last, view[start:])


class Recorder:
    """Makes the records of one Walker. Not for use by two threads."""

    def __init__(
        self, spec: KnownSpec, facts: ScanFacts, keys: RootKeys, stored: StoredRecords, devices: Devices
    ) -> None:
        self._spec, self._facts, self._keys, self._stored, self._devices = spec, facts, keys, stored, devices
        self.is_check = False
        """Whether the directory that is being read is read to check its times."""
        self.begin()

    def begin(self) -> None:
        """Start the records of a Chunk."""
        self._updates: list[bytes] = []
        self.counts = dict.fromkeys(Counts._fields, 0)
        self._last: Key | None = None

    def finished(self, path: Path) -> None:
        """Note that a directory is done: what an interrupted scan goes on with comes after it in walk order."""
        key = self._keys.key(path)
        if key is not None and not self._stored.is_settled(*key):
            self._last = key

    def news(self) -> bytes:
        """Return `Chunk.snapshot`."""
        if not self._spec.records:
            return b""
        root, last = self._last or (0, b"")
        head = NEWS.pack(*self.counts.values(), self._devices.newest, root, len(last) if self._last else -1)
        return b"".join([head, last, *self._updates])

    def add_run(self, run: WalkedRun) -> None:
        """Take the records and counts of a run."""
        for count, number in zip(self.counts, memoryview(run.known).cast("q"), strict=True):
            self.counts[count] += number
        if run.records:
            self._updates.append(run.records)
        if run.last:
            self._last = self._keys.key(run.last)

    def add(
        self, path: Path, position: int, status: os.stat_result, descriptor: int, entries: Sequence[os.DirEntry[Any]],
        part: ReadPart, excluded: Collection[Any],
    ) -> None:  # fmt: skip
        """Make a record of what was read of `path`, unless the store holds the same.

        position  entries of the directory in earlier parts.
        status    of the directory, from before it was read.
        descriptor  the open directory; -1: none.
        excluded  names that a filter excluded.
        """
        key = self._keys.key(path)
        if key is None or not self._spec.records:
            return
        root, name = key
        named = with_suffixes(entries, excluded)
        rows = self._rows_of(entries, part)
        known = self._stored.record(root, name, position)
        size, blocks = sums(self._spec.columns, named, rows)
        files = sum(not is_directory(suffix) for _, suffix in named)
        update = Update(known is not None, 0, root, position, files, size, blocks)
        head = Head(
            0, 0, 0, 0, self._flags(path, position, status, part, known), status.st_mode, status.st_uid, status.st_gid,
            as_signed(status.st_ino), self._birth(descriptor), *times_of(status),
        )  # fmt: skip
        columns = pack_columns([entry.inode() for entry in entries], rows)
        self._compare(update, known, head, name, names_of(named), columns)

    def _birth(self, descriptor: int) -> int:
        """Return when a directory was made: `os.stat` does not tell."""
        native = self._facts.clock
        return UNKNOWN_NUMBER if native is None or descriptor < 0 else native.birth_time(descriptor)

    def _flags(self, path: Path, position: int, status: os.stat_result, part: ReadPart, known: Record | None) -> int:
        device = self._devices.of(path, status)
        _, ctime = times_of(status)
        is_racy = ctime > device.newest - RACY_NS
        device.saw(ctime)
        is_parted = position or part.more or (known is not None and known.head.flags & (MORE | PARTED))
        flags = BOUNDARY * self._devices.is_beyond(path, status) | RACY * is_racy
        return flags | MORE * part.more | PARTED * bool(is_parted)

    def _rows_of(self, entries: Sequence[os.DirEntry[Any]], part: ReadPart) -> list[tuple[int, ...] | None]:
        """Return the values of the stored columns of the directory itself, and of each entry, None where unknown."""
        if not self._spec.columns:
            return []
        assert isinstance(part.files, FilesWithRows)
        named = [(b"", *map(os.fsencode, listed(part.files.names))), tuple(map(os.fsencode, part.links))]
        numbers = [self._facts.columns.index(name) for name in self._spec.columns]
        found: dict[bytes, tuple[int, ...] | None] = {}
        for names, rows in zip(named, (part.files.rows, part.files.links), strict=True):
            values, count = memoryview(rows).cast("q").tolist(), len(names)
            columns = [values[number * count : (number + 1) * count] for number in numbers]
            for name, row in zip(names, zip(*columns, strict=True), strict=True):
                found[name] = None if all(value == NULL for value in row) else row
        return [found.pop(b""), *(found.get(os.fsencode(entry.name)) for entry in entries)]

    def _compare(
        self, update: Update, known: Record | None, head: Head, name: bytes, names: bytes, columns: bytes
    ) -> None:  # fmt: skip
        if known is not None and (known.head.inode, known.head.mtime, known.head.ctime) == (
            head.inode,
            head.mtime,
            head.ctime,
        ):
            is_same = (known.names, known.columns) == (names, columns)
            if is_same and known.is_intact and head.flags == known.head.flags:
                return
            update = update._replace(same=is_same)
            self.counts["stale"] += self.is_check and not is_same and bare(known.names) != bare(names)
        self._updates.append(pack_update(update, pack_record(head, name, names, columns)))


def with_suffixes(entries: Sequence[os.DirEntry[Any]], excluded: Collection[Any]) -> list[tuple[Any, str]]:
    """Return the names of entries, each with its suffix in a record."""
    named = [(entry.name, type_suffix(entry)) for entry in entries]
    if not excluded:
        return named
    names = set(map(os.fsencode, excluded))
    return [(name, excluded_suffix(suffix) if os.fsencode(name) in names else suffix) for name, suffix in named]


def bare(names: bytes) -> set[tuple[bytes, bool]]:
    """Return what directory times vouch for: names, and which of them are directories. Not targets of symlinks, filters
    and the order of a listing.
    """
    return {(name, is_directory(suffix)) for name, suffix in names_in(names)}


def is_directory(suffix: str) -> bool:
    return suffix.removesuffix(EXCLUDED_MARK) == DIRECTORY


def is_unmodified(head: Head, status: os.stat_result) -> bool:
    """Return whether a directory has the inode and times of its record. A change of mode or owner changes ctime."""
    return (head.inode, head.mtime, head.ctime) == (as_signed(status.st_ino), *times_of(status))


def times_of(status: os.stat_result) -> tuple[int, int]:
    """Return mtime and ctime as a record has them."""
    return in_64_bits(status.st_mtime_ns), in_64_bits(status.st_ctime_ns)


def sums(
    columns: Sequence[str], named: Sequence[tuple[Any, str]], rows: Sequence[tuple[int, ...] | None]
) -> Iterator[int]:
    """Yield the sums of the columns `size` and `blocks` over all entries that are no directories; -1: not recorded.

    They are clamped to 64 bits.
    """
    for column in ("size", "blocks"):
        if column not in columns:
            yield UNKNOWN_NUMBER
            continue
        number = columns.index(column)
        values = [
            row[number] for (_, suffix), row in zip(named, rows[1:], strict=True) if row and not is_directory(suffix)
        ]
        yield min(sum(value for value in values if value != NULL), LAST)
