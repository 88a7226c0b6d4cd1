"""Decides which Task runs where and when. Events in, instructions out; no clock, no process, no file.

All known directories and waiting Chunks stand in one line of Segments, in walk order:

    first                                                            last
    [chunks] -> [leased to slot 2] -> [chunks] -> [leased to slot 1] -> [queued: a, b, c] -> ...

A Task gets the front of a queued Segment. Its Chunk replaces the Task in the line, followed by a queued Segment of its
leftovers. A Chunk is an unbroken part of the walk order, so the line is in walk order as well. An ordered consumer (an
output, `scan`) takes Chunks from the front. A keyed consumer (`walk`, whose caller may reorder) gets Chunks as they
arrive, and requests the directory that it waits for. Segments in the state `given` count the bytes that it still holds.

The next Task is the earliest queued one, so that slots work side by side near the front, and few Chunks wait. The more
bytes wait, the nearer to the front a Segment must lie to start (see `tasks.reach`). The first Segment may always start,
and so may the directory that the consumer waits for. At most `window` bytes and one Chunk for each slot wait.
"""

from __future__ import annotations

import sys
from itertools import islice

from scanner.model import Chunk, ChunkArrived, Path, SlotDown, SlotLost, SlotStuck, SlotUp, Task, below_any
from scanner.plan.events import (
    AddDirectories,
    AllowRequests,
    BytesWaiting,
    ConsumerWaits,
    DeliverChunk,
    DirectoryPruned,
    DispatchTask,
    Event,
    Instruction,
    ReclaimTask,
    ScanFinished,
    ScanPaused,
    ZoneLimit,
    ZonesFound,
)  # fmt: skip
from scanner.plan.invariants import Recorder, validate
from scanner.plan.line import Line, Segment
from scanner.plan.roster import Roster
from scanner.plan.tasks import LISTING_BYTES, TASK_ENTRIES, KnownRules, Quarantine, lost, reach, task_length
from scanner.plan.zones import Capacity, Tops

FRONT_SHARE = 8  # one in so many Tasks under way is at the front, where the consumer waits
LEAST_QUOTA = 16  # requests of a Task, if so many are allowed
FORGETTING = 1 / 8  # weight of the last Task in the mean of its requests
MOST_UNEXPLAINED = 5  # deaths of slots with one Task while no directory was being read
ANY_NUMBER = ZoneLimit(sys.maxsize)  # of Tasks


class Planner:
    """The plan of one scan.

    `ordered`: deliver in walk order, on demand; otherwise as Chunks arrive. `slots`: number of slots that share the
    work (`share` changes it); `most`: Tasks at a time, in all; `window`: bytes that may wait for the consumer;
    `max_hung`: late directories of one mount before the mount is closed (0: any number); `limit`: until another one
    comes; `entries`: read at a time, of a huge directory; `validates`: check the invariants after each call.
    """

    def __init__(
        self, *, ordered: bool, slots: int, window: int, max_hung: int = 0, most: int = sys.maxsize,
        limit: ZoneLimit = ANY_NUMBER, entries: int = TASK_ENTRIES, validates: bool = False,
    ) -> None:  # fmt: skip
        self.ordered = ordered
        self.window = window
        self.waiting_bytes = 0
        self.known = 0  # directories seen so far: done, queued or leased; never decreases
        self.done = 0  # directories listed or failed
        self.tasks = 0
        self.deaths = 0  # slots lost with a Task, without those that hung or left
        self.hung = 0  # directories that did not answer in time
        self.share = slots
        self._allowed: int | None = None  # requests beyond those reserved for Tasks; negative: a debt; None: any number
        self._paused = False
        self._entries = entries
        self._usual_requests = 1.0  # of a Task, lately
        self._validates, self._recorder = validates, Recorder()
        self.lost: list[Chunk] = []  # made here, in place of the Chunks that no slot could bring
        self._quarantine = Quarantine(max_hung)
        self.rules = KnownRules()
        self.line = Line()
        self.roster = Roster()
        self.tops = Tops({})
        self._limits = {0: limit}  # by zone
        self.most = most
        self._some_are_choosy = False  # some Segment passed in the last search may only start on another slot
        self._passed = self.line.start  # no Segment up to here may start in this turn, on any slot
        self._passed_bytes = 0  # bytes that wait up to there
        self._largest = 0  # bytes of the largest Chunk so far
        self._short = False  # of memory: some Segment could not start for that reason in the last turn
        self._home: dict[Path, Segment] = {}  # keyed only: where each queued or leased directory stands
        self._consumer_waits = False
        self._wanted: Path | None = None

    def handle(self, *events: Event) -> list[Instruction]:
        """Return the instructions that follow from `events`. An exception is a bug; its note has the last events."""
        self._recorder.record(events)
        try:
            instructions = self._handle(events)
            if self._validates:
                validate(self)
        except Exception as error:
            error.add_note(self._recorder.text())
            raise
        return instructions

    def _handle(self, events: tuple[Event, ...]) -> list[Instruction]:
        instructions: list[Instruction] = []
        for event in events:
            instructions += self._note(event)
        # Taking a Chunk in its turn lets a Task begin only where memory was short.
        if self._short or not self.ordered or any(not isinstance(event, ConsumerWaits) for event in events):
            instructions += self._dispatch()
        if self.line.over:
            instructions.append(ScanFinished())
        return instructions

    def _note(self, event: Event) -> list[DeliverChunk]:
        match event:
            case ChunkArrived(slot, chunk):
                return self._complete(self.roster.take(slot), chunk, slot)
            case ConsumerWaits(path):
                return self._consumer_wants(path)
            case SlotUp(slot=slot, worker=worker):
                self.roster.up(slot, worker)
            case SlotDown(slot):
                self.roster.down(slot)
            case SlotLost(slot, path, blame):
                return self._slot_lost(slot, path) if blame else self._slot_left(slot)
            case SlotStuck(slot, path, mount, message):
                self._slot_stuck(slot, path, mount, message)
            case AddDirectories(directories, alone):
                self.known += len(directories)
                self._queue(list(directories), self.line.last, alone=alone)
            case DirectoryPruned(path):
                self._prune(path)
            case BytesWaiting(size):
                self.waiting_bytes = size
                self.line.keep_given(size)
            case ZoneLimit(zone=zone):
                self._limits[zone] = event
            case ZonesFound(tops):
                self._divide(tops)
            case AllowRequests(requests, most):
                self._allowed = min(requests + (self._allowed or 0), most)
            case ScanPaused(paused):
                self._paused = paused
        return []

    # ---- effects of events on the line

    def _queue(self, directories: list[Path], behind: Segment, *, alone: bool = False) -> Segment:
        """Queue directories right behind a Segment, one Segment for each zone. Returns the last one."""
        for zone, run in self.tops.runs(directories):
            segment = Segment(run, alone=alone, zone=zone)
            segment.insert_behind(behind)
            self._settle(segment)
            behind = segment
        return behind

    def _settle(self, segment: Segment) -> None:
        if not self.ordered:
            for path in segment.directories:
                self._home[path] = segment

    def _divide(self, tops: dict[Path, int]) -> None:
        """Divide the tree into zones, so that no queued Segment reaches from one zone into another."""
        self.tops = Tops(tops)
        for zone in tops.values():
            self._limits.setdefault(zone, self._limits[0]._replace(zone=zone))
        for segment in [segment for segment in self.line if segment.queued]:
            self._split(segment)

    def _split(self, segment: Segment) -> None:
        """Keep the directories of one zone in a queued Segment, and queue the others behind it."""
        (segment.zone, first), *others = self.tops.runs(segment.directories)
        behind = segment
        for _, run in others:
            there = [path for path in run if self.ordered or self._home.get(path) is segment]
            behind = self._queue(there, behind, alone=segment.alone)
            behind.careful, behind.deaths = segment.careful, segment.deaths
        segment.directories = first

    def _slot_lost(self, slot: int, path: Path | None) -> list[DeliverChunk]:
        """Run the Task of the slot again. A directory in which several slots died is closed."""
        segment = self.roster.lose(slot)
        if segment is None:
            return []
        self.deaths += 1
        if path is not None:
            # Any of the directories read in the same process may be to blame: each is tried again, alone.
            if segment.careful or not self.roster.shares_worker(slot):
                self._quarantine.blame(path)
        elif segment.deaths >= MOST_UNEXPLAINED:
            self.lost.append(lost(segment.directories[0], segment.deaths + 1))
            return self._complete(segment, self.lost[-1], None)
        else:
            segment.deaths += 1
        self._queue_again(segment)
        return []

    def _slot_left(self, slot: int) -> list[DeliverChunk]:
        """Run the Task of the slot again as it was: the slot is gone for reasons of its own."""
        segment = self.roster.lose(slot)
        if segment is not None:
            self._queue_again(segment, careful=segment.careful)
        return []

    def _slot_stuck(self, slot: int, path: Path, mount: Path, message: str) -> None:
        """Run the Task of the slot again without `path`, and without its `mount` after too many late directories."""
        self.hung += 1
        self._quarantine.late(path, mount, message)
        segment = self.roster.lose(slot)
        if segment is not None:
            self._queue_again(segment)

    def _queue_again(self, segment: Segment, *, careful: bool = True) -> None:
        """Queue the Segment of a slot that is gone. `careful`: to be walked one directory at a time."""
        segment.slot = None
        segment.reclaimed = False
        segment.careful = careful
        segment.directories = [path for path in segment.directories if path not in segment.pruned]
        if segment.directories:
            self._split(segment)
        else:
            segment.unlink()

    def _complete(self, segment: Segment, chunk: Chunk, slot: int | None) -> list[DeliverChunk]:
        """Replace a leased Segment by `chunk`, followed by a queued Segment of its leftovers."""
        visited = chunk.visited
        self.done += visited
        if self._allowed is not None:
            self._allowed += segment.reserved - chunk.requests
            self._usual_requests += FORGETTING * (chunk.requests - self._usual_requests)
        for path in segment.directories:
            self._home.pop(path, None)
        self._quarantine.forget(chunk.faults)
        self.rules.add(chunk.rules)
        outdated = frozenset(segment.pruned)
        leftovers = [path for path in chunk.leftovers if not (outdated and below_any(path, outdated))]
        if segment.alone:  # the directories below come with an AddDirectories
            leftovers = leftovers[: bool(chunk.position)]
        self.known += visited + len(leftovers) - len(segment.directories)
        self._queue(leftovers, segment, alone=segment.alone)
        if chunk.position and leftovers[:1] == chunk.leftovers[:1]:
            segment.behind.position, segment.behind.keeper = chunk.position, slot
        segment.slot, segment.directories = None, []
        size = chunk.size if self.ordered else chunk.size + LISTING_BYTES * chunk.directories
        self.waiting_bytes += size
        self._largest = max(self._largest, size)
        if self.ordered:
            segment.finish(chunk)
            return self._deliver_next()
        self.line.give(segment, size)
        return [DeliverChunk(chunk, outdated)]

    def _deliver_next(self) -> list[DeliverChunk]:
        first = self.line.first
        if not self._consumer_waits or not first.chunks:
            return []
        self._consumer_waits = False
        chunk = first.pop_first()
        self.waiting_bytes -= chunk.size
        return [DeliverChunk(chunk)]

    def _consumer_wants(self, path: Path | None) -> list[DeliverChunk]:
        if self.ordered:
            self._consumer_waits = True
            return self._deliver_next()
        self._wanted = path
        if path is not None and path not in self._home:  # a name that the caller added
            self.known += 1
            self._queue([path], self.line.start)
        return []

    def _prune(self, path: Path) -> None:
        segment = self._home.pop(path, None)
        if segment is not None and segment.slot is not None:
            segment.pruned.add(path)

    # ---- the next Tasks

    def _dispatch(self) -> list[Instruction]:
        instructions: list[Instruction] = []
        self._short = False
        idle = self.roster.idle()[::-1]
        if not idle:
            return instructions
        capacity = Capacity(self._limits, self.roster, self.most)
        self._passed, self._passed_bytes = self.line.start, 0
        while idle and capacity.left and self._may_send:
            slot = idle[-1]
            if not self.roster.is_idle(slot) or not capacity.for_worker(self.roster.worker(slot)):
                idle.pop()
                continue
            segment = self._next_for(slot, capacity)
            if segment is not None:
                instructions.append(self._lease(segment, self._taker(segment, slot), capacity))
            elif self._some_are_choosy:
                idle.pop()
            else:
                break
        return instructions + self._rebalance(capacity)

    @property
    def _may_send(self) -> bool:
        return not self._paused and (self._allowed is None or self._allowed > 0)

    def _taker(self, segment: Segment, slot: int) -> int:
        """Return the slot that holds the first directory of the Segment open, if one does, or `slot`."""
        return slot if segment.keeper is None or segment.keeper not in self.roster else segment.keeper

    def _next_for(self, slot: int, capacity: Capacity) -> Segment | None:
        """Return the earliest queued Segment that may start now. An open directory waits for its keeper."""
        wanted = self._wanted_segment()
        if wanted is not None and self._may_take(slot, wanted, capacity):
            return wanted
        self._some_are_choosy = wanted is not None
        slots, under_way, before = len(self.roster), self.roster.under_way.total(), self._passed_bytes
        farthest = reach(self.window, self.waiting_bytes, self._largest, slots, under_way)
        for segment in self.line.beyond(self._passed):
            if before >= farthest and not (self.ordered and segment is self.line.first):
                self._short = True
                return None
            before += segment.size
            if not segment.queued or segment.zone not in capacity.left:
                continue
            if not self._may_take(slot, segment, capacity):
                self._some_are_choosy = True
            elif self._trim(segment):
                if not self._some_are_choosy:
                    self._passed, self._passed_bytes = segment.before, before
                return segment
        return None

    def _trim(self, segment: Segment) -> bool:
        """Drop pruned and moved directories from the front of a queued Segment. Returns whether any are left.

        Later than the event, because a search for each one would take quadratic time.
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

    def _may_take(self, slot: int, segment: Segment, capacity: Capacity) -> bool:
        if (slot := self._taker(segment, slot)) == segment.keeper and not self.roster.is_idle(slot):
            return False
        if capacity.left.get(segment.zone, 0) <= 0 or not capacity.fair(segment.zone, self.roster.worker(slot)):
            return False
        return self.roster.allows(slot, careful=segment.careful)

    def _wanted_segment(self) -> Segment | None:
        """Return a queued Segment that begins with the directory that the consumer waits for; move it if necessary."""
        if self._wanted is None:
            return None
        segment = self._home.get(self._wanted)
        if segment is None or segment.slot is not None:
            return None
        return segment if segment.directories[0] == self._wanted else self._queue([self._wanted], self.line.start)

    def _lease(self, segment: Segment, slot: int, capacity: Capacity) -> DispatchTask:
        """Give the front of a queued Segment to an idle slot."""
        zone, limit = segment.zone, self._limits[segment.zone]
        single = segment.position or segment.alone or segment.careful
        count = 1 if single else self._share_of(segment)
        front = [path for path in segment.directories[:count] if self.ordered or self._home.get(path) is segment]
        task_part = Segment(front, segment.position, alone=segment.alone, zone=zone)
        task_part.deaths, task_part.careful = segment.deaths, segment.careful
        quota = 0
        if self._allowed is not None:
            quota = max(self._allowed // sum(capacity.left.values()), min(self._allowed, LEAST_QUOTA))
            task_part.reserved = max(quota, int(self._usual_requests))  # Tasks exceed their quota
            self._allowed -= task_part.reserved
        task_part.insert_behind(segment.before)
        self._settle(task_part)
        del segment.directories[:count]
        segment.position, segment.keeper = 0, None
        if not segment.directories:
            segment.unlink()
        self.roster.give(slot, task_part)
        capacity.take(zone)
        self.tasks += 1
        seconds = 0.0 if segment.alone or segment.careful else limit.seconds
        # A copy: the stack of the walker must not be the planner's record of the Task, which may run again.
        directories = list(task_part.directories)
        task = Task(
            self.tasks, directories, task_part.position, self._entries, seconds, quota,
            rules=self.rules.above(directories),
        )  # fmt: skip
        if self._quarantine.any or self.tops:
            task = task._replace(shut=self._quarantine.within(directories), fences=self.tops.fences(directories, zone))
        return DispatchTask(slot, task)

    def _share_of(self, segment: Segment) -> int:
        slots = min(len(self.roster), self._limits[segment.zone].tasks)
        outstanding = len(segment.directories) if self.tops else self.known - self.done
        return task_length(segment.directories, slots, self.share, outstanding)

    def _rebalance(self, capacity: Capacity) -> list[Instruction]:
        """Request the rest of as many Tasks as slots are idle without work, the earliest in walk order first.

        Where memory is short, only at the front: leftovers further behind could not start.
        """
        if not self._may_send or not capacity.left:
            return []
        busy = ((segment, segment.slot) for segment in self.line if segment.slot is not None)
        instructions: list[Instruction] = []
        for segment, slot in islice(busy, len(self.roster) // FRONT_SHARE) if self._short else busy:
            if not segment.reclaimed and capacity.reclaim(segment.zone):
                segment.reclaimed = True
                instructions.append(ReclaimTask(slot))
        return instructions
