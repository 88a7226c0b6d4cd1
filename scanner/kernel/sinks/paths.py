"""Producers of paths, one after the other."""

from __future__ import annotations

from typing import Any

from scanner.kernel.pack import LINES
from scanner.kernel.runs import Run
from scanner.kernel.sinks.base import EntryProducer, Producer
from scanner.model import ENCODING, ERRORS, Fault, prefix_of
from scanner.options import ScanOptions


class PathLines(Producer):
    """Path lines, where nothing else is produced: files arrive as finished lines."""

    run_form = LINES

    def __init__(self, separator: bytes) -> None:
        self._separator = self.run_separator = separator
        self._lines: list[bytes] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if first:
            self.unread(path)
        if files:
            self._lines.append(files)
        for name in links:
            self.unread(prefix_of(path) + name)

    def add_run(self, run: Run) -> None:
        self._lines.append(run.names[3])

    def unread(self, path: Any, row: bytes = b"", fault: Fault | None = None) -> None:
        self._lines += (path.encode(ENCODING, ERRORS), self._separator)

    def output(self) -> bytes:
        return b"".join(self._lines)


class Paths(EntryProducer):
    """Path lines, where rows are read as well, for other producers or for a selection."""

    def __init__(self, options: ScanOptions, separator: bytes) -> None:
        self._separator = self.run_separator = separator
        self._lines: list[bytes] = []

    def add_entries(self, paths: Any, rows: bytes, start: int = 0) -> None:
        joined = paths.encode(ENCODING, ERRORS) if isinstance(paths, str) else paths
        self._lines += (joined.replace(b"\0", self._separator), self._separator)

    def add_run(self, run: Run) -> None:
        self._lines.append(run.names[3])

    def output(self) -> bytes:
        return b"".join(self._lines)


PRODUCER = Paths
