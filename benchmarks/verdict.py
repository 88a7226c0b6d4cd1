"""What pairs of runs say: a ratio, how sure it is, and whether that is enough for a word."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95  # aimed at
ENOUGH = 0.9  # for a word
NOISY = 0.1  # of the median: a deviation of ratios beyond which small differences cannot be told
WIDE = 1.25  # between the ends of an interval that says nothing


class Verdict(NamedTuple):
    """`ratio`: how many times as fast as the baseline; the true median lies between `low` and `high` with `confidence`;
    `deviation`: the median absolute one, of ratios. `word`: faster, slower, same, unstable; or unsure, after too few
    pairs.
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
    if confidence < ENOUGH:
        word = "unsure"
    elif low > 1 or high < 1:
        word = "faster" if low > 1 else "slower"
    else:
        word = "unstable" if deviation(ratios) > NOISY * middle or high > WIDE * low else "same"
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
