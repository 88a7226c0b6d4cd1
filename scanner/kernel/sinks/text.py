"""Entries as lines of text: by a template, as NDJSON, as CSV."""

from __future__ import annotations

import base64
import csv
import io
import os
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from scanner.fields import Columns
from scanner.kernel.pack import LINES
from scanner.kernel.part import Stated
from scanner.kernel.runs import Run
from scanner.kernel.sinks.base import Sink, json_escaped
from scanner.kernel.status import nothing
from scanner.model import Fault, prefix_of, printable, terminal_bytes, utf8_bytes, utf8_text
from scanner.options import ScanOptions

CYCLE = 146_097 * 86_400  # seconds of 400 years, after which the calendar repeats
Values = dict[str, list[Any]]
Formatter = Callable[[list[str], Values], bytes]


class Text(Sink):
    """One line an entry. `form`: template, ndjson or csv; `fields`: those that are in it."""

    run_form, run_separator = LINES, b"\0"

    def __init__(self, options: ScanOptions, form: str, fields: Sequence[str], *arguments: Any) -> None:
        self._columns = Columns(options.fields, fields)
        self._format: Formatter = FORMS[form](fields, *arguments)
        self._pieces: list[bytes] = []

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        prefix, path = utf8_text(prefix_of(path)), utf8_text(path)
        files = utf8_text(stated.files)
        paths = (prefix + files.replace("\0", "\0" + prefix)).split("\0") if files else []
        values = self._columns.values(memoryview(stated.rows).cast("q"))
        if first:
            paths.insert(0, path)
        else:
            values = {name: column[1:] for name, column in values.items()}
        if paths:
            self._pieces.append(self._format(paths, values))
        if links:
            below = [prefix + utf8_text(name) for name in links]
            self._pieces.append(self._format(below, self._columns.values(memoryview(stated.links).cast("q"))))

    def add_run(self, run: Run) -> None:
        if run.names[3]:
            paths = utf8_text(run.names[3]).split("\0")[:-1]
            self._pieces.append(self._format(paths, self._columns.values(memoryview(run.rows).cast("q"))))

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        rows = memoryview(row or nothing(self._columns.width, 1)).cast("q")
        self._pieces.append(self._format([utf8_text(path)], self._columns.values(rows)))

    def output(self) -> bytes:
        return b"".join(self._pieces)


SINK = Text


class Template:
    """As `str.format` would: `{size:>12,} {path}`. `shown`: for a terminal, with names as `printable` has them."""

    def __init__(self, fields: Sequence[str], template: str, end: str, shown: bool = False) -> None:
        parts = []
        self._shown = shown
        self._names: list[tuple[str, bool]] = []  # and whether it is to be made printable: repr does that itself
        for literal, name, spec, conversion in string.Formatter().parse(utf8_text(template)):
            parts.append(literal.replace("{", "{{").replace("}", "}}"))
            if name is not None:
                self._names.append((name, shown and conversion not in ("r", "a")))
                parts.append("{" + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}")
        self._line = "".join(parts) + end

    def __call__(self, paths: list[str], values: Values) -> bytes:
        columns = [_derived(name, paths, values) for name, _ in self._names]
        for number, (_, to_escape) in enumerate(self._names):
            if to_escape:
                columns[number] = [printable(each) if isinstance(each, str) else each for each in columns[number]]
        lines = map(self._line.format, *columns) if columns else [self._line] * len(paths)
        return (terminal_bytes if self._shown else utf8_bytes)("".join(lines))


class Unknown:
    """In the place of a value that could not be asked, whatever its format."""

    def __format__(self, spec: str) -> str:
        return "-"


UNKNOWN = Unknown()


def _derived(name: str, paths: list[str], values: Values) -> Sequence[Any]:
    """A column of a template: a field, or what can be told from one."""
    if name == "path":
        return paths
    if name == "name":
        return [os.path.basename(path) or path for path in paths]
    if name == "parent":
        return [os.path.dirname(path) for path in paths]
    if name in ("mtime", "ctime", "atime"):
        return [UNKNOWN if ns is None else _date(ns) for ns in values[f"{name}_ns"]]
    column = values[name]
    return [UNKNOWN if value is None else value for value in column] if None in column else column


def _date(nanoseconds: int) -> str:
    """In UTC, to the second: the same everywhere. Years have as many digits as they need, and may be negative."""
    cycles, seconds = divmod(nanoseconds // 1_000_000_000, CYCLE)
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date.year + 400 * cycles:04d}{date:-%m-%dT%H:%M:%SZ}"


class Ndjson:
    """An object a line. Where a path is no UTF-8, `path_b64` has its bytes, and `path` is for people only."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        rest = "".join(f',"{name}":{{}}' for name in fields) + "}}\n"
        self._line, self._line_b64 = '{{"path":{}' + rest, '{{"path":{},"path_b64":"{}"' + rest

    def __call__(self, paths: list[str], values: Values) -> bytes:
        columns = [_json(values[name]) for name in self._fields]
        try:
            return json_escaped("".join(map(self._line.format, map(encode_basestring, paths), *columns))).encode()
        except UnicodeEncodeError:
            return json_escaped("".join(map(self._any_line, paths, *columns))).encode()

    def _any_line(self, path: str, *values: Any) -> str:
        try:
            path.encode()
        except UnicodeEncodeError:
            exact = utf8_bytes(path)
            shown = encode_basestring(exact.decode(errors="replace"))
            return self._line_b64.format(shown, base64.b64encode(exact).decode(), *values)
        return self._line.format(encode_basestring(path), *values)


def _json(column: list[Any]) -> list[Any]:
    if column and any(isinstance(value, str) for value in column):
        return ["null" if value is None else f'"{value}"' for value in column]
    return ["null" if value is None else value for value in column] if None in column else column


class Csv:
    """By RFC 4180; a value that could not be asked is empty. The bytes of paths are as they are, unless `shown` on a
    terminal.
    """

    def __init__(self, fields: Sequence[str], shown: bool = False) -> None:
        self._fields, self._shown = fields, shown

    def __call__(self, paths: list[str], values: Values) -> bytes:
        text = io.StringIO(newline="")
        paths = list(map(printable, paths)) if self._shown else paths
        csv.writer(text).writerows(zip(paths, *(values[name] for name in self._fields), strict=True))
        return (terminal_bytes if self._shown else utf8_bytes)(text.getvalue())


FORMS: dict[str, Callable[..., Formatter]] = {"template": Template, "ndjson": Ndjson, "csv": Csv}
