"""Entries as columns: for consumers that want more than names, whatever they make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scanner.fields import columns_of
from scanner.kernel.pack import LINES
from scanner.kernel.part import Stated
from scanner.kernel.rows import Rows, count_clamped, times_among
from scanner.kernel.runs import Run
from scanner.kernel.sinks.base import Sink
from scanner.kernel.status import nothing
from scanner.model import ENCODING, ERRORS, Fault, prefix_of
from scanner.options import ScanOptions


class Table(Sink):
    """The path of each directory, of its files and of what is not entered, with NULs between them, after their columns.

    number of entries, 8 bytes | columns of `fields`, one after the other | paths, joined
    """

    run_form, run_separator = LINES, b"\0"

    def __init__(self, options: ScanOptions, fields: Sequence[str]) -> None:
        asked = columns_of(options.fields)  # other sinks may want others
        self.width = len(asked)
        self._times = [number for number in times_among(asked) if asked[number] in fields]
        self._rows = Rows([asked.index(name) for name in columns_of(fields)], self.width)
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
            self._add_rows(stated.links)

    def add_run(self, run: Run) -> None:
        if run.names[3]:
            self._paths.append(run.names[3][:-1])
            self._count += run.names[3].count(b"\0")
            self._add_rows(run.rows)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        self._add_paths(path, 1)
        self._add_rows(row or nothing(self.width, 1))

    def _add_rows(self, rows: bytes, start: int = 0) -> None:
        self._rows.add(rows, start)
        self.clamped += count_clamped(rows, self._times, self.width, start)

    def _add_paths(self, joined: Any, count: int) -> None:
        self._paths.append(joined.encode(ENCODING, ERRORS) if isinstance(joined, str) else joined)
        self._count += count

    def output(self) -> bytes:
        return b"".join([self._count.to_bytes(8, "little"), self._rows.joined(), b"\0".join(self._paths)])


SINK = Table
