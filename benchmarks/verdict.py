"""What pairs of runs say: a ratio, how sure it is, and whether that is enough for a word."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95  # aimed at
NOISY = 0.1  # of the median: a deviation beyond which a machine cannot tell small differences
WIDE = 1.25  # between the ends of an interval that says nothing


class Verdict(NamedTuple):
    """`ratio`: how many times as fast as the baseline; the true median lies between `low` and `high` with `confidence`;
    `deviation`: the median absolute one, of ratios. `word`: faster, slower, same or unstable.
    """

    ratio: float
    deviation: float
    low: float
    high: float
    confidence: float
    word: str


def verdict(pairs: Sequence[tuple[float, float]]) -> Verdict:
    """Of seconds of the candidate and of the baseline, run in turn."""
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    middle = statistics.median(ratios)
    skipped, confidence = ends(len(ratios))
    low, high = ratios[skipped], ratios[-1 - skipped]
    noisy = max(noise([ours for ours, _ in pairs]), noise([theirs for _, theirs in pairs])) > NOISY
    if low > 1 or high < 1:
        word = "faster" if low > 1 else "slower"
    else:
        word = "unstable" if noisy or high / low > WIDE else "same"
    return Verdict(middle, deviation(ratios), low, high, confidence, word)


def ends(count: int) -> tuple[int, float]:
    """How many values at each end of `count` sorted ones lie outside of an interval for the median; how sure that is.

    By signs: each value lies on either side of the true median as a coin falls, whatever the distribution.
    """
    best = 0, coverage(count, 0)
    for skipped in range(1, (count - 1) // 2 + 1):
        if coverage(count, skipped) >= CONFIDENCE:
            best = skipped, coverage(count, skipped)
    return best


def coverage(count: int, skipped: int) -> float:
    return 1 - 2 * sum(math.comb(count, number) for number in range(skipped + 1)) / 2**count


def deviation(values: Sequence[float]) -> float:
    """The median absolute deviation."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def noise(values: Sequence[float]) -> float:
    """Of the median."""
    return deviation(values) / statistics.median(values)
