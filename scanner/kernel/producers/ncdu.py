"""Producer of ncdu's JSON: a list for each directory, of itself and its entries.

How many lists to close before a directory depends on the depth of the directory before. So the output begins with the
depths of its first and its last directory, and the consumer closes the lists between two Chunks.

Names that are not UTF-8 are written as raw bytes, as ncdu itself writes them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from json.encoder import encode_basestring
from typing import Any

from scanner.encoding import ENCODING, ERRORS, utf8_bytes, utf8_text
from scanner.fields import Columns, columns_of
from scanner.kernel.native import JOINED, Piece, WalkedRun
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.base import Producer, depth_below, json_escaped
from scanner.kernel.producers.lines import Values, compiled, lines_of, literal, piece, row_of
from scanner.kernel.producers.sizes import SIZE_FIELDS
from scanner.kernel.status import nothing
from scanner.model import EXCLUDED, Fault, prefix_of
from scanner.options import ScanOptions

OTHER_FILE_SYSTEM, BY_PATTERN = ',"excluded":"otherfs"', ',"excluded":"pattern"'
NCDU_FIELDS = (*SIZE_FIELDS, "uid", "gid", "mtime_ns")
MOST_BYTES, MOST_ID, MOST_MODE, MOST_NAME = (1 << 63) - 1, (1 << 31) - 1, (1 << 16) - 1, 32_000
"""Limits of ncdu, which refuses a whole file for one number above them or below 0 (a time before 1970): such numbers
are not written. Of the name of a root that is longer than MOST_NAME bytes, only the end is written."""


class Ncdu(Producer):
    """Lists of one root. `for_terminal`: replace bytes that are not UTF-8."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, for_terminal: bool = False) -> None:
        self._encode = valid_bytes if for_terminal else utf8_bytes
        self._columns = Columns(options.fields, NCDU_FIELDS)
        self.width = self._columns.width
        (self._root,) = options.roots
        self._barred = frozenset(options.barred)
        self._first: int | None = None
        self._last = -1
        self._pieces: list[bytes] = []
        columns = columns_of(options.fields)
        own, file = (None, None) if for_terminal else (own_pieces(columns), file_pieces(columns))
        self._own = lines_of(options, own, self._columns, self._own_lines)
        self._files = lines_of(options, file, self._columns, self._file_lines)
        self._root_bytes = os.fsencode(self._root)
        module = compiled(options, self._columns)
        self._format: Callable[..., bytes | None] | None = None
        if module is not None and own is not None and file is not None and len(self._root_bytes) <= MOST_NAME:
            self._format = partial(module.format_lists, tuple(own), tuple(file), len(prefix_of(self._root_bytes)))

    def add_joined_run(self, run: WalkedRun) -> None:
        """Add a run in one compiled call, unless it has a line that only Python can write."""
        if not self._add_compiled(run):
            super().add_joined_run(run)

    def _add_compiled(self, run: WalkedRun) -> bool:
        if self._format is None or not run.directories:
            return False
        packed = (run.names[number] for number in (0, 2, 3))
        paths, links, files = (each.encode(ENCODING, ERRORS) if isinstance(each, str) else each for each in packed)
        first, last = (
            depth_below(path, self._root_bytes) for path in (paths.partition(b"\0")[0], paths.rpartition(b"\0")[2])
        )
        made = self._format(first, paths, links, files, run.counts, run.rows, self.width)
        if made is None:
            return False
        self._close_lists(first)
        self._pieces.append(made)
        self._last = last
        return True

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        depth = depth_below(path, self._root)
        if first:
            self._open(depth)
            self._pieces.append(self._own(self._name(path), row_of(files.rows, self.width, 0), 0))
        else:
            self._close_lists(depth + 1)
            self._last = depth
        if files.names:
            self._pieces.append(self._files(files.names, files.rows, 1))
        for name, row in zip(links, self._rows(files.links) if links else [], strict=True):
            mark = OTHER_FILE_SYSTEM if prefix_of(path) + name in self._barred else ""
            self._add(",\n[{" + self._info(utf8_text(name), row, directory=True) + mark + "}]")
        for name in files.excluded:
            self._add(",\n{" + _named(utf8_text(name)) + BY_PATTERN + "}")

    def _file_lines(self, names: list[str], values: Values) -> bytes:
        entries = zip(names, by_row(values), strict=True)
        return self._encoded("".join([",\n{" + self._info(name, row) + "}" for name, row in entries]))

    def _own_lines(self, names: list[str], values: Values) -> bytes:
        """Return the line of a directory in its own list."""
        (name,), (row,) = names, by_row(values)
        return self._encoded("{" + self._info(name, row, directory=True) + "}")

    def _add(self, text: str) -> None:
        self._pieces.append(self._encoded(text))

    def _encoded(self, text: str) -> bytes:
        return self._encode(json_escaped(text))

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        (values,) = self._rows(row or nothing(self._columns.width, 1))
        mark = ',"read_error":true'
        if fault.kind == EXCLUDED:
            mark = OTHER_FILE_SYSTEM if "file system" in fault.message else BY_PATTERN
        self._open(depth_below(path, self._root))
        self._add("{" + self._info(utf8_text(self._name(path)), values, directory=True) + mark + "}")

    def _open(self, depth: int) -> None:
        self._close_lists(depth)
        self._last = depth
        self._pieces.append(b",\n[" if depth else b"[")

    def _close_lists(self, depth: int) -> None:
        """Close the lists of directories at `depth` levels and deeper."""
        if self._first is None:
            self._first = depth
        else:
            self._pieces.append(b"]" * (self._last - depth + 1))

    def _name(self, path: Any) -> Any:
        if path != self._root:
            return path[path.rfind("/" if isinstance(path, str) else b"/") + 1 :]
        return path if len(os.fsencode(path)) <= MOST_NAME else path[-MOST_NAME // 4 :]

    def _rows(self, rows: bytes) -> list[dict[str, Any]]:
        return by_row(self._columns.values(memoryview(rows).cast("q")))

    def _info(self, name: str, row: dict[str, Any], *, directory: bool = False) -> str:
        text = _named(name)
        if row["mode"] is None:
            return text if directory else text + ',"read_error":true'
        if row["size"] > 0:
            text += f',"asize":{row["size"]}'
        if row["blocks"] > 0:
            text += f',"dsize":{min(512 * row["blocks"], MOST_BYTES)}'
        if directory:
            text += f',"dev":{row["dev"]}'
        text += f',"ino":{row["ino"]}'
        if not directory and row["nlink"] > 1:
            text += f',"hlnkc":true,"nlink":{row["nlink"]}'
        if not directory and not stat.S_ISREG(row["mode"]):
            text += ',"notreg":true'
        seconds = row["mtime_ns"] // 10**9
        numbers = (("uid", row["uid"], MOST_ID), ("gid", row["gid"], MOST_ID), ("mode", row["mode"], MOST_MODE),
                   ("mtime", seconds, MOST_BYTES))  # fmt: skip
        return text + "".join([f',"{name}":{value}' for name, value, most in numbers if 0 <= value <= most])

    def output(self) -> bytes:
        ends = (self._first or 0).to_bytes(8, "little") + (self._last + 1).to_bytes(8, "little")
        return ends + b"".join(self._pieces)


def by_row(values: Values) -> list[dict[str, Any]]:
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def file_pieces(columns: Sequence[str]) -> list[Piece]:
    """Return the pieces of the line of a file, as `Ncdu._info` writes it."""
    return [
        literal(',\n{"name":'), piece("path_raw_json", columns), *_sizes(columns),
        piece("with_unsigned", columns, "ino", ',"ino":'),
        piece("if_links", columns, "nlink", ',"hlnkc":true,"nlink":'),
        piece("if_special", columns, "mode", ',"notreg":true'), *_others(columns),
    ]  # fmt: skip


def own_pieces(columns: Sequence[str]) -> list[Piece]:
    """Return the pieces of the line of a directory in its own list."""
    return [
        literal('{"name":'), piece("path_raw_json", columns), *_sizes(columns),
        piece("with_unsigned", columns, "dev", ',"dev":'), piece("with_unsigned", columns, "ino", ',"ino":'),
        *_others(columns),
    ]  # fmt: skip


def _sizes(columns: Sequence[str]) -> list[Piece]:
    return [
        piece("if_positive", columns, "size", ',"asize":'), piece("if_disk", columns, "blocks", ',"dsize":'),
    ]  # fmt: skip


def _others(columns: Sequence[str]) -> list[Piece]:
    return [
        piece("if_id", columns, "uid", ',"uid":'), piece("if_id", columns, "gid", ',"gid":'),
        piece("if_mode", columns, "mode", ',"mode":'), piece("if_seconds", columns, "mtime_ns", ',"mtime":'),
        literal("}"),
    ]  # fmt: skip


def valid_bytes(text: str) -> bytes:
    """Encode as valid UTF-8, with U+FFFD for other bytes."""
    return utf8_bytes(text).decode(errors="replace").encode()


def _named(name: str) -> str:
    return '"name":' + encode_basestring(name)


PRODUCER = Ncdu
