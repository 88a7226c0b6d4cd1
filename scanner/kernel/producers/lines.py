"""Lines of entries by the compiled formatter. A line that it cannot write exactly is written in Python."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

from scanner.encoding import ENCODING, ERRORS, utf8_bytes, utf8_text
from scanner.fields import Columns
from scanner.kernel.native import PIECES, Native, Piece

PATHS = {"path": "path", "name": "name", "parent": "parent"}
DATES = {"mtime": "mtime_ns", "ctime": "ctime_ns", "atime": "atime_ns"}
Values = dict[str, list[Any]]
Formatter = Callable[[list[str], Values], bytes]


def pieces_of(form: str, fields: Sequence[str], columns: Sequence[str], arguments: Sequence[Any]) -> list[Piece] | None:
    """Return the pieces of a line in a form of `EntryText`. None: only Python can write it.

    columns    of the rows.
    arguments  of the form: see `text.py`.
    """
    if form == "template":
        template, end, *for_terminal = arguments
        return None if any(for_terminal) else _of_template(template, end, columns)
    if form == "ndjson":
        pieces = [_literal('{"path":'), _piece("path_json", columns)]
        for name in fields:
            pieces += [_literal(f',"{name}":'), _value(name, columns, "null", type_as="type_json")]
        return [*pieces, _literal("}\n")]
    if any(arguments):
        return None
    pieces = [_piece("path_csv", columns)]
    for name in fields:
        pieces += [_literal(","), _value(name, columns, "")]
    return [*pieces, _literal("\r\n")]


def _of_template(template: str, end: str, columns: Sequence[str]) -> list[Piece] | None:
    pieces: list[Piece] = []
    for literal, name, spec, conversion in string.Formatter().parse(utf8_text(template)):
        if spec or conversion:
            return None
        pieces += [_literal(literal)] if literal else []
        if name in PATHS:
            pieces.append(_piece(PATHS[name], columns))
        elif name in DATES:
            pieces.append(_piece("date", columns, DATES[name], "-"))
        elif name is not None:
            pieces.append(_value(name, columns, "-"))
    return [*pieces, _literal(end)]


def _literal(text: str) -> Piece:
    return PIECES.index("literal"), 0, utf8_bytes(text)


def _piece(kind: str, columns: Sequence[str], column: str = "", missing: str = "") -> Piece:
    return PIECES.index(kind), columns.index(column) if column else 0, missing.encode()


def _value(name: str, columns: Sequence[str], missing: str, *, type_as: str = "type") -> Piece:
    if name == "type":
        return _piece(type_as, columns, "mode", missing)
    kind = "unsigned" if name in ("ino", "dev") else "time" if name.endswith("_ns") else "signed"
    return _piece(kind, columns, name, missing)


class CompiledLines:
    """Formats lines of entries. `columns`: of the rows; `fallback` formats lines that `native` does not."""

    def __init__(self, native: Native, pieces: Sequence[Piece], columns: Columns, fallback: Formatter) -> None:
        self._format, self._pieces = native.format_lines, tuple(pieces)
        self._width = columns.width
        self._columns, self._fallback = columns, fallback

    def __call__(self, paths: Any, rows: bytes, start: int) -> bytes:
        """Return the lines of entries: their paths, joined by NULs, and their rows from row `start` on."""
        joined = paths.encode(ENCODING, ERRORS) if isinstance(paths, str) else paths
        size = len(rows) // (8 * self._width)
        lines, row, at = self._format(joined, rows, self._width, start, 0, self._pieces)
        if row == size:
            return lines
        parts = [lines]
        while row < size:
            end = joined.find(b"\0", at)
            path = joined[at : len(joined) if end < 0 else end]
            parts.append(self._line(path, rows, row, size))
            row, at = row + 1, at + len(path) + 1
            if row < size:
                lines, row, at = self._format(joined, rows, self._width, row, at, self._pieces)
                parts.append(lines)
        return b"".join(parts)

    def _line(self, path: bytes, rows: bytes, row: int, size: int) -> bytes:
        starts = [8 * (column * size + row) for column in range(self._width)]
        values = [rows[start : start + 8] for start in starts]
        return self._fallback([utf8_text(path)], self._columns.values(memoryview(b"".join(values)).cast("q")))
