"""The slots, and the Segment that each of them walks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scanner.model import Path
from scanner.plan.line import Segment


class Roster:
    """All slots that are up. The slots of one worker process die together."""

    def __init__(self) -> None:
        self._slots: dict[int, Segment | None] = {}
        self._workers: dict[int, int] = {}  # of each slot
        self.slots_of_workers: Counter[int] = Counter()
        self._going_down: set[int] = set()
        self.under_way: Counter[int] = Counter()
        """Number of leased Segments by zone."""
        self.by_worker: Counter[tuple[int, int]] = Counter()
        """Number of leased Segments by zone and worker."""
        self._leased: Counter[int] = Counter()  # Segments, by worker
        self._careful: Counter[int] = Counter()  # of these, those that are walked alone

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, slot: object) -> bool:
        return slot in self._slots

    def up(self, slot: int, worker: int) -> None:
        """Add a slot. A slot that was going down stays."""
        if slot in self._slots:
            self._going_down.discard(slot)
            return
        self._slots[slot] = None
        self._workers[slot] = worker or -slot - 1  # a slot of this process shares its end with no other
        self.slots_of_workers[self._workers[slot]] += 1

    def down(self, slot: int) -> None:
        """Give the slot no further Segment, and remove it once it is idle."""
        if self._slots.get(slot) is None:
            self.lose(slot)
        else:
            self._going_down.add(slot)

    @property
    def leaving(self) -> Counter[int]:
        """Number of Segments of slots that are going down, by zone. They do not count against limits."""
        segments = [self._slots[slot] for slot in self._going_down]
        return Counter(segment.zone for segment in segments if segment is not None)

    def lose(self, slot: int) -> Segment | None:
        """Remove a slot. Returns its Segment."""
        if slot not in self._slots:
            return None
        self._going_down.discard(slot)
        self.slots_of_workers[self._workers[slot]] -= 1
        if not self.slots_of_workers[self._workers[slot]]:
            del self.slots_of_workers[self._workers[slot]]
        segment = self._slots.pop(slot)
        if segment is not None:
            self._count(slot, segment, -1)
        return segment

    def give(self, slot: int, segment: Segment) -> None:
        segment.slot = slot
        self._slots[slot] = segment
        self._count(slot, segment, 1)

    def _count(self, slot: int, segment: Segment, change: int) -> None:
        self.under_way[segment.zone] += change
        worker = self._workers[slot]
        self.by_worker[segment.zone, worker] += change
        self._leased[worker] += change
        self._careful[worker] += change * segment.careful

    def take(self, slot: int) -> Segment:
        """Mark the slot as idle. Returns its Segment."""
        segment = self._slots[slot]
        assert segment is not None
        self._slots[slot] = None
        self._count(slot, segment, -1)
        if slot in self._going_down:
            self.lose(slot)
        return segment

    def idle(self) -> list[int]:
        return [slot for slot, segment in self._slots.items() if segment is None]

    def leased(self) -> Iterator[tuple[int, Segment]]:
        """Iterate over the busy slots and their Segments."""
        return ((slot, segment) for slot, segment in self._slots.items() if segment is not None)

    def begun_at(self, slot: int) -> Path | None:
        """Return the first directory of the Segment of a slot."""
        segment = self._slots.get(slot)
        return segment.directories[0] if segment is not None else None

    def worker(self, slot: int) -> int:
        return self._workers[slot]

    def shares_worker(self, slot: int) -> bool:
        """Whether its process has other slots, as far as known."""
        return list(self._workers.values()).count(self._workers[slot]) > 1

    def is_idle(self, slot: int | None) -> bool:
        return slot in self._slots and self._slots[slot] is None

    def allows(self, slot: int, *, careful: bool) -> bool:
        """Return whether the Tasks of the same process allow another one. A careful Task runs alone in its process, so
        that a death is blamed on the right directory.
        """
        return not (self._leased if careful else self._careful)[self._workers[slot]]
