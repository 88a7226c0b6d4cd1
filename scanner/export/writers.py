"""Writers of outputs: they complete the bytes made by workers to whole files, in walk order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from scanner import __version__
from scanner.encoding import ENCODING, ERRORS, printable, terminal_bytes, utf8_text
from scanner.export.formats import OutputSpec, is_terminal, missing_extra
from scanner.export.output import Output
from scanner.fields import TARGET, Columns, with_exact_times, worker_fields
from scanner.model import Chunk, Path

if TYPE_CHECKING:
    from scanner.export.tree import Total
    from scanner.kernel.native import Native

GZIP_LEVEL, ZSTD_LEVEL = 6, 3
FOLDED = bytes.maketrans(b"/;\n\r", b";:??")
Write = Callable[[bytes | memoryview], object]
Record = Callable[[], dict[str, Any]]
"""Returns the record of a finished scan as plain values: roots, host, times, outcome, unreadable directories."""


class Writer(Protocol):
    """Writes one output of a scan: every Chunk in walk order, then the end.

    `write_chunk` gets the whole Chunk (faults, leftovers and position included) and `made`, the bytes that workers made
    for this output. `made` may be empty: a Chunk without listings still reports faults. `finish` is called only if the
    scan has a whole result.
    """

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None: ...
    def finish(self, record: Record) -> None: ...


class PlainWriter:
    """Writes `head`, then the bytes as they are, then with `trailer` a line of JSON, `{"scan": RECORD}`."""

    def __init__(self, write: Write, head: bytes = b"", *, trailer: bool = False) -> None:
        self._write = write
        self._trailer = trailer
        if head:
            write(head)

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        self._write(made)

    def finish(self, record: Record) -> None:
        if self._trailer:
            import json  # not needed otherwise

            self._write(json.dumps({"scan": record()}).encode() + b"\n")


class NamedLinesWriter(PlainWriter):
    """Writes lines with names of owners or groups, from columns: workers do not look up names."""

    def __init__(self, write: Write, spec: OutputSpec, head: bytes) -> None:
        from scanner.kernel.producers.text import FORMATTERS
        from scanner.owners import Names  # not needed otherwise

        super().__init__(write, head, trailer=spec.trailer)
        fields = worker_fields(spec.fields)
        self._columns = Columns(with_exact_times(fields), fields)
        form, *arguments = spec.lines
        self._format = FORMATTERS[form](*arguments)
        self._names = Names()

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        joined, rows = self._columns.take_apart(made)
        if joined:
            values = self._names.add(self._columns.values(rows))
            if self._columns.has_targets:
                values[TARGET] = [None if each is None else utf8_text(each) for each in self._columns.targets(made)]
            self._write(self._format(utf8_text(joined).split("\0"), values))


class NcduWriter:
    """Writes ncdu's JSON. It closes the lists that end between two Chunks."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._depth = 0  # number of open lists
        write(f'[1,2,{{"progname":"scanner","progver":"{__version__}"}},\n'.encode())

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        view = memoryview(made)
        first, last = (int.from_bytes(view[at : at + 8], "little") for at in (0, 8))
        if len(view) > 16:
            self._write(b"]" * (self._depth - first))
            self._write(view[16:])
            self._depth = last

    def finish(self, record: Record) -> None:
        self._write(b"]" * self._depth + b"]\n")


class FoldedWriter:
    """Writes a line for each directory: its path with semicolons, and the disk usage of its own entries in bytes."""

    def __init__(self, write: Write, roots: Sequence[Path], *, on_terminal: bool = False) -> None:
        from scanner.export.tree import Tree  # not needed otherwise

        self._write = write
        self._tree = Tree(roots)
        self._line = _printable_folded_line if on_terminal else _folded_line

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        self._write(b"".join(map(self._line, self._tree.add(made))))

    def finish(self, record: Record) -> None:
        self._write(b"".join(map(self._line, self._tree.finish())))


def _printable_folded_line(total: Total) -> bytes:
    return terminal_bytes(printable(utf8_text(_folded_line(total)[:-1]))) + b"\n"


def _folded_line(total: Total) -> bytes:
    path: Any = total.path
    encoded: bytes = path if isinstance(path, bytes) else path.encode(ENCODING, ERRORS)
    shown = encoded.translate(FOLDED)
    if b";;" in shown or shown[-1:] == b";":  # a root may end with slashes, or have several in a row
        shown = b";" * encoded.startswith(b"/") + b";".join(filter(None, shown.split(b";")))
        shown = b"" if shown == b";" else shown
    return b"%b%b %d\n" % (b"/" if encoded[:1] == b"/" else b"", shown, total.own_disk)


class CompressedWriter:
    """Compresses the output of another writer, in one stream: its bytes do not depend on how the scan was divided.

    `kind`: gz or zst. Raises OptionError without a zstd library.
    """

    def __init__(self, write: Write, kind: str, make_writer: Callable[[Write], Writer]) -> None:
        self._write = write
        self._compressor = _zstd_compressor() if kind == "zst" else _gzip_compressor()
        self._writer = make_writer(self._compress)
        self.write_chunk = self._writer.write_chunk

    def _compress(self, body: bytes | memoryview) -> None:
        done = self._compressor.compress(body)
        if done:
            self._write(done)

    def finish(self, record: Record) -> None:
        self._writer.finish(record)
        self._write(self._compressor.flush())


def _gzip_compressor() -> Any:
    import zlib

    return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # 16: a gzip header, without name and time


def _zstd_compressor() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdCompressor(ZSTD_LEVEL)
    try:
        import zstandard
    except ImportError as error:
        raise missing_extra("zstd", "compression as .zst") from error
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()


def writer_of(
    spec: OutputSpec, output: Output, write: Write, roots: Sequence[Path], native: Native | None = None
) -> Writer:
    """Return the writer of an output of a scan of `roots`. Raises OptionError if a library is missing.

    All bytes go through `write`, except those of SQLite, which opens the file of `output` itself. `native`: the
    compiled reader, if it may be used.
    """
    if spec.format == "parquet":
        from scanner.export.arrow import ParquetWriter  # not needed otherwise

        return ParquetWriter(write, spec.fields)
    if spec.format == "sqlite":
        from scanner.export.sqlite import SqliteWriter

        return SqliteWriter(output, write, spec.fields, native)
    if spec.compression is not None:
        return CompressedWriter(write, spec.compression, lambda write: _uncompressed_writer(spec, write, roots))
    return _uncompressed_writer(spec, write, roots)


def _uncompressed_writer(spec: OutputSpec, write: Write, roots: Sequence[Path]) -> Writer:
    if spec.format == "ncdu":
        return NcduWriter(write)
    if spec.format == "folded":
        return FoldedWriter(write, roots, on_terminal=is_terminal(spec.path))
    head = ",".join(("path", *spec.fields)).encode() + b"\r\n" if spec.format == "csv" else b""
    return NamedLinesWriter(write, spec, head) if spec.lines else PlainWriter(write, head, trailer=spec.trailer)
