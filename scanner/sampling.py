"""Estimate the size of a tree from samples of its directories. No file system, no clock.

A replicate reads a sample of the directories that are known but unread, then a sample of those below them, and so on
down to the leaves. Each stands for others: its weight. The sums of weight x content, and what was read before, estimate
the whole tree without bias (stochastic enumeration: Knuth 1975, Chen 1992, Vaisman and Kroese 2017):

    unread (all known)  -- sample --> read, weight 40 -- all below, sample --> read, weight 120 --> ... --> leaves

Directories of a sample are taken at equal distances in walk order, so that all parts of the tree are in it. What a
replicate has read is known to the next ones: they estimate only the rest, so their errors shrink and are not
correlated. A tree that has been read to its end is counted exactly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

LEAST = 8  # directories of a sample on each level
SHARE = 1 / 5  # of the directories read so far: what the next replicate reads, about
EARLY = 0.3  # share of the replicates that are not used: the first ones know too little
STUDENT = (
    0, 63.7, 9.92, 5.84, 4.60, 4.03, 3.71, 3.50, 3.36, 3.25, 3.17, 3.11, 3.05, 3.01, 2.98, 2.95, 2.92, 2.90, 2.88, 2.86
)  # fmt: skip
"""Quantiles of Student's t for 99 %, by degrees of freedom. Sums over trees are skewed, and few samples meet their
largest parts: of intervals for 99 % of all cases, 90 % and more hold (tests/unit/test_sampling.py)."""
KINDS = 3  # directories, entries, bytes


class Found(NamedTuple):
    """One directory: number of its entries, bytes of those that are no directories, and directories to enter."""

    entries: int
    bytes: int
    below: Sequence[Any]


class Range(NamedTuple):
    """An estimate with its interval. `high` None: nothing is known of it."""

    value: float
    low: float
    high: float | None

    @property
    def is_exact(self) -> bool:
        return self.low == self.high


Read = Callable[[list[Any]], list[Found] | None]
"""Reads directories. Returns None if the time is over."""


class Sampler:
    """The samples of one tree."""

    def __init__(self, roots: Sequence[Any], rng: random.Random) -> None:
        self._rng = rng
        self._unread: list[Any] = list(roots)  # in walk order
        self._estimates: list[tuple[list[float], int]] = []  # of each replicate, and how many directories it has read
        self._levels = 4.0  # of a replicate
        self.known = [0] * KINDS  # what was read

    @property
    def is_exact(self) -> bool:
        return not self._unread

    def replicate(self, read: Read) -> bool:
        """Make one replicate. Return whether the time was sufficient."""
        before, levels, read_before = list(self.known), 0, self.known[0]
        beam = max(LEAST, int(SHARE * self.known[0] / self._levels))
        below: dict[Any, Sequence[Any]] = {}
        candidates = [(path, 1.0) for path in self._unread]
        estimate = [0.0] * KINDS
        while candidates:
            chosen = self._sample(candidates, beam)
            found = read([path for path, _ in chosen])
            if found is None:
                break
            levels += 1
            candidates = []
            for (path, weight), each in zip(chosen, found, strict=True):
                for kind, count in enumerate((1, each.entries, each.bytes)):
                    estimate[kind] += weight * count
                    self.known[kind] += count
                below[path] = each.below
                candidates += [(child, weight) for child in each.below]
        self._unread = list(self._without(below))
        if not candidates:
            self._levels = max(1.0, (self._levels + levels) / 2)
            estimates = [known + rest for known, rest in zip(before, estimate, strict=True)]
            self._estimates.append((estimates, self.known[0] - read_before))
        return not candidates

    def _sample(self, candidates: list[tuple[Any, float]], count: int) -> list[tuple[Any, float]]:
        """Return about `count` candidates at equal distances of weight; their weights add up to the same sum."""
        if len(candidates) <= count:
            return candidates
        step = sum(weight for _, weight in candidates) / count
        chosen, passed, following = [], 0.0, self._rng.random() * step
        for path, weight in candidates:
            passed += weight
            times = max(0, math.ceil((passed - following) / step))
            if times:
                chosen.append((path, times * step))
                following += times * step
        return chosen

    def _without(self, below: dict[Any, Sequence[Any]]) -> Any:
        """Yield the unread directories, with what was found in place of those that were read."""
        for path in self._unread:
            stack = [path]
            while stack:
                top = stack.pop()
                if top in below:
                    stack += reversed(below[top])
                else:
                    yield top

    def range(self, kind: int) -> Range:
        """Return the estimate of directories (0), entries (1), or bytes (2)."""
        known = self.known[kind]
        if self.is_exact:
            return Range(known, known, known)
        used = self._estimates[int(EARLY * len(self._estimates)) :]
        if len(used) < 2:
            return Range(max([known, *(estimate[kind] for estimate, _ in used)]), known, None)
        weights = [reads for _, reads in used]
        total = sum(weights)
        mean = sum(reads * estimate[kind] for estimate, reads in used) / total
        squares = sum(reads * (estimate[kind] - mean) ** 2 for estimate, reads in used) / total
        count = total**2 / sum(reads**2 for reads in weights)  # of replicates of equal weight
        quantile = STUDENT[min(max(1, int(count) - 1), len(STUDENT) - 1)]
        error = quantile * math.sqrt(squares / max(count - 1, 0.5))
        return around(known, mean, error)


def around(known: float, mean: float, error: float) -> Range:
    """Return the interval for what is more than `known`: by factors, because sums of trees are skewed to the right."""
    rest = max(mean - known, 1.0)
    if error / rest > 20:  # no upper end that means anything
        return Range(mean, known, None)
    factor = math.exp(error / rest)
    return Range(mean, known + rest / factor, known + rest * factor)
