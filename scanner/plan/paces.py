"""A Pace for each zone of the tree, and how the cap is shared among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from scanner.model import Chunk, Path
from scanner.plan.events import Limit
from scanner.plan.pace import Pace
from scanner.plan.zones import Tops


def nothing() -> float:
    return 0.0


class Paces:
    """Finds the number of slots for each zone.

    `first`: slots that each zone begins with; `most`: the cap on all together; `task_seconds`: as in `Backend`.
    """

    def __init__(self, first: int, most: int, *task_seconds: tuple[float, float]) -> None:
        self._first, self._most, self._task_seconds = first, most, task_seconds
        self._tops = Tops({})
        self._paces = {0: Pace(first, most, *task_seconds)}

    def divide(self, tops: dict[Path, int]) -> None:
        """The tree lies on several devices (see `Divide`)."""
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
        self._paces[zone].note(now, chunk, began, under_way[zone], nothing if self.several else worked)

    @property
    def several(self) -> bool:
        return len(self._paces) > 1

    def limits(self, zones: Collection[int]) -> list[Limit]:
        """What each of those zones may have: what it wants, or where that is too much in all, an equal part.

        So what wants little, because it is fast, gets all of that: it waits for none of the slow ones.
        """
        rest, limits = self._most, []
        wanted = sorted((self._paces[zone].slots, zone) for zone in zones)
        for position, (slots, zone) in enumerate(wanted):
            tasks = max(1, min(slots, rest // (len(wanted) - position)))
            rest -= tasks
            limits.append(Limit(tasks, self._paces[zone].task_seconds, zone))
        return limits

    @property
    def reason(self) -> str:
        """Why there are as many as there are, where there are most."""
        return max(self._paces.values(), key=lambda pace: pace.slots).reason
