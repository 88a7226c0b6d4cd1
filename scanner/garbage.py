"""Fewer runs of the garbage collector while a large result grows."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

RARER_THRESHOLD = 500_000  # tuples and lists: those of some 160,000 directories
MANY = 50_000  # tuples and lists: fewer are visited in a millisecond or two
MOST_SPARED = 10  # runs skipped between two full collections

_spared = _visited = 0  # runs skipped since the last full collection; number of full collections at that time


@contextlib.contextmanager
def rarer_collections() -> Iterator[None]:
    """Run the garbage collector less often while a large result without reference cycles grows.

    Visiting every name costs a tenth to a sixth of the time of a scan. The collector stays on, because other threads
    may create garbage.
    """
    thresholds = gc.get_threshold()
    if 0 < thresholds[0] < RARER_THRESHOLD:
        gc.set_threshold(RARER_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        if gc.get_threshold()[0] == RARER_THRESHOLD:
            if gc.get_count()[0] >= MANY and not gc.get_freeze_count() and _may_be_spared():
                gc.freeze()  # followed by unfreeze, this moves all objects to the oldest generation unvisited;
                gc.unfreeze()  # otherwise the next allocation starts a run
            gc.set_threshold(*thresholds)


def _may_be_spared() -> bool:
    """Return whether another run may be skipped. Skipping resets the counts of the collector, so that frequent scans
    would prevent every full collection.
    """
    global _spared, _visited
    visited = gc.get_stats()[2]["collections"]
    _spared, _visited = (_spared + 1 if visited == _visited else 1), visited
    return _spared <= MOST_SPARED
