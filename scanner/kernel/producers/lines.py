"""Lines of entries, in Python or by the compiled formatter.

A line that the compiled formatter cannot write exactly is written in Python.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scanner.encoding import ENCODING, ERRORS, utf8_bytes, utf8_text
from scanner.fields import TARGET, Columns
from scanner.kernel.native import PIECES, Native, Piece, native
from scanner.kernel.pack import NO_TARGETS
from scanner.options import ScanOptions

PATHS = {"path": "path", "name": "name", "parent": "parent"}
DATES = {"mtime": "mtime_ns", "ctime": "ctime_ns", "atime": "atime_ns"}
Values = dict[str, list[Any]]
Formatter = Callable[[list[str], Values], bytes]


def pieces_of(form: str, fields: Sequence[str], columns: Sequence[str], arguments: Sequence[Any]) -> list[Piece] | None:
    """Return the pieces of a line in a form of `EntryText`. None: only Python can write it.

    columns    of the rows.
    arguments  of the form: see `text.py`.
    """
    if TARGET in fields:
        return None
    if form == "template":
        template, end, *for_terminal = arguments
        return None if any(for_terminal) else _of_template(template, end, columns)
    if form == "ndjson":
        pieces = [literal('{"path":'), piece("path_json", columns)]
        for name in fields:
            pieces += [literal(f',"{name}":'), value_of(name, columns, "null", type_as="type_json")]
        return [*pieces, literal("}\n")]
    if any(arguments):
        return None
    pieces = [piece("path_csv", columns)]
    for name in fields:
        pieces += [literal(","), value_of(name, columns, "")]
    return [*pieces, literal("\r\n")]


def _of_template(template: str, end: str, columns: Sequence[str]) -> list[Piece] | None:
    pieces: list[Piece] = []
    for text, name, spec, conversion in string.Formatter().parse(utf8_text(template)):
        if spec or conversion:
            return None
        pieces += [literal(text)] if text else []
        if name in PATHS:
            pieces.append(piece(PATHS[name], columns))
        elif name in DATES:
            pieces.append(piece("date", columns, DATES[name], "-"))
        elif name is not None:
            pieces.append(value_of(name, columns, "-"))
    return [*pieces, literal(end)]


def literal(text: str) -> Piece:
    """Return the piece that writes `text`."""
    return PIECES.index("literal"), 0, utf8_bytes(text)


def piece(kind: str, columns: Sequence[str], column: str = "", text: str = "") -> Piece:
    """Return a piece of a kind of PIECES. `text`: of a missing value, or before the value."""
    return PIECES.index(kind), columns.index(column) if column else 0, text.encode()


def value_of(name: str, columns: Sequence[str], missing: str, *, type_as: str = "type") -> Piece:
    if name == "type":
        return piece(type_as, columns, "mode", missing)
    kind = "unsigned" if name in ("ino", "dev") else "time" if name.endswith("_ns") else "signed"
    return piece(kind, columns, name, missing)


class PythonLines:
    """Formats lines of entries by `formatter`. `columns`: of the rows."""

    def __init__(self, columns: Columns, formatter: Formatter) -> None:
        self._columns, self._formatter = columns, formatter

    def __call__(self, paths: Any, rows: bytes, start: int, targets: Mapping[int, bytes] = NO_TARGETS) -> bytes:
        """Return the lines of entries: their paths, joined by NULs, and their rows from row `start` on.

        targets  by row; only Python writes them.
        """
        values = self._columns.values(memoryview(rows).cast("q"))
        if start:
            values = {name: column[start:] for name, column in values.items()}
        listed = utf8_text(paths).split("\0")
        if self._columns.has_targets:
            found = (targets.get(row) for row in range(start, start + len(listed)))
            values[TARGET] = [None if target is None else utf8_text(target) for target in found]
        return self._formatter(listed, values)


class CompiledLines(PythonLines):
    """The same by `native`; `formatter` formats the lines that it does not."""

    def __init__(self, native: Native, pieces: Sequence[Piece], columns: Columns, formatter: Formatter) -> None:
        super().__init__(columns, formatter)
        self._format, self._pieces = native.format_lines, tuple(pieces)

    def __call__(self, paths: Any, rows: bytes, start: int, targets: Mapping[int, bytes] = NO_TARGETS) -> bytes:
        joined = paths.encode(ENCODING, ERRORS) if isinstance(paths, str) else paths
        width = self._columns.width
        size = len(rows) // (8 * width)
        lines, row, at = self._format(joined, rows, width, start, 0, self._pieces)
        if row == size:
            return lines
        parts = [lines]
        while row < size:
            end = joined.find(b"\0", at)
            path = joined[at : len(joined) if end < 0 else end]
            parts.append(super().__call__(path, row_of(rows, width, row), 0))
            row, at = row + 1, at + len(path) + 1
            if row < size:
                lines, row, at = self._format(joined, rows, width, row, at, self._pieces)
                parts.append(lines)
        return b"".join(parts)


def compiled(options: ScanOptions, columns: Columns) -> Native | None:
    """Return the compiled formatter, if it can be used."""
    return None if options.pure or not columns.width else native()


def lines_of(
    options: ScanOptions, pieces: Sequence[Piece] | None, columns: Columns, formatter: Formatter
) -> PythonLines:
    """Return what formats lines. `pieces`: None if only Python can write them."""
    module = compiled(options, columns)
    if module is None or pieces is None or columns.has_targets:
        return PythonLines(columns, formatter)
    return CompiledLines(module, pieces, columns, formatter)


def row_of(rows: bytes, width: int, row: int) -> bytes:
    """Return one value of each column."""
    size = len(rows) // width
    return b"".join([rows[start : start + 8] for start in range(8 * row, width * size, size)])
