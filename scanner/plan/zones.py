"""Parts of the tree that lie on devices of their own, and how many Tasks there may be in each.

    /            zone 0: so many Tasks as there are workers
    /data        zone 1: a network mount, 40 Tasks, no more than 40 / workers of them in one worker
    /data/cache  zone 0 again

No Task crosses from one zone into another: a slow device holds up only what is on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from itertools import groupby
from typing import Any

from scanner.model import Chunk, Path, upwards
from scanner.plan.events import ZoneLimit
from scanner.plan.pace import Pace
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


class Capacity:
    """How many Tasks more there may be at this moment: `left`, by zone; no more than `most` in all."""

    def __init__(self, limits: dict[int, ZoneLimit], roster: Roster, most: int) -> None:
        self._limits = limits
        self._slots = roster.slots_of_workers
        self._there, self._all = roster.by_worker, len(roster)
        under_way, leaving = roster.under_way, roster.leaving
        idle = min(most, len(roster)) - under_way.total()
        capacity = {zone: min(idle, limit.tasks - under_way[zone] + leaving[zone]) for zone, limit in limits.items()}
        self.left = {zone: count for zone, count in capacity.items() if count > 0}
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


class Paces:
    """Finds the number of slots for each zone.

    `first`: slots that each zone begins with; `most`: the cap on all together; `task_seconds`: as in `Backend`.
    """

    def __init__(self, first: int, most: int, *task_seconds: tuple[float, float]) -> None:
        self._first, self._most, self._task_seconds = first, most, task_seconds
        self._tops = Tops({})
        self._paces = {0: Pace(first, most, *task_seconds)}

    def divide(self, tops: dict[Path, int]) -> None:
        """The tree lies on several devices (see `ZonesFound`)."""
        self._tops = Tops(tops)
        for zone in tops.values():
            self._paces.setdefault(zone, Pace(self._first, self._most, *self._task_seconds))

    def begin_with(self, first: int) -> None:
        """There are so many slots anyway: processes, or threads in their place."""
        self._first = first
        for pace in self._paces.values():
            pace.begin_with(first)

    def note(
        self, now: float, chunk: Chunk, began: float, under_way: Counter[int], worked: Callable[[], float]
    ) -> None:
        """Take in a Chunk that has arrived. `under_way`: Tasks, by zone (see `Pace.note`)."""
        zone = self._tops.of(chunk.origin)
        # Where several zones are at work, it cannot be told which of them it is that keeps processors busy.
        self._paces[zone].note(now, chunk, began, under_way[zone], (lambda: 0.0) if self.several else worked)

    @property
    def several(self) -> bool:
        return len(self._paces) > 1

    def limits(self, zones: Collection[int]) -> list[ZoneLimit]:
        """What each of those zones may have: what it wants, or where that is too much in all, an equal part.

        So what wants little, because it is fast, gets all of that: it waits for none of the slow ones.
        """
        rest, limits = self._most, []
        wanted = sorted((self._paces[zone].slots, zone) for zone in zones)
        for position, (slots, zone) in enumerate(wanted):
            tasks = max(1, min(slots, rest // (len(wanted) - position)))
            rest -= tasks
            limits.append(ZoneLimit(tasks, self._paces[zone].task_seconds, zone))
        return limits

    @property
    def reason(self) -> str:
        """Why there are as many as there are, where there are most."""
        return max(self._paces.values(), key=lambda pace: pace.slots).reason
