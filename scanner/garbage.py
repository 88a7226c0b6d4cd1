"""Sparing the garbage collector what holds no garbage."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

RARER_THRESHOLD = 500_000  # tuples and lists: those of some 160,000 directories
MANY = 50_000  # of them: fewer are visited in a millisecond or two
MOST_SPARED = 10  # visits, between two of all there is

_spared = _visited = 0  # visits since then; visits of all there is, as of then


@contextlib.contextmanager
def rarer_collections() -> Iterator[None]:
    """Let the garbage collector look less often while a large result grows that holds no cycles.

    It would visit every name: a tenth to a sixth of the time of a scan. Not switched off: other threads may make
    garbage.
    """
    thresholds = gc.get_threshold()
    if 0 < thresholds[0] < RARER_THRESHOLD:
        gc.set_threshold(RARER_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        if gc.get_threshold()[0] == RARER_THRESHOLD:
            if gc.get_count()[0] >= MANY and not gc.get_freeze_count() and _may_be_spared():
                gc.freeze()  # and
                gc.unfreeze()  # : to the oldest generation without a visit, which the next allocation would begin
            gc.set_threshold(*thresholds)


def _may_be_spared() -> bool:
    """Whether this visit may be left out, too. The collector counts from zero again when it is, so that where scan
    follows scan it would never come to the garbage of others.
    """
    global _spared, _visited
    visited = gc.get_stats()[2]["collections"]
    _spared, _visited = (_spared + 1 if visited == _visited else 1), visited
    return _spared <= MOST_SPARED
