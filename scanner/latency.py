"""How long directories have taken, by mount: a histogram each, of a fixed size; and which were the slowest."""

from __future__ import annotations

import heapq
import math
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from scanner.model import Chunk, Path, is_below
from scanner.mounts import mounted_below

FAST = -10_000  # the class of what is too little to be told
STEPS = 8  # classes to a doubling: percentiles are right within 9 %
MOST_SLOW = 10  # directories that are told by name


class Latencies:
    """Of the directories below each mount. What took less than a Walker tells of counts as no time."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._tops: list[Any] = []  # found out when it matters: most scans meet nothing slow
        self._classes = defaultdict[Any, Counter[int]](Counter, {root: Counter() for root in roots[:1]})
        self._longest: dict[Any, float] = {}
        self._slowest: list[tuple[float, Any]] = []

    def count(self, chunk: Chunk) -> None:
        if chunk.slow and not self._tops:
            self._tops = [*self._roots, *(path for path, _ in mounted_below(self._roots))]
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
            if len(self._slowest) > 16 * MOST_SLOW:  # seldom: where all are slow there is one for each directory
                self._slowest = heapq.nlargest(MOST_SLOW, self._slowest)

    def slowest(self) -> list[tuple[float, Path]]:
        """Seconds and path, the slowest first. What took less than a Walker tells of is never among them."""
        return heapq.nlargest(MOST_SLOW, self._slowest)

    def figures(self) -> list[dict[str, Any]]:
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
        """An upper bound of what so many per cent have taken at most; 0 if that is too little to be told. The end of a
        class may be later than the longest in it.
        """
        classes = self._classes[top]
        rest = math.ceil(classes.total() * percent / 100)
        for step in sorted(classes):
            rest -= classes[step]
            if rest <= 0:
                return 0.0 if step == FAST else round(min(2 ** (step / STEPS), self._longest[top]), 6)
        return 0.0
