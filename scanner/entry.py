"""`Entry`: one name with what `stat` tells about it, made from columns when somebody looks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from typing import Any, NamedTuple

from scanner.fields import FIELDS, Columns
from scanner.model import Chunk, Path, Walked, names, prefix_of, split


class _Fields(NamedTuple):
    path: Any
    type: str | None = None
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


class Entry(_Fields):
    """A file, directory or link: `path`, `name`, and what was asked about it. Can be given wherever a path can.

    type       f, d, l, p, s, b or c, as in `find -type`
    size       bytes; of a link, those of its target's name
    blocks     of 512 bytes on the disk
    mode, uid, gid, ino, dev, nlink, mtime_ns, ctime_ns, atime_ns  as in `os.stat_result`, times in nanoseconds, clamped
               to 64 bits: from 1677-09-21 to 2262-04-11

    What was not asked, or could not be told, is None. Of a link it is told what the link itself is, unless links are
    followed.
    """

    __slots__ = ()

    @property
    def name(self) -> Any:
        """The last part of the path."""
        return os.path.basename(self.path) or self.path

    def __fspath__(self) -> Any:
        return self.path


class Part(NamedTuple):
    """Where in a table the rows of a directory, or of a part of it, are: its own, those of files, those of links."""

    table: bytes  # 64-bit numbers
    start: int
    files: int
    links: Any
    entered: int


_make = partial(tuple.__new__, Entry)


def made(columns: Columns, paths: Sequence[Any], rows: memoryview) -> Iterator[Entry]:
    """The entries of these paths."""
    values = columns.values(rows)
    some = [values.get(name, repeat(None)) for name in FIELDS]
    return map(_make, zip(paths, *some, strict=False))


def entries_of(columns: Columns, table: bytes | memoryview, as_bytes: bool) -> Iterator[Entry]:
    """Of what the sink `table` has made."""
    joined, rows = columns.take_apart(table)
    if not joined:
        return iter(())
    paths: Any = joined.split(b"\0") if as_bytes else os.fsdecode(joined).split("\0")
    return made(columns, paths, rows)


class Stated:
    """What was asked about the entries of a result: columns, as they came, and where in them each directory is."""

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
        """Those in which the directory came. All are looked for when the first is wanted."""
        for paths, all_links, rows, counts in self._chunks:
            numbers, start = memoryview(counts).cast("i").tolist(), 0
            listings = split((paths, all_links))
            for (each, links), files, entered in zip(listings, numbers[::2], numbers[1::2], strict=True):
                self._parts.setdefault(each, []).append(Part(rows, start, files, links, entered))
                start += 1 + files + entered
        self._chunks.clear()
        return self._parts.get(path, [])

    def entries(self, walked: Walked) -> Iterator[Entry]:
        """The directory itself, its files, then its directories that are not entered."""
        for paths, rows in self.runs(walked):
            yield from made(self._columns, paths, rows)

    def runs(self, walked: Walked) -> Iterator[tuple[list[Any], memoryview]]:
        """The same as paths and rows."""
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
        """Some of each column."""
        table = memoryview(rows).cast("q")
        size = len(table) // self._columns.width
        columns = [table[start + first : start + last] for start in range(0, len(table), size)]
        return memoryview(b"".join(columns)).cast("q")


assert _Fields._fields[1:] == FIELDS
