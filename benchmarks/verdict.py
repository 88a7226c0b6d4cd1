"""Statistics of paired runs: the median ratio, its interval, and a verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95  # of an interval, if there are enough pairs
ENOUGH = 0.9  # confidence that a verdict requires
NOISY = 0.1  # deviation of ratios, as a share of the median, above which "same" is not claimed
WIDE = 1.25  # ratio of the ends of an interval above which "same" is not claimed


class Verdict(NamedTuple):
    """`ratio`: times as fast as the baseline. The true median lies between `low` and `high` with `confidence`.
    `deviation`: median absolute deviation of ratios. `word`: faster, slower, same, unstable, or unsure (too few pairs).
    """

    ratio: float
    deviation: float
    low: float
    high: float
    confidence: float
    word: str


def verdict(pairs: Sequence[tuple[float, float]]) -> Verdict:
    """Return the verdict on pairs of seconds: candidate and baseline, run in turn."""
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    middle = statistics.median(ratios)
    skipped, confidence = ends(len(ratios))
    low, high = ratios[skipped], ratios[-1 - skipped]
    if confidence < ENOUGH:
        word = "unsure"
    elif low > 1 or high < 1:
        word = "faster" if low > 1 else "slower"
    else:
        word = "unstable" if deviation(ratios) > NOISY * middle or high > WIDE * low else "same"
    return Verdict(middle, deviation(ratios), low, high, confidence, word)


def ends(count: int) -> tuple[int, float]:
    """Return how many of `count` sorted values to skip at each end for an interval of the median, and its confidence.

    This is the sign test: each value lies above or below the true median with equal chance, for any distribution.
    """
    best = 0, coverage(count, 0)
    for skipped in range(1, (count - 1) // 2 + 1):
        if coverage(count, skipped) >= CONFIDENCE:
            best = skipped, coverage(count, skipped)
    return best


def coverage(count: int, skipped: int) -> float:
    return 1 - 2 * sum(math.comb(count, number) for number in range(skipped + 1)) / 2**count


def deviation(values: Sequence[float]) -> float:
    """Return the median absolute deviation."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)
