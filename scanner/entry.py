"""`Entry`: one name with what `stat` tells about it, made from columns when somebody looks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from typing import Any, NamedTuple

from scanner.fields import COLUMNS, FIELDS, Columns
from scanner.model import Chunk, Path, Walked, names, prefix_of


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
    mode, uid, gid, ino, dev, nlink, mtime_ns, ctime_ns, atime_ns  as in `os.stat_result`, times in nanoseconds

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
    """What was asked about the entries of a result: for each directory the parts in which it came."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = fields
        self._columns = Columns(fields)
        self._parts: dict[Path, list[tuple[Any, bytes, bytes]]] = {}

    def add(self, chunk: Chunk) -> None:
        rows = iter(chunk.table)
        for (path, _, links, _), files, entered in zip(chunk, rows, rows, strict=True):
            self._parts.setdefault(path, []).append((links, files, entered))

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
        for number, (links, rows, link_rows) in enumerate(self._parts.get(path, ())):
            view = memoryview(rows).cast("q")
            count = len(view) // self._columns.width
            paths = [prefix + name for name in islice(left, count - 1)]
            if number:
                view = _without_first(view, count)
            else:
                paths.insert(0, path)
            yield paths, view
            shut.append(([prefix + name for name in names(links)], memoryview(link_rows).cast("q")))
        yield from shut


def _without_first(rows: memoryview, count: int) -> memoryview:
    """Of each column."""
    columns = [rows[start + 1 : start + count] for start in range(0, len(rows), count)]
    return memoryview(b"".join(columns)).cast("q")


assert _Fields._fields[2:] == COLUMNS
