"""Paths, one after the other."""

from __future__ import annotations

from typing import Any

from scanner.kernel.pack import LINES
from scanner.kernel.part import Stated
from scanner.kernel.runs import Run
from scanner.kernel.sinks.base import Sink
from scanner.model import ENCODING, ERRORS, Fault, prefix_of
from scanner.options import ScanOptions


class Lines(Sink):
    """The path of each directory, then of each of its files, which come as such lines already."""

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


class Paths(Lines):
    """The same, beside other sinks."""

    def __init__(self, options: ScanOptions, separator: bytes) -> None:
        super().__init__(separator)

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if isinstance(files, Stated):
            self.take(path, links, files, first)

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        lines = b""
        if stated.files:
            prefix = prefix_of(path)
            nul: Any = "\0" if isinstance(path, str) else b"\0"
            joined = prefix + stated.files.replace(nul, nul + prefix)
            joined = joined.encode(ENCODING, ERRORS) if isinstance(joined, str) else joined
            lines = joined.replace(b"\0", self._separator) + self._separator
        super().add(path, [], links, lines, first)


SINK = Paths
