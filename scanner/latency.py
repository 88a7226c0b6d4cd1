"""Time that directories take: a histogram of fixed size for each mount, and the slowest directories."""

from __future__ import annotations

import heapq
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scanner.model import Chunk, Path, is_below
from scanner.mounts import mounted_below

FAST = -10_000  # the class of directories that were too fast to be measured
STEPS = 8  # classes to a doubling: percentiles are right within 9 %
MOST_SLOW = 10  # directories that are reported by name


class Latencies:
    """Latencies of the directories below each mount. Directories faster than a Walker reports count as no time.

    `mounts`: returns the mounts below the roots. Default: those of this machine.
    """

    def __init__(self, roots: Sequence[Path], mounts: Callable[[], Iterable[Path]] | None = None) -> None:
        self._roots = roots
        self._mounts = mounts
        self._tops: list[Any] = []  # found at the first slow directory: most scans meet none
        self._classes = defaultdict[Any, Counter[int]](Counter, {root: Counter() for root in roots[:1]})
        self._longest: dict[Any, float] = {}
        self._slowest: list[tuple[float, Any]] = []

    def count(self, chunk: Chunk) -> None:
        if chunk.slow and not self._tops:
            mounts = [path for path, _ in mounted_below(self._roots)] if self._mounts is None else self._mounts()
            self._tops = list({*self._roots, *mounts})
            self._tops.sort(key=len, reverse=True)
        if not chunk.task:  # made by the planner: no slot has read the directory
            return
        top = self._roots[0]
        if len(self._tops) > 1:
            top = next((top for top in self._tops if is_below(chunk.origin, top)), top)
        classes = self._classes[top]
        unfinished = chunk.leftovers[0] if chunk.position else None  # counts with its last part
        done = [seconds for seconds, path in chunk.slow if path != unfinished]
        classes[FAST] += max(0, chunk.visited - len(done))
        classes.update([math.ceil(STEPS * math.log2(seconds)) for seconds in done])
        if chunk.slow:
            self._longest[top] = max(self._longest.get(top, 0.0), *(seconds for seconds, _ in chunk.slow))
            self._slowest += chunk.slow
            if len(self._slowest) > 16 * MOST_SLOW:  # seldom, so that each directory costs little
                self._slowest = heapq.nlargest(MOST_SLOW, self._slowest)

    def slowest(self) -> list[tuple[float, Path]]:
        """Return seconds and path of the slowest directories, the slowest first."""
        return heapq.nlargest(MOST_SLOW, self._slowest)

    def figures(self) -> list[dict[str, Any]]:
        """Return the number of directories, percentiles and maximum of each mount, in seconds."""
        return [
            {
                "mount": os.fsencode(top).decode(errors="replace"),
                "directories": classes.total(),
                **{f"p{percent}_seconds": self._percentile(top, percent) for percent in (50, 95)},
                "max_seconds": round(self._longest.get(top, 0.0), 6),
            }
            for top, classes in self._classes.items()
        ]

    def _percentile(self, top: Any, percent: int) -> float:
        """Return an upper bound of the seconds that `percent` of the directories took; 0: too fast to be measured."""
        classes = self._classes[top]
        rest = math.ceil(classes.total() * percent / 100)
        for step in sorted(classes):
            rest -= classes[step]
            if rest <= 0:
                return 0.0 if step == FAST else round(min(2 ** (step / STEPS), self._longest[top]), 6)
        return 0.0
