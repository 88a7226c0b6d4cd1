"""Producer of entries as lines of text: from a template, as NDJSON, as CSV."""

from __future__ import annotations

import base64
import csv
import io
import os
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from scanner.encoding import printable, terminal_bytes, utf8_bytes, utf8_text
from scanner.fields import TARGET, Columns, columns_of
from scanner.kernel.pack import NO_TARGETS
from scanner.kernel.producers.base import EntryProducer, json_escaped
from scanner.kernel.producers.lines import Formatter, Values, lines_of, pieces_of
from scanner.options import ScanOptions

CYCLE = 146_097 * 86_400  # seconds in 400 years, after which the calendar repeats


class EntryText(EntryProducer):
    """One line an entry. `form`: template, ndjson or csv; `fields`: the fields of a line, in order.

    The compiled formatter writes what it can. Python is the reference.
    """

    def __init__(self, options: ScanOptions, form: str, fields: Sequence[str], *arguments: Any) -> None:
        self._columns = Columns(options.fields, fields)
        self.width = self._columns.width
        pieces = pieces_of(form, fields, columns_of(options.fields), arguments)
        self._lines = lines_of(options, pieces, self._columns, FORMATTERS[form](fields, *arguments))
        self._pieces: list[bytes] = []

    def add_entries(self, paths: Any, rows: bytes, start: int = 0, targets: Mapping[int, bytes] = NO_TARGETS) -> None:
        self._pieces.append(self._lines(paths, rows, start, targets))

    def output(self) -> bytes:
        return b"".join(self._pieces)


PRODUCER = EntryText


class Template:
    """Formats lines as `str.format` does: `{size:>12,} {path}`. `for_terminal`: escape names by `printable`."""

    def __init__(self, fields: Sequence[str], template: str, end: str, for_terminal: bool = False) -> None:
        parts = []
        self._for_terminal = for_terminal
        self._names: list[tuple[str, bool]] = []  # and whether to escape the value: repr escapes by itself
        for literal, name, spec, conversion in string.Formatter().parse(utf8_text(template)):
            parts.append(literal.replace("{", "{{").replace("}", "}}"))
            if name is not None:
                self._names.append((name, for_terminal and conversion not in ("r", "a")))
                parts.append("{" + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}")
        self._line = "".join(parts) + end

    def __call__(self, paths: list[str], values: Values) -> bytes:
        columns = [_column(name, paths, values) for name, _ in self._names]
        for number, (_, to_escape) in enumerate(self._names):
            if to_escape:
                columns[number] = [printable(each) if isinstance(each, str) else each for each in columns[number]]
        lines = map(self._line.format, *columns) if columns else [self._line] * len(paths)
        return (terminal_bytes if self._for_terminal else utf8_bytes)("".join(lines))


class MissingValue:
    """Shown as `-` whatever the format: the value of an entry whose `stat` failed."""

    def __format__(self, spec: str) -> str:
        return "-"


MISSING = MissingValue()


def _column(name: str, paths: list[str], values: Values) -> Sequence[Any]:
    """Return the values of one name in a template: a field, or a value derived from a field or a path."""
    if name == "path":
        return paths
    if name == "name":
        return [os.path.basename(path) or path for path in paths]
    if name == "parent":
        return [os.path.dirname(path) for path in paths]
    if name in ("mtime", "ctime", "atime"):
        return [MISSING if ns is None else _date(ns) for ns in values[f"{name}_ns"]]
    column = values[name]
    if name == TARGET:
        return ["" if value is None else value for value in column]
    return [MISSING if value is None else value for value in column] if None in column else column


def _date(nanoseconds: int) -> str:
    """Format a time in UTC, to the second. Years have four digits or more, and may be negative."""
    cycles, seconds = divmod(nanoseconds // 1_000_000_000, CYCLE)
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date.year + 400 * cycles:04d}{date:-%m-%dT%H:%M:%SZ}"


class Ndjson:
    """Formats an object a line. A path that is not UTF-8 has its bytes in `path_b64`; its `path` is for people only.

    Targets are treated the same.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        rest = "".join(f',"{name}":{{}}' for name in fields) + "}}\n"
        self._line, self._line_b64 = '{{"path":{}' + rest, '{{"path":{},"path_b64":"{}"' + rest

    def __call__(self, paths: list[str], values: Values) -> bytes:
        columns = [_json_targets(values[name]) if name == TARGET else _json(values[name]) for name in self._fields]
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


def _json_targets(column: list[str | None]) -> list[str]:
    """Return the texts of targets, each followed by the member `target_b64` where the target is not UTF-8."""
    texts = []
    for target in column:
        exact = utf8_bytes(target or "")
        shown = exact.decode(errors="replace")
        text = "null" if target is None else encode_basestring(shown)
        texts.append(text if shown == (target or "") else f'{text},"target_b64":"{base64.b64encode(exact).decode()}"')
    return texts


def _json(column: list[Any]) -> list[Any]:
    if column and any(isinstance(value, str) for value in column):
        return ["null" if value is None else encode_basestring(value) for value in column]
    return ["null" if value is None else value for value in column] if None in column else column


class Csv:
    """Formats lines by RFC 4180. A missing value is empty. Paths are raw bytes; `for_terminal` escapes them."""

    def __init__(self, fields: Sequence[str], for_terminal: bool = False) -> None:
        self._fields, self._for_terminal = fields, for_terminal

    def __call__(self, paths: list[str], values: Values) -> bytes:
        text = io.StringIO(newline="")
        columns = [paths, *(values[name] for name in self._fields)]
        if self._for_terminal:
            columns = [[printable(each) if isinstance(each, str) else each for each in column] for column in columns]
        csv.writer(text).writerows(zip(*columns, strict=True))
        return (terminal_bytes if self._for_terminal else utf8_bytes)(text.getvalue())


FORMATTERS: dict[str, Callable[..., Formatter]] = {"template": Template, "ndjson": Ndjson, "csv": Csv}
