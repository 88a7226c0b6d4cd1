"""Spread requests over time (`max_rate`). No clock: time comes in as data.

    Rate --AllowRequests, in batches--> Planner --Task.quota--> Walker
                                           ^---Chunk.requests-----'

A Walker counts the requests that it sends, and ends its Task once its quota is used. A directory, or the smallest part
of a huge one, is never cut: its Task may exceed the quota. Then nothing starts until the debt is paid.
"""

from __future__ import annotations

from scanner.plan.tasks import TASK_ENTRIES

BATCH_SECONDS = 0.05  # requests are allowed in batches, so that Tasks do not become tiny
KEPT_SECONDS = 0.1  # an unused allowance of more is lost: a slow consumer must not lead to a burst
PART_SECONDS = 0.1  # of `stat` requests, in one part of a directory
STORED_PART = 100  # entries: each part of a directory is a row of its own in a store, to be checked by itself
SHORTEST_WAIT = 0.005  # seconds
MOST = 1 << 40  # requests: a higher rate is no limit


class Rate:
    """How many requests may be sent. `rate`: a second; `now`: seconds, as in all calls."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._since = rate, now
        self._batch = max(1, int(min(BATCH_SECONDS * rate, MOST)))
        self.most = max(1, int(min(KEPT_SECONDS * rate, MOST)))
        """Requests that may be allowed and unused."""

    def due(self, now: float) -> int:
        """Return how many requests more are allowed since the last call: a batch or more, or 0."""
        count = int(min((now - self._since) * self._rate, MOST))
        if count < self._batch:
            return 0
        self._since = now if count == MOST else self._since + count / self._rate
        return count

    def wait(self, now: float) -> float:
        """Return the seconds until the next batch is due."""
        return max(SHORTEST_WAIT, self._since + self._batch / self._rate - now)


def part_entries(rate: float | None, *, needs_stat: bool, is_stored: bool) -> int:
    """Return how many entries of a directory a Task reads at a time, so that `stat` requests are spread as well."""
    if rate is None or not needs_stat:
        return TASK_ENTRIES
    least = STORED_PART if is_stored else 1
    return max(least, int(min(PART_SECONDS * rate, TASK_ENTRIES)))
