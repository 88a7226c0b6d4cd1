"""What the coordinator does with what workers have made: puts it in order, and what has to be around it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from scanner import __version__
from scanner.export.formats import Target, is_terminal
from scanner.export.output import Output
from scanner.export.tree import Total, Tree
from scanner.model import Chunk, Path, printable, terminal_bytes, utf8_text

Write = Callable[[bytes | memoryview], object]
Record = Callable[[], dict[str, Any]]
"""Makes the record of a finished scan: roots, host, times, outcome, unreadable directories, as plain values."""


class Writer(Protocol):
    """Writes one output of a scan: every Chunk in walk order, then the end.

    `take` gets the whole Chunk (faults, leftovers and position included) and `made`, the bytes that workers produced
    for this output. `made` may be empty: a Chunk without listings still reports faults. `finish` is called only after
    a complete scan.
    """

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None: ...
    def finish(self, record: Record) -> None: ...


class Plain:
    """Bytes, as they are, after a head. `trailer`: followed by a line of JSON, `{"scan": RECORD}`."""

    def __init__(self, write: Write, head: bytes = b"", *, trailer: bool = False) -> None:
        self._write = write
        self._trailer = trailer
        if head:
            write(head)

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None:
        self._write(made)

    def finish(self, record: Record) -> None:
        if self._trailer:
            self._write(json.dumps({"scan": record()}).encode() + b"\n")


class NcduTree:
    """Closes the lists of ncdu's JSON that lie between two Chunks."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._depth = 0  # of lists that are open
        write(f'[1,2,{{"progname":"scanner","progver":"{__version__}"}},\n'.encode())

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None:
        view = memoryview(made)
        first, last = (int.from_bytes(view[at : at + 8], "little") for at in (0, 8))
        if len(view) > 16:
            self._write(b"]" * (self._depth - first))
            self._write(view[16:])
            self._depth = last

    def finish(self, record: Record) -> None:
        self._write(b"]" * self._depth + b"]\n")


class Folded:
    """A line for each directory: the way down to it with semicolons, and the bytes on disk of what it holds itself."""

    def __init__(self, write: Write, roots: Sequence[Path], *, shown: bool = False) -> None:
        """`shown`: on a terminal."""
        self._write = write
        self._tree = Tree(roots)
        self._line = _shown_folded if shown else _folded

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None:
        self._write(b"".join(map(self._line, self._tree.add(made))))

    def finish(self, record: Record) -> None:
        self._write(b"".join(map(self._line, self._tree.finish())))


def _shown_folded(total: Total) -> bytes:
    return terminal_bytes(printable(utf8_text(_folded(total)[:-1]))) + b"\n"


def _folded(total: Total) -> bytes:
    path = os.fsencode(total.path)
    root, slash, rest = path[:1], b"/", path[1:] if path[:1] == b"/" else path
    names = ([root] if root == slash else []) + [name for name in rest.split(slash) if name]
    shown = (name.replace(b";", b":").replace(b"\n", b"?").replace(b"\r", b"?") for name in names)
    return b";".join(shown) + b" %d\n" % total.own_disk


def writer_of(target: Target, output: Output, write: Write, roots: Sequence[Path]) -> Writer:
    """What writes this target of a scan of `roots`, by `write`. Raises OptionError where an extra is missing."""
    if target.format == "parquet":
        from scanner.export.parquet import ParquetFile  # each is needed by few

        return ParquetFile(write, target.fields)
    if target.format == "sqlite":
        from scanner.export.sqlite import Database

        return Database(output, target.fields)
    if target.compression is not None:
        from scanner.export.compress import Compressed

        stream = Compressed(write, target.compression)
        return Finishing(_plain_writer(target, stream.write, roots), stream.finish)
    return _plain_writer(target, write, roots)


def _plain_writer(target: Target, write: Write, roots: Sequence[Path]) -> Writer:
    if target.format == "ncdu":
        return NcduTree(write)
    if target.format == "folded":
        return Folded(write, roots, shown=is_terminal(target.path))
    head = ",".join(("path", *target.fields)).encode() + b"\r\n" if target.format == "csv" else b""
    return Plain(write, head, trailer=target.trailer)


class Finishing:
    """A Writer after whose end there is something else to do."""

    def __init__(self, writer: Writer, finish: Callable[[], object]) -> None:
        self.take = writer.take
        self._writer, self._finish = writer, finish

    def finish(self, record: Record) -> None:
        self._writer.finish(record)
        self._finish()
