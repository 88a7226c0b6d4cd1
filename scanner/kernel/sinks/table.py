"""Entries as columns: for consumers that want more than names, whatever they make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scanner.fields import columns_of
from scanner.kernel.part import Stated
from scanner.kernel.sinks.base import Sink
from scanner.kernel.status import nothing
from scanner.model import ENCODING, ERRORS, Fault, prefix_of
from scanner.options import ScanOptions


class Table(Sink):
    """The path of each directory, of its files and of what is not entered, with NULs between them, after their columns.

    number of entries, 8 bytes | columns of `fields`, one after the other | paths, joined
    """

    def __init__(self, options: ScanOptions, fields: Sequence[str]) -> None:
        asked = columns_of(options.fields)  # other sinks may want others
        self._width = len(asked)
        self._numbers = [asked.index(name) for name in columns_of(fields)]
        self._columns: list[list[bytes]] = [[] for _ in self._numbers]
        self._paths: list[bytes] = []
        self._count = 0

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        prefix = prefix_of(path)
        separator: Any = "\0" if isinstance(path, str) else b"\0"
        if first:
            self._add_paths(path, 1)
        if stated.files:
            count = stated.files.count(separator) + 1
            self._add_paths(prefix + stated.files.replace(separator, separator + prefix), count)
        if first or stated.files:
            self._add_rows(stated.rows, 0 if first else 1)
        if links:
            self._add_paths(separator.join([prefix + name for name in links]), len(links))
            self._add_rows(stated.links, 0)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        self._add_paths(path, 1)
        self._add_rows(row or nothing(self._width, 1), 0)

    def _add_paths(self, joined: Any, count: int) -> None:
        self._paths.append(joined.encode(ENCODING, ERRORS) if isinstance(joined, str) else joined)
        self._count += count

    def _add_rows(self, rows: bytes, start: int) -> None:
        size = len(rows) // self._width if self._width else 0
        for number, column in zip(self._numbers, self._columns, strict=True):
            column.append(rows[number * size + 8 * start : (number + 1) * size])

    def output(self) -> bytes:
        columns = (b"".join(column) for column in self._columns)
        return b"".join([self._count.to_bytes(8, "little"), *columns, b"\0".join(self._paths)])


SINK = Table
