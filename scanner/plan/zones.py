"""Parts of the tree that lie on devices of their own, and how many Tasks there may be in each.

    /            zone 0: so many Tasks as there are workers
    /data        zone 1: a network mount, 40 Tasks, no more than 40 / workers of them in one worker
    /data/cache  zone 0 again

No Task crosses from one zone into another: a slow device holds up only what is on it.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from scanner.model import Path, upwards
from scanner.plan.events import Limit
from scanner.plan.roster import Roster


class Tops:
    """Where zones begin: from there on down it is that zone; all else is zone 0."""

    def __init__(self, tops: dict[Path, int]) -> None:
        self._tops: dict[Any, int] = tops
        self._longest = max(map(len, tops), default=0)

    def __bool__(self) -> bool:
        return bool(self._tops)

    def of(self, path: Any) -> int:
        if not self._tops:
            return 0
        return next((self._tops[above] for above in upwards(path, self._longest) if above in self._tops), 0)

    def runs(self, directories: list[Path]) -> list[tuple[int, list[Path]]]:
        """The directories, in their order, divided where they cross into another zone."""
        if not self._tops:
            return [(0, directories)] if directories else []
        return [(zone, list(run)) for zone, run in groupby(directories, self.of)]

    def fences(self, directories: list[Path], zone: int) -> frozenset[Path]:
        """Where a Task for these directories of `zone` has to stop."""
        here = set(directories)
        others = (top for top, other in self._tops.items() if other != zone)
        return frozenset(top for top in others if not here.isdisjoint(upwards(top)))


class Room:
    """How many Tasks more there may be at this moment: `left`, by zone; no more than `most` in all."""

    def __init__(self, limits: dict[int, Limit], roster: Roster, most: int) -> None:
        self._limits = limits
        self._slots = roster.slots_of_workers
        self._there, self._all = roster.by_worker, len(roster)
        under_way, leaving = roster.under_way, roster.leaving
        idle = min(most, len(roster)) - under_way.total()
        room = {zone: min(idle, limit.tasks - under_way[zone] + leaving[zone]) for zone, limit in limits.items()}
        self.left = {zone: count for zone, count in room.items() if count > 0}
        self._idle = idle

    def fair(self, zone: int, worker: int) -> bool:
        """Whether this worker has less than its share of the zone: what needs processors is to get all of them."""
        tasks = self._limits[zone].tasks
        share = max(-(-tasks // len(self._slots)), tasks - (self._all - self._slots[worker]))
        return self._there[zone, worker] < share

    def for_worker(self, worker: int) -> bool:
        """Whether there is any for this worker."""
        return any(self.fair(zone, worker) for zone in self.left)

    def take(self, zone: int) -> None:
        self._idle -= 1
        self.left[zone] -= 1
        if len(self.left) > 1 or not self.left[zone]:
            least = [(zone, min(count, self._idle)) for zone, count in self.left.items()]
            self.left = {zone: count for zone, count in least if count > 0}

    def ask(self, zone: int) -> bool:
        """Whether somebody who is at work there may be asked to share it; counts that."""
        count = self.left.get(zone, 0)
        self.left[zone] = count - 1
        return count > 0
