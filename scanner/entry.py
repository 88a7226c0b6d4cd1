"""`Entry`: one name with the fields that `stat` returns, made lazily from columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from typing import Any, Generic, NamedTuple

from scanner.fields import FIELDS, Columns, EntryType
from scanner.model import Chunk, Path, PathText, Walked, names, prefix_of, split


class _Fields(NamedTuple, Generic[PathText]):
    path: PathText
    type: EntryType | None = None
    size: int | None = None
    blocks: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    ino: int | None = None
    dev: int | None = None
    nlink: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    atime_ns: int | None = None


class Entry(_Fields[PathText]):
    """A file, directory or symbolic link with its fields. It is a path-like object: `open(entry)` works.

    path       str or bytes, like the root
    type       f, d, l, p, s, b or c, as in `find -type`
    size       bytes; for a symbolic link, the length of its target's name
    blocks     disk usage in blocks of 512 bytes
    mode, uid, gid, ino, dev, nlink
               as in `os.stat_result`
    mtime_ns, ctime_ns, atime_ns
               nanoseconds since 1970, clamped to 64 bits: from 1677-09-21 to 2262-04-11

    Fields that were not requested, or are unavailable, are None. The fields of a symbolic link describe the link
    itself, unless `followlinks` is set.
    """

    __slots__ = ()

    @property
    def name(self) -> PathText:
        """The last component of the path."""
        path: Any = self.path
        name: PathText = os.path.basename(path) or path
        return name

    def __fspath__(self) -> PathText:
        return self.path


class Part(NamedTuple):
    """Position of the rows of a directory, or of a part of one, in a table: its own row, its files, its links."""

    table: bytes  # 64-bit numbers
    start: int
    files: int
    links: Any
    entered: int


_make = partial(tuple.__new__, Entry)


def made(columns: Columns, paths: Sequence[Any], rows: memoryview) -> Iterator[Entry]:
    """Return the entries of `paths`, whose fields are in `rows`."""
    values = columns.values(rows)
    some = [values.get(name, repeat(None)) for name in FIELDS]
    return map(_make, zip(paths, *some, strict=False))


def entries_of(columns: Columns, table: bytes | memoryview, as_bytes: bool) -> Iterator[Entry]:
    """Return the entries in the output of the producer `table`."""
    joined, rows = columns.take_apart(table)
    if not joined:
        return iter(())
    paths: Any = joined.split(b"\0") if as_bytes else os.fsdecode(joined).split("\0")
    return made(columns, paths, rows)


class Stated:
    """The fields of all entries of a result: columns in the order of arrival, and the position of each directory."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = fields
        self._columns = Columns(fields)
        self._chunks: list[tuple[Any, Any, bytes, bytes]] = []
        self._parts: dict[Path, list[Part]] = {}

    def add(self, chunk: Chunk) -> None:
        if chunk.listings:
            paths, _, links, _ = chunk.listings
            self._chunks.append((paths, links, *chunk.table))

    def _parts_of(self, path: Path) -> list[Part]:
        """Return the parts of a directory. The first call indexes all Chunks."""
        for paths, all_links, rows, counts in self._chunks:
            numbers, start = memoryview(counts).cast("i").tolist(), 0
            listings = split((paths, all_links))
            for (each, links), files, entered in zip(listings, numbers[::2], numbers[1::2], strict=True):
                self._parts.setdefault(each, []).append(Part(rows, start, files, links, entered))
                start += 1 + files + entered
        self._chunks.clear()
        return self._parts.get(path, [])

    def entries(self, walked: Walked) -> Iterator[Entry]:
        """Yield the directory itself, its files, then its directories that are not entered."""
        for paths, rows in self.runs(walked):
            yield from made(self._columns, paths, rows)

    def runs(self, walked: Walked) -> Iterator[tuple[list[Any], memoryview]]:
        """Yield the entries of `entries` as paths and their rows, in runs."""
        path, _, files = walked
        prefix = prefix_of(path)
        left = iter(files)
        shut: list[tuple[list[Any], memoryview]] = []
        for number, part in enumerate(self._parts_of(path)):
            paths = [prefix + name for name in islice(left, part.files)]
            if not number:
                paths.insert(0, path)
            after = part.start + 1 + part.files
            yield paths, self._rows(part.table, after - len(paths), after)
            below = [prefix + name for name in names(part.links)]
            shut.append((below, self._rows(part.table, after, after + part.entered)))
        yield from shut

    def _rows(self, rows: bytes, first: int, last: int) -> memoryview:
        """Return a range of each column."""
        table = memoryview(rows).cast("q")
        size = len(table) // self._columns.width
        columns = [table[start + first : start + last] for start in range(0, len(table), size)]
        return memoryview(b"".join(columns)).cast("q")


assert _Fields._fields[1:] == FIELDS
