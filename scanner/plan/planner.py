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

import errno
from collections import Counter

from scanner.model import Chunk, ChunkArrived, Fault, Path, SlotLost, SlotStuck, SlotUp, Task, below_any, is_below
from scanner.plan.events import Add, Deliver, Dispatch, Event, Finished, GiveUp, Instruction, Pruned, Waiting, Wanted
from scanner.plan.line import Line, Segment

TASK_ENTRIES = 20_000
TASK_SECONDS = 0.05
TASK_DIRECTORIES = 256
MOST_DEATHS = 2  # of slots over one directory, before it is not entered any more
MOST_UNEXPLAINED = 5  # deaths of slots over one Task while no directory was being read
TASK_BYTES = 32_768  # of paths: a Task that fits into an empty pipe is sent at once


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
        self._max_hung = max_hung
        self.lost: list[Chunk] = []  # made here, in the place of what no slot could bring
        self._blamed: Counter[Path] = Counter()  # deaths by directory
        self._late: Counter[Path] = Counter()  # late directories by mount
        self._shut: dict[Path, tuple[str, str]] = {}  # not to be entered, and why: goes out with each Task
        self._line = Line()
        self._slots: dict[int, Segment | None] = {}
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
            case SlotUp(slot):
                self._slots[slot] = None
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
        return []

    # ---- what events do to the line

    def _settle(self, segment: Segment) -> None:
        if not self.ordered:
            for path in segment.directories:
                self._home[path] = segment

    def _slot_lost(self, slot: int, path: Path | None) -> list[Deliver]:
        """Run the slot's Task again. A directory over which slots die time and again is not entered any more."""
        segment = self._slots.pop(slot, None)
        if segment is None:
            return []
        self.deaths += 1
        if path is not None:
            self._blamed[path] += 1
            if self._blamed[path] >= MOST_DEATHS:
                self._shut[path] = ("lost", f"{MOST_DEATHS} worker processes died over it")
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
        self._shut[path] = ("timeout", message)
        self._late[mount] += 1
        if self._late[mount] == self._max_hung:
            reason = f"mount quarantined: {self._max_hung} directories of it gave {message}"
            self._shut[mount] = ("timeout", reason)
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
        return self._complete(segment, chunk, slot)

    def _complete(self, segment: Segment, chunk: Chunk, slot: int | None) -> list[Deliver]:
        """Put `chunk`, and a queue of its leftovers, in the place of a leased Segment."""
        failed = sum(fault.drops_listing for fault in chunk.faults)
        self.done += chunk.directories + failed
        for path in segment.directories:
            self._home.pop(path, None)
        for fault in chunk.faults if self._shut else ():  # it is told: nobody will meet it again
            if fault.path not in self._late:
                self._shut.pop(fault.path, None)
        outdated = frozenset(segment.pruned)
        leftovers = [path for path in chunk.leftovers if not (outdated and below_any(path, outdated))]
        if segment.alone:  # what is below comes back as an Add
            leftovers = leftovers[: bool(chunk.position)]
        rest = Segment(leftovers, alone=segment.alone)
        if chunk.position and leftovers[:1] == chunk.leftovers[:1]:
            rest.position, rest.keeper = chunk.position, slot
        self.known += chunk.directories + failed + len(leftovers) - len(segment.directories)
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
        for slot, busy in self._slots.items():
            if busy is not None:
                continue
            segment = self._next_for(slot)
            if segment is not None:
                instructions.append(self._lease(segment, slot))
        return instructions

    def _next_for(self, slot: int) -> Segment | None:
        """The earliest queued Segment that may start now; a directory held open elsewhere waits for its keeper."""
        wanted = self._wanted_segment()
        if wanted is not None and self._may_take(slot, wanted):
            return wanted
        full = self.waiting_bytes >= self.window
        for segment in self._line:
            if full and not (self.ordered and segment is self._line.first):
                return None
            if segment.queued and self._may_take(slot, segment) and self._trim(segment):
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
        return segment.keeper in (None, slot) or segment.keeper not in self._slots

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
        count = 1 if single else self._how_many(segment.directories)
        front = [path for path in segment.directories[:count] if self.ordered or self._home.get(path) is segment]
        task_part = Segment(front, segment.position, alone=segment.alone)
        task_part.deaths, task_part.careful = segment.deaths, segment.careful
        task_part.insert_behind(segment.before)
        self._settle(task_part)
        del segment.directories[:count]
        segment.position, segment.keeper = 0, None
        if not segment.directories:
            segment.unlink()
        task_part.slot = slot
        self._slots[slot] = task_part
        self.tasks += 1
        seconds = 0.0 if segment.alone or segment.careful else TASK_SECONDS
        # A copy: the worker's stack must not be the planner's record of what to do again after a death.
        directories = list(task_part.directories)
        shut = self._shut_for(directories)
        return Dispatch(slot, Task(self.tasks, directories, task_part.position, TASK_ENTRIES, seconds, shut))

    def _shut_for(self, tops: list[Path]) -> dict[Path, tuple[str, str]]:
        """What of that which is shut a Task for these directories may meet."""
        return {
            path: reason for path, reason in self._shut.items()
            if below_any(path, tops) or any(is_below(top, path) for top in tops)
        }  # fmt: skip

    def _how_many(self, directories: list[Path]) -> int:
        """A fair share of a Segment: all slots find some of it, none gets it in crumbs."""
        fair = max(4, -(-len(directories) // self._share))
        count = size = 0
        for path in directories[: min(fair, TASK_DIRECTORIES)]:
            size += len(path) + 8
            if count and size > TASK_BYTES:
                break
            count += 1
        return count

    def _rebalance(self) -> list[Instruction]:
        """Idle slots that found nothing to do: ask as many busy ones to share, the earliest in order first."""
        idle = sum(segment is None for segment in self._slots.values())
        if not idle or self.waiting_bytes >= self.window:
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


def lost(path: Path, deaths: int) -> Chunk:
    """What comes of a directory over which worker after worker has died: a Fault."""
    fault = Fault(path, "open", errno.EIO, f"{deaths} worker processes died over it", "lost")
    return Chunk(0, [], b"", [], 0, [fault], 0, 0, 0)
