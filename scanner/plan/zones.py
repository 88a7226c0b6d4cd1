"""Zones: parts of the tree on devices of their own, and the number of Tasks in each.

    /            zone 0: as many Tasks as workers
    /data        zone 1: a network mount, 40 Tasks, no more than 40 / workers of them in one worker
    /data/cache  zone 0 again

No Task crosses from one zone into another: a slow device delays only its own directories.
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
    """The directories at which zones begin. A zone reaches down to the next one; the rest is zone 0."""

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
        """Return the zone and the directories of each run of consecutive directories in one zone."""
        if not self._tops:
            return [(0, directories)] if directories else []
        return [(zone, list(run)) for zone, run in groupby(directories, self.of)]

    def fences(self, directories: list[Path], zone: int) -> frozenset[Path]:
        """Return the directories at which a Task for these directories of `zone` has to stop."""
        here = set(directories)
        others = (top for top, other in self._tops.items() if other != zone)
        return frozenset(top for top in others if not here.isdisjoint(upwards(top)))


class Capacity:
    """Number of Tasks that may start now: `left`, by zone. `most`: running Tasks, in all."""

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
        """Return whether this worker has less than its share of the zone, so that all processors are used."""
        tasks = self._limits[zone].tasks
        share = max(-(-tasks // len(self._slots)), tasks - (self._all - self._slots[worker]))
        return self._there[zone, worker] < share

    def for_worker(self, worker: int) -> bool:
        """Return whether any Task may start in this worker."""
        return any(self.fair(zone, worker) for zone in self.left)

    def take(self, zone: int) -> None:
        """Count a Task that starts."""
        self._idle -= 1
        self.left[zone] -= 1
        if len(self.left) > 1 or not self.left[zone]:
            least = [(zone, min(count, self._idle)) for zone, count in self.left.items()]
            self.left = {zone: count for zone, count in least if count > 0}

    def reclaim(self, zone: int) -> bool:
        """Return whether the rest of a Task of this zone may be requested, and count the request."""
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
        """Divide the tree into zones (see `ZonesFound`)."""
        self._tops = Tops(tops)
        for zone in tops.values():
            self._paces.setdefault(zone, Pace(self._first, self._most, *self._task_seconds))

    def allow(self, most: int) -> None:
        """Set the cap on all zones together."""
        self._most = most
        for pace in self._paces.values():
            pace.allow(most)

    def begin_with(self, first: int) -> None:
        """Set the number of slots that every zone has in any case: one for each process, or thread instead."""
        self._first = first
        for pace in self._paces.values():
            pace.begin_with(first)

    def note(
        self, now: float, chunk: Chunk, began: float, under_way: Counter[int], worked: Callable[[], float]
    ) -> None:
        """Learn from a Chunk. `under_way`: running Tasks by zone (see `Pace.note`)."""
        zone = self._tops.of(chunk.origin)
        # With several zones at work, processor time cannot be assigned to one of them.
        self._paces[zone].note(now, chunk, began, under_way[zone], (lambda: 0.0) if self.several else worked)

    @property
    def several(self) -> bool:
        return len(self._paces) > 1

    def limits(self, zones: Collection[int]) -> list[ZoneLimit]:
        """Return a limit for each of the zones: its own number of slots, or an equal part where the sum is too large.

        A fast zone, which needs few slots, gets all of them, and never waits for a slow one.
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
        """The reason for the number of slots in the zone with the most."""
        return max(self._paces.values(), key=lambda pace: pace.slots).reason
