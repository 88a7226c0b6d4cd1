"""Parts of the tree that lie on devices of their own, and how many Tasks there may be in each.

    /            zone 0: so many Tasks as there are workers
    /data        zone 1: a network mount, 40 Tasks, no more than 40 / workers of them in one worker
    /data/cache  zone 0 again

No Task crosses from one zone into another: a slow device holds up only what is on it.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from scanner.model import Path, below_any, is_below
from scanner.plan.events import Limit
from scanner.plan.roster import Roster


class Tops:
    """Where zones begin: from there on down it is that zone; all else is zone 0."""

    def __init__(self, tops: dict[Path, int]) -> None:
        self._tops: list[tuple[Any, int]] = sorted(tops.items(), key=lambda top: len(top[0]), reverse=True)

    def __bool__(self) -> bool:
        return bool(self._tops)

    def of(self, path: Any) -> int:
        return next((zone for top, zone in self._tops if is_below(path, top)), 0)

    def runs(self, directories: list[Path]) -> list[tuple[int, list[Path]]]:
        """The directories, in their order, divided where they cross into another zone."""
        if not self._tops:
            return [(0, directories)] if directories else []
        return [(zone, list(run)) for zone, run in groupby(directories, self.of)]

    def fences(self, directories: list[Path], zone: int) -> frozenset[Path]:
        """Where a Task for these directories of `zone` has to stop."""
        return frozenset(top for top, other in self._tops if other != zone and below_any(top, directories))


class Room:
    """How many Tasks more there may be at this moment: `left`, by zone; no more than `most` in all."""

    def __init__(self, limits: dict[int, Limit], roster: Roster, most: int) -> None:
        self._limits = limits
        self._workers = roster.count_workers() if len(limits) > 1 else 0
        self._there = roster.by_worker
        under_way = roster.under_way
        idle = min(most, len(roster)) - under_way.total()
        room = {zone: min(idle, limit.tasks - under_way[zone]) for zone, limit in limits.items()}
        self.left = {zone: count for zone, count in room.items() if count > 0}
        self._idle = idle

    def fair(self, zone: int, worker: int) -> bool:
        """Whether this worker has less than its share of the zone: what needs processors is to get all of them."""
        if not self._workers:
            return True
        return self._there[zone, worker] < -(-self._limits[zone].tasks // self._workers)

    def take(self, zone: int) -> None:
        self._idle -= 1
        self.left[zone] -= 1
        self.left = {zone: min(count, self._idle) for zone, count in self.left.items() if min(count, self._idle) > 0}

    def ask(self, zone: int) -> bool:
        """Whether somebody who is at work there may be asked to share it; counts that."""
        count = self.left.get(zone, 0)
        self.left[zone] = count - 1
        return count > 0
