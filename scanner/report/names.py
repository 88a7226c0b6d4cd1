"""The name part of a report: suffixes, depths and directories with many entries, merged from Chunks."""

from __future__ import annotations

import heapq
import marshal
from collections import Counter
from collections.abc import Collection
from typing import Any

from scanner.model import Path
from scanner.options import ProducerSpec
from scanner.report.data import path_fields, valid_utf8

MOST = 10  # directories
MOST_SUFFIXES = 10_000  # counted separately; the suffixes after them are counted as OTHER
OTHER = "(other)"


def suffix_key(suffix: str, counts: Collection[str]) -> str:
    """Return the key under which `counts` has a suffix: valid text, or OTHER if there are too many."""
    name = valid_utf8(suffix)
    return name if name in counts or len(counts) < MOST_SUFFIXES else OTHER


class NameReport:
    """Merges the outputs of its producer, in walk order."""

    PRODUCERS = (ProducerSpec("profile", (MOST,)),)

    def __init__(self) -> None:
        self._suffixes: Counter[str] = Counter()
        self._depths: dict[int, list[int]] = {}
        self._largest: list[tuple[int, int, Path]] = []
        self._number = 0  # falls in walk order: of directories with equal counts, the first is kept
        self._last: tuple[int, Path] | None = None

    def take(self, output: bytes | memoryview) -> None:
        suffixes, depths, entries = marshal.loads(output)
        for suffix, count in suffixes.items():
            self._suffixes[suffix_key(suffix.lower(), self._suffixes)] += count
        for depth, counts in depths.items():
            sums = self._depths.setdefault(depth, [0, 0])
            sums[:] = (ours + theirs for ours, theirs in zip(sums, counts, strict=True))
        for count, path in entries:
            self._add(count, path)

    def _add(self, count: int, path: Path) -> None:
        """Add a directory, or the next part of a huge one."""
        if self._last is not None and self._last[1] == path:
            count += self._last[0]
        else:
            self._keep()
        self._last = count, path

    def _keep(self) -> None:
        if self._last is not None:
            self._number -= 1
            item = (self._last[0], self._number, self._last[1])
            (heapq.heappush if len(self._largest) < MOST else heapq.heappushpop)(self._largest, item)
            self._last = None

    def data(self) -> dict[str, Any]:
        """Return the merged values. Call it once, after the last output."""
        self._keep()
        return {
            "by_depth": [
                {"depth": depth, "directories": directories, "files": files}
                for depth, (directories, files) in sorted(self._depths.items())
            ],
            "by_suffix": [
                {"suffix": suffix, "files": count}
                for suffix, count in sorted(self._suffixes.items(), key=lambda item: (-item[1], item[0]))[:100]
            ],
            "largest_directories": [
                {**path_fields(path), "entries": count} for count, _, path in sorted(self._largest, reverse=True)
            ],
        }
