"""Producer of path lines: each path, and a separator after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scanner.encoding import ENCODING, ERRORS
from scanner.kernel.native import WalkedRun
from scanner.kernel.pack import NO_TARGETS, FilesWithRows
from scanner.kernel.producers.base import EntryProducer
from scanner.model import prefix_of
from scanner.options import ScanOptions


class PathLines(EntryProducer):
    """Path lines. Files arrive as finished lines, or with rows if other producers or a selection need these."""

    def __init__(self, options: ScanOptions, separator: bytes) -> None:
        self._separator = self.run_separator = separator
        self._lines: list[bytes] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if isinstance(files, FilesWithRows):
            self.take(path, links, files, first)
            return
        if first:
            self.add_entries(path, b"")
        if files:
            self._lines.append(files)
        for name in links:
            self.add_entries(prefix_of(path) + name, b"")

    def add_run(self, run: WalkedRun) -> None:
        self._lines.append(run.names[3])

    def add_entries(self, paths: Any, rows: bytes, start: int = 0, targets: Mapping[int, bytes] = NO_TARGETS) -> None:
        joined = paths.encode(ENCODING, ERRORS) if isinstance(paths, str) else paths
        self._lines += (joined.replace(b"\0", self._separator), self._separator)

    def output(self) -> bytes:
        return b"".join(self._lines)


PRODUCER = PathLines
