"""Which Task runs where and when. Events in, instructions out; no clock, no process, no file.

Everything known and not yet given away stands in one line of Segments, in walk order:

    first                                                            last
    [chunk] -> [leased to slot 2] -> [chunk] -> [leased to slot 1] -> [queued: a, b, c] -> ...

A Task takes the front of a queued Segment; the Chunk that comes back stands in its place, followed by a new
queued Segment of its leftovers. Because a Chunk is an unbroken run in walk order, so is the line. An ordered
consumer (a sink, `scan`) takes from its front. A keyed consumer (`walk`, whose caller may reorder) takes
Chunks as they arrive and says which directory it waits for.

The next Task is the earliest queued one, so slots work side by side near the front, and what waits for its
turn stays small. Once `window` bytes wait, only the first Segment (or the wanted directory) may start.
"""

from __future__ import annotations

import sys

from scanner.model import (
    Chunk,
    ChunkArrived,
    Path,
    SlotDown,
    SlotLost,
    SlotStuck,
    SlotUp,
    Task,
    below_any,
)
from scanner.plan.budget import TASK_ENTRIES, TASK_SECONDS, how_many
from scanner.plan.events import (
    Add,
    Allow,
    Deliver,
    Dispatch,
    Event,
    Finished,
    GiveUp,
    Instruction,
    Limit,
    Pruned,
    Waiting,
    Wanted,
)
from scanner.plan.line import Line, Segment
from scanner.plan.shut import Shut, lost

MOST_UNEXPLAINED = 5  # deaths of slots over one Task while no directory was being read


class Planner:
    """One scan's plan. `ordered`: deliver in walk order, on demand; otherwise as Chunks arrive.

    `slots`: how many slots to share work between; `window`: bytes that may wait for the consumer; `max_hung`: late
    directories of one mount before it is not entered any more (0: any number).
    """

    def __init__(self, *, ordered: bool, slots: int, window: int, max_hung: int = 0) -> None:
        self.ordered = ordered
        self.window = window
        self.waiting_bytes = 0
        self.known = 0  # directories seen so far: done, queued or leased; never decreases
        self.done = 0  # directories listed or failed
        self.tasks = 0
        self.deaths = 0  # of slots, but those that were given up
        self.hung = 0  # directories that were late
        self._share = slots
        self._limit = sys.maxsize
        self._probing = False
        self._allowed: int | None = None  # directories that may be read beyond those under way; None: any number
        self.lost: list[Chunk] = []  # made here, in the place of what no slot could bring
        self._shut = Shut(max_hung)
        self._line = Line()
        self._slots: dict[int, Segment | None] = {}
        self._workers: dict[int, int] = {}  # of each slot
        self._going_down: set[int] = set()
        self._some_are_choosy = False  # about slots, of the Segments looked at last
        self._home: dict[Path, Segment] = {}  # keyed only: where each queued or leased directory stands
        self._consumer_waits = False
        self._wanted: Path | None = None

    def handle(self, *events: Event) -> list[Instruction]:
        """What to do now that `events` have happened."""
        instructions: list[Instruction] = []
        for event in events:
            instructions += self._note(event)
        instructions += self._dispatch()
        instructions += self._rebalance()
        if self._line.empty:
            instructions.append(Finished())
        return instructions

    def _note(self, event: Event) -> list[Deliver]:
        match event:
            case ChunkArrived(slot, chunk):
                return self._chunk_arrived(slot, chunk)
            case Wanted(path):
                return self._consumer_wants(path)
            case SlotUp(slot, worker):
                self._slots[slot] = None
                self._workers[slot] = worker or slot
            case SlotDown(slot):
                self._slot_down(slot)
            case SlotLost(slot, path):
                return self._slot_lost(slot, path)
            case SlotStuck(slot, path, mount, message):
                self._slot_stuck(slot, path, mount, message)
            case Add(directories, alone):
                self.known += len(directories)
                if directories:
                    segment = Segment(list(directories), alone=alone)
                    self._line.append(segment)
                    self._settle(segment)
            case Pruned(path):
                self._prune(path)
            case Waiting(size):
                self.waiting_bytes = size
            case Limit(tasks, probing):
                self._limit, self._probing = tasks, probing
            case Allow(directories):
                self._allowed = directories + (self._allowed or 0)
        return []

    # ---- what events do to the line

    def _settle(self, segment: Segment) -> None:
        if not self.ordered:
            for path in segment.directories:
                self._home[path] = segment

    def _slot_down(self, slot: int) -> None:
        if self._slots.get(slot) is None:
            self._slots.pop(slot, None)
        else:
            self._going_down.add(slot)

    def _slot_lost(self, slot: int, path: Path | None) -> list[Deliver]:
        """Run the slot's Task again. A directory over which slots die time and again is not entered any more."""
        self._going_down.discard(slot)
        segment = self._slots.pop(slot, None)
        if segment is None:
            return []
        self.deaths += 1
        if path is not None:
            # Where others were being read beside it, any of them may be to blame: each is tried again, alone.
            if segment.careful or list(self._workers.values()).count(self._workers[slot]) == 1:
                self._shut.blame(path)
        elif segment.deaths >= MOST_UNEXPLAINED:
            self.lost.append(lost(segment.directories[0], segment.deaths + 1))
            return self._complete(segment, self.lost[-1], None)
        else:
            segment.deaths += 1
        self._queue_again(segment)
        return []

    def _slot_stuck(self, slot: int, path: Path, mount: Path, message: str) -> None:
        """Run the slot's Task again without `path`; and no Task in the `mount` once too much of it is late."""
        self.hung += 1
        self._shut.late(path, mount, message)
        self._going_down.discard(slot)
        segment = self._slots.pop(slot, None)
        if segment is not None:
            self._queue_again(segment)

    def _queue_again(self, segment: Segment) -> None:
        """The slot is gone: somebody else has to walk this, one directory at a time."""
        segment.slot = None
        segment.asked = False
        segment.careful = True
        segment.directories = [path for path in segment.directories if path not in segment.pruned]
        if not segment.directories:
            segment.unlink()

    def _chunk_arrived(self, slot: int, chunk: Chunk) -> list[Deliver]:
        segment = self._slots[slot]
        assert segment is not None
        self._slots[slot] = None
        if slot in self._going_down:
            self._going_down.remove(slot)
            del self._slots[slot]
        return self._complete(segment, chunk, slot)

    def _complete(self, segment: Segment, chunk: Chunk, slot: int | None) -> list[Deliver]:
        """Put `chunk`, and a queue of its leftovers, in the place of a leased Segment."""
        visited = chunk.visited
        self.done += visited
        if self._allowed is not None:
            self._allowed += max(0, segment.quota - visited)
        for path in segment.directories:
            self._home.pop(path, None)
        self._shut.forget(chunk.faults)
        outdated = frozenset(segment.pruned)
        leftovers = [path for path in chunk.leftovers if not (outdated and below_any(path, outdated))]
        if segment.alone:  # what is below comes back as an Add
            leftovers = leftovers[: bool(chunk.position)]
        rest = Segment(leftovers, alone=segment.alone)
        if chunk.position and leftovers[:1] == chunk.leftovers[:1]:
            rest.position, rest.keeper = chunk.position, slot
        self.known += visited + len(leftovers) - len(segment.directories)
        if leftovers:
            rest.insert_behind(segment)
            self._settle(rest)
        segment.slot, segment.directories, segment.chunk = None, [], chunk
        self.waiting_bytes += chunk.size
        if self.ordered:
            return self._deliver_next()
        segment.unlink()
        return [Deliver(chunk, outdated)]

    def _deliver_next(self) -> list[Deliver]:
        first = self._line.first
        if not self._consumer_waits or first.chunk is None:
            return []
        self._consumer_waits = False
        self.waiting_bytes -= first.chunk.size
        first.unlink()
        return [Deliver(first.chunk)]

    def _consumer_wants(self, path: Path | None) -> list[Deliver]:
        if self.ordered:
            self._consumer_waits = True
            return self._deliver_next()
        self._wanted = path
        if path is not None and path not in self._home:  # a name that the caller added
            self.known += 1
            self._to_the_front(path)
        return []

    def _prune(self, path: Path) -> None:
        segment = self._home.pop(path, None)
        if segment is not None and segment.slot is not None:
            segment.pruned.add(path)

    # ---- who does what next

    def _dispatch(self) -> list[Instruction]:
        instructions: list[Instruction] = []
        free = self._free
        for slot, busy in self._slots.items() if free > 0 else ():
            if busy is not None or len(instructions) >= free or self._allowed == 0:
                continue
            segment = self._next_for(slot)
            if segment is not None:
                instructions.append(self._lease(segment, slot))
            elif not self._some_are_choosy:
                break
        return instructions

    @property
    def _free(self) -> int:
        """How many Tasks more there may be."""
        return min(self._limit, len(self._slots)) - self.under_way

    @property
    def under_way(self) -> int:
        """How many slots have a Task."""
        return sum(segment is not None for segment in self._slots.values())

    def _next_for(self, slot: int) -> Segment | None:
        """The earliest queued Segment that may start now; a directory held open elsewhere waits for its keeper."""
        wanted = self._wanted_segment()
        if wanted is not None and self._may_take(slot, wanted):
            return wanted
        full = self.waiting_bytes >= self.window
        self._some_are_choosy = wanted is not None
        for segment in self._line:
            if full and not (self.ordered and segment is self._line.first):
                return None
            if not segment.queued:
                continue
            if not self._may_take(slot, segment):
                self._some_are_choosy = True
            elif self._trim(segment):
                return segment
        return None

    def _trim(self, segment: Segment) -> bool:
        """Whether anything is left of a queued Segment once what is not at home in it any more is gone from its front.

        Directories that were pruned or moved stay where they stood until then: to look for each would take a time
        that grows with the square of their number.
        """
        if self.ordered:
            return True
        gone = 0
        while gone < len(segment.directories) and self._home.get(segment.directories[gone]) is not segment:
            gone += 1
        if gone:
            del segment.directories[:gone]
            segment.position, segment.keeper = 0, None
        if not segment.directories:
            segment.unlink()
        return bool(segment.directories)

    def _may_take(self, slot: int, segment: Segment) -> bool:
        if segment.keeper not in (None, slot) and segment.keeper in self._slots:
            return False
        return self._alone_enough(slot, careful=segment.careful)

    def _alone_enough(self, slot: int, *, careful: bool) -> bool:
        """Whether nothing else that runs in the same process forbids this: what is run with care runs alone there, so
        that a death is blamed on the right directory.
        """
        if len(self._slots) <= self._share:
            return True
        worker = self._workers[slot]
        others = (
            segment for other, segment in self._slots.items() if segment is not None and self._workers[other] == worker
        )
        return not any(careful or segment.careful for segment in others)

    def _wanted_segment(self) -> Segment | None:
        """The wanted directory at the front of a queued Segment, wherever it stood."""
        if self._wanted is None:
            return None
        segment = self._home.get(self._wanted)
        if segment is None or segment.slot is not None:
            return None
        if segment.directories[0] != self._wanted:
            segment = self._to_the_front(self._wanted)
        return segment

    def _to_the_front(self, path: Path) -> Segment:
        segment = Segment([path])
        self._line.prepend(segment)
        self._settle(segment)
        return segment

    def _lease(self, segment: Segment, slot: int) -> Dispatch:
        """Give the front of a queued Segment to an idle slot."""
        single = segment.position or segment.alone or segment.careful
        count = 1 if single else self._share_of(segment.directories)
        front = [path for path in segment.directories[:count] if self.ordered or self._home.get(path) is segment]
        task_part = Segment(front, segment.position, alone=segment.alone)
        task_part.deaths, task_part.careful = segment.deaths, segment.careful
        if self._allowed is not None:
            task_part.quota = max(1, self._allowed // self._free)
            self._allowed -= task_part.quota
        task_part.insert_behind(segment.before)
        self._settle(task_part)
        del segment.directories[:count]
        segment.position, segment.keeper = 0, None
        if not segment.directories:
            segment.unlink()
        task_part.slot = slot
        self._slots[slot] = task_part
        self.tasks += 1
        seconds = 0.0 if segment.alone or segment.careful or self._probing else TASK_SECONDS
        # A copy: the worker's stack must not be the planner's record of what to do again after a death.
        directories = list(task_part.directories)
        shut = self._shut.within(directories)
        task = Task(self.tasks, directories, task_part.position, TASK_ENTRIES, seconds, task_part.quota, shut=shut)
        return Dispatch(slot, task)

    def _share_of(self, directories: list[Path]) -> int:
        slots = min(len(self._slots), self._limit)
        return how_many(directories, slots, self._share, self.known - self.done)

    def _rebalance(self) -> list[Instruction]:
        """Idle slots that found nothing to do: ask as many busy ones to share, the earliest in order first."""
        idle = self._free
        if idle <= 0 or self._allowed == 0 or self.waiting_bytes >= self.window:
            return []
        instructions: list[Instruction] = []
        for segment in self._line:
            if segment.slot is not None and not segment.asked and len(instructions) < idle:
                segment.asked = True
                instructions.append(GiveUp(segment.slot))
        return instructions

    def waiting(self) -> list[Chunk]:
        """The Chunks that have arrived and wait for their turn, in walk order: what a broken-off scan still has."""
        return [segment.chunk for segment in self._line if segment.chunk is not None]

    def validate(self) -> None:
        """Assert the invariants. For tests: it looks at everything."""
        line = list(self._line)
        outstanding = sum(len(segment.directories) for segment in line)
        assert self.known == self.done + outstanding or not self.ordered, "every directory is in exactly one place"
        for segment in line:
            states = (segment.queued and bool(segment.directories), segment.slot is not None, segment.chunk is not None)
            assert sum(states) == 1, "a Segment has exactly one state"
            assert segment.slot is None or self._slots[segment.slot] is segment, "a leased Segment is its slot's"
            assert segment is segment.behind.before is segment.before.behind, "the line holds together"
        leased = [segment for segment in self._slots.values() if segment is not None]
        assert all(segment in line for segment in leased), "a slot's Segment stands in the line"
        if self.ordered:
            waiting = sum(segment.chunk.size for segment in line if segment.chunk is not None)
            assert waiting == self.waiting_bytes, "the window counts what waits"
