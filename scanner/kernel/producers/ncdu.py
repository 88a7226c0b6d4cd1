"""Producer of ncdu's JSON: a list for each directory, of itself and its entries.

How many lists to close before a directory depends on the depth of the directory before. So the output begins with the
depths of its first and its last directory, and the consumer closes the lists between two Chunks.

Names that are not UTF-8 are written as raw bytes, as ncdu itself writes them.
"""

from __future__ import annotations

import os
import stat
from json.encoder import encode_basestring
from typing import Any

from scanner.encoding import utf8_bytes, utf8_text
from scanner.fields import Columns
from scanner.kernel.native import JOINED
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.base import Producer, depth_below, json_escaped
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
        self._pieces: list[str] = []

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        rows = self._rows(files.rows)
        depth = depth_below(path, self._root)
        if first:
            self._open(depth, self._info(self._name(path), rows[0], directory=True))
        else:
            self._close_lists(depth + 1)
            self._last = depth
        names = utf8_text(files.names).split("\0") if files.names else []
        for name, row in zip(names, rows[1:], strict=True):
            self._pieces.append(",\n{" + self._info(name, row) + "}")
        for name, row in zip(links, self._rows(files.links) if links else [], strict=True):
            mark = OTHER_FILE_SYSTEM if prefix_of(path) + name in self._barred else ""
            self._pieces.append(",\n[{" + self._info(utf8_text(name), row, directory=True) + mark + "}]")
        for name in files.excluded:
            self._pieces.append(",\n{" + _named(utf8_text(name)) + BY_PATTERN + "}")

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        (values,) = self._rows(row or nothing(self._columns.width, 1))
        mark = ',"read_error":true'
        if fault.kind == EXCLUDED:
            mark = OTHER_FILE_SYSTEM if "file system" in fault.message else BY_PATTERN
        self._open(depth_below(path, self._root), self._info(self._name(path), values, directory=True) + mark)

    def _open(self, depth: int, info: str) -> None:
        self._close_lists(depth)
        self._last = depth
        self._pieces.append((",\n" if depth else "") + "[{" + info + "}")

    def _close_lists(self, depth: int) -> None:
        """Close the lists of directories at `depth` levels and deeper."""
        if self._first is None:
            self._first = depth
        else:
            self._pieces.append("]" * (self._last - depth + 1))

    def _name(self, path: Any) -> str:
        name = path if path == self._root else os.path.basename(path)
        return utf8_text(name if len(os.fsencode(name)) <= MOST_NAME else name[-MOST_NAME // 4 :])

    def _rows(self, rows: bytes) -> list[dict[str, Any]]:
        values = self._columns.values(memoryview(rows).cast("q"))
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

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
        return ends + self._encode(json_escaped("".join(self._pieces)))


def valid_bytes(text: str) -> bytes:
    """Encode as valid UTF-8, with U+FFFD for other bytes."""
    return utf8_bytes(text).decode(errors="replace").encode()


def _named(name: str) -> str:
    return '"name":' + encode_basestring(name)


PRODUCER = Ncdu
