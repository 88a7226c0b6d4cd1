"""The loop between planner and backend: events go one way, instructions the other."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from scanner.backends.base import Backend
from scanner.errors import ScanCancelled, ScanForked, ScanTimeout
from scanner.model import BackendEvent, Chunk, ChunkArrived, Path, SlotKind, SlotLost, SlotStuck, SlotUp
from scanner.options import WINDOW, ScanOptions
from scanner.plan.events import (
    AddDirectories,
    AllowRequests,
    ConsumerWaits,
    DeliverChunk,
    DispatchTask,
    Event,
    ReclaimTask,
    ScanFinished,
    ScanPaused,
    ZoneLimit,
    ZonesFound,
)
from scanner.plan.planner import Planner
from scanner.plan.rate import Rate, part_entries
from scanner.plan.schedule import Hours
from scanner.plan.zones import Paces

POLL_EVERY = 0.001  # seconds between polls while waiting Chunks are delivered, often hundreds of them
ZONE_CHECK_SECONDS = 0.02  # between two checks which zones have work
HERE = "here", "thread"  # kinds of slots in this process
HOURS_OVER = "the hours"  # a message of ScanTimeout begins with this
LONGEST_WAIT = 0.1  # seconds: how late a timeout or a cancellation may be noticed


Observe = Callable[[list[Chunk]], None]


class Cancelled(Protocol):
    """Checked at every poll; a `threading.Event`, for example."""

    def is_set(self) -> bool: ...


class Engine:
    """A running scan. `run` is the loop for consumers that take Chunks in order, `poll` one turn of it.

    `cancelled`: set from any thread to end the scan with ScanCancelled within LONGEST_WAIT;
    `deadline`: when, on the monotonic clock, it ends with ScanTimeout.
    SCANNER_VALIDATE=1 in the environment checks the invariants of the planner after each event: for bug reports, slow.
    """

    def __init__(
        self,
        options: ScanOptions,
        backend: Backend,
        *,
        ordered: bool,
        cancelled: Cancelled | None = None,
        deadline: float | None = None,
    ) -> None:
        self.options = options
        self.backend = backend
        self.planner = Planner(
            ordered=ordered, slots=options.workers, most=options.max_in_flight, window=options.window,
            max_hung=options.max_hung, limit=ZoneLimit(sys.maxsize, backend.task_seconds[0]),
            entries=part_entries(options.max_rate, needs_stat=options.needs_stat, is_stored=options.known is not None),
            validates=os.environ.get("SCANNER_VALIDATE") == "1",
        )  # fmt: skip
        self.paces = Paces(backend.concurrency, options.max_in_flight, backend.task_seconds)
        self.finished = False
        self._limits: list[ZoneLimit] = []
        self._divided = False  # whether the tree was divided by devices
        self._at_work: Collection[int] = [0]  # zones with work
        self._next_look = 0.0  # when to update `_at_work`
        self._sent: dict[int, tuple[float, int]] = {}
        """Time when the Task of each busy slot was sent, and the number of its `stat` calls in flight at most."""
        self._requests = 0  # the sum of these numbers
        self._kinds: dict[int, SlotKind] = {}
        self._worked = 0.0  # processor seconds of Tasks outside of this thread
        self._worked_elsewhere = 0.0  # processor seconds of Tasks in other processes
        self._alone = threading.active_count() == 1
        self._now = time.monotonic()  # of the last events of the backend
        self._hours = None if options.hours is None else Hours(*options.hours)
        self._paused = False
        self._rate = None if options.max_rate is None else Rate(options.max_rate, self._now)
        self._home = os.getpid()
        self._cancelled = cancelled
        self._deadline = deadline

    def run(self, directories: list[Path], observe: Observe | None = None) -> Iterator[Chunk]:
        """Walk the trees below `directories`. Yields their Chunks in walk order.

        `observe`: called at each poll with the Chunks that have arrived, in any order.
        """
        delivered = self.poll(LONGEST_WAIT, AddDirectories(directories), ConsumerWaits(), observe=observe)
        next_poll = 0.0
        while True:
            for delivery in delivered:
                yield delivery.chunk
            if self.finished:
                return
            if delivered and time.monotonic() < next_poll:
                delivered = self.step(ConsumerWaits())
                continue
            if delivered:
                delivered = self.poll(0, ConsumerWaits(), observe=observe)
            else:
                delivered = self.poll(LONGEST_WAIT, observe=observe)
            if delivered:
                next_poll = time.monotonic() + POLL_EVERY

    def poll(self, timeout: float, *events: Event, observe: Observe | None = None) -> list[DeliverChunk]:
        """Process events of the backend, waiting at most `timeout` seconds for them. Returns the delivered Chunks.

        Raises ScanTimeout, ScanCancelled, ScanForked.
        """
        if os.getpid() != self._home:  # pipes, and the positions in open directories, are shared with the parent
            raise ScanForked(f"this scan belongs to process {self._home}, which has forked: start another one here")
        if self._cancelled is not None and self._cancelled.is_set():
            raise ScanCancelled("the scan was cancelled")
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise ScanTimeout(too_late(self.options))
            timeout = min(timeout, left)
        if self._rate is not None:
            timeout = min(timeout, self._rate.wait(time.monotonic()))
        news = self.backend.events(timeout)
        changes = self._keep_pace(news) + self._allow() + self._keep_hours()
        # The events of the consumer come first: it does not know the Chunks that have just arrived.
        delivered = self.step(*events, *changes, *news)
        if observe is not None:
            lost, self.planner.lost = self.planner.lost, []
            observe(lost + [event.chunk for event in news if isinstance(event, ChunkArrived)])
        return delivered

    def _keep_pace(self, news: list[BackendEvent]) -> list[Event]:
        """Update concurrency limits from finished Tasks. New slots are added to `news`."""
        if self.options.backend == "serial" or self.backend.starting:
            return self._note(news, learning=False)
        self._follow_size()
        concurrency = self.backend.concurrency
        self.planner.share = max(self.options.workers, concurrency)
        self.paces.begin_with(concurrency)
        changes = self._note(news, learning=True)
        limits = self._shares()
        if limits == self._limits:
            return changes
        self._limits = limits
        slots = min(self.planner.most, sum(limit.tasks for limit in limits))
        grown = self.backend.grow(slots)
        self._note(grown, learning=False)
        news += grown  # last: a slot that comes up in `news` may go down for it
        return [*changes, *limits]

    def _follow_size(self) -> None:
        """Update the limits that depend on the size of the backend: machines may join and leave."""
        most = self.options.max_in_flight * self.backend.hosts
        if most != self.planner.most:
            self.planner.most = most
            self.paces.allow(most)
        if self.options.window == WINDOW:
            self.planner.window = max(WINDOW, self.backend.slot_bytes * len(self.planner.roster))

    def _note(self, news: list[BackendEvent], *, learning: bool) -> list[Event]:
        """Learn from events. At the first slow directory, divide the tree by devices."""
        now = self._now = time.monotonic()
        changes: list[Event] = []
        for event in news:
            if isinstance(event, SlotUp):
                self._kinds[event.slot] = event.kind
            elif isinstance(event, SlotLost | SlotStuck):
                self._forget(event.slot)
            if not isinstance(event, ChunkArrived):
                continue
            assert event.slot in self._sent
            began, _ = self._forget(event.slot)
            if learning:
                if event.chunk.slow and not self._divided:
                    changes += self._divide()
                kind = self._kinds[event.slot]
                if kind != "here":
                    self._worked += event.chunk.cpu
                if kind not in HERE:
                    self._worked_elsewhere += event.chunk.cpu
                self.paces.note(now, event.chunk, began, self.planner.roster.under_way, self._worked_each)
        return changes

    def _forget(self, slot: int) -> tuple[float, int]:
        """Return when the Task of a slot was sent, and its number of requests in flight. Forget both."""
        sent = self._sent.pop(slot, (0.0, 0))
        self._requests -= sent[1]
        return sent

    def _worked_each(self) -> float:
        """Return the processor seconds used for this scan, divided by the number of processors.

        Other threads of the caller are excluded. Without such threads, the whole process is counted, which includes the
        cost of waking threads.
        """
        here = time.process_time() + self._worked_elsewhere if self._alone else time.thread_time() + self._worked
        return here / self.backend.processors

    def _divide(self) -> list[Event]:
        from scanner.mounts import devices  # not needed where nothing is slow

        self._divided = True
        tops = devices(self.options.roots) if self.backend.is_local else self.backend.devices()
        if len(set(tops.values())) < 2:
            return []
        self.paces.divide(tops)
        return [ZonesFound(tops)]

    def _shares(self) -> list[ZoneLimit]:
        """Return the limits of the zones that have work."""
        if self.paces.several and self._now >= self._next_look:
            self._next_look = self._now + ZONE_CHECK_SECONDS
            self._at_work = self.planner.line.zones_with_work()
        return self.paces.limits(self._at_work)

    def _threads(self) -> int:
        """Return the number of requests that a new Task may have in flight, so that the sum stays within the limit."""
        if self.options.backend == "serial":
            return 1
        return max(1, min(self.options.max_in_flight, self.planner.most - self._requests))

    def longest_wait(self) -> tuple[float, Path | None]:
        """Return the seconds for which one directory has been read, the longest of all, and the directory. Where a
        backend does not know it: for how long the oldest Task has run, and where it began.
        """
        waits = self.backend.longest_wait()
        if waits is None and self._sent:
            slot = min(self._sent, key=lambda slot: self._sent[slot])
            waits = time.monotonic() - self._sent[slot][0], self.planner.roster.begun_at(slot)
        return waits or (0.0, None)

    def in_flight(self) -> int:
        """Return the number of directories that are being read."""
        return self.planner.roster.under_way.total()

    def _allow(self) -> list[Event]:
        """Return the event that allows more requests by `max_rate`: the first one at once."""
        if self._rate is None:
            return []
        more = self._rate.due(time.monotonic()) or int(not self.planner.known)
        return [AllowRequests(more, self._rate.most)] if more else []

    @property
    def paused_until(self) -> str:
        """When the hours of the option `between` begin, as `20:00`; empty within them."""
        return "" if self._hours is None or self._hours.are_open(local_minute()) else self._hours.opening

    def _keep_hours(self) -> list[Event]:
        """Return the event that pauses or resumes the scan. Raises ScanTimeout where the next scan can continue."""
        paused = self.paused_until != ""
        if paused and self.options.known is not None and self.options.known.records:
            raise ScanTimeout(f"{HOURS_OVER} {self.options.between} are over, and the next scan continues")
        if paused == self._paused:
            return []
        self._paused = paused
        return [ScanPaused(paused)]

    def step(self, *events: Event) -> list[DeliverChunk]:
        """Pass `events` to the planner, and carry out its instructions. Returns the Chunks for the consumer."""
        delivered: list[DeliverChunk] = []
        now = 0.0
        for instruction in self.planner.handle(*events):
            match instruction:
                case DispatchTask(slot, task):
                    threads = self._threads()
                    now = now or time.monotonic()
                    self._sent[slot] = (now, threads)
                    self._requests += threads
                    self.backend.dispatch(slot, task if threads == task.threads else task._replace(threads=threads))
                case ReclaimTask(slot):
                    self.backend.reclaim(slot)
                case DeliverChunk():
                    delivered.append(instruction)
                case ScanFinished():
                    self.finished = True
        return delivered

    def stop(self, *, wait: bool, keep_backend: bool = False) -> None:
        """End the scan and, unless it is kept for another one, the backend. The line is dissolved, so that it
        leaves no work for the garbage collector: Chunks in `planner.line.waiting()` are gone afterwards.
        """
        if not keep_backend:
            self.backend.stop(wait=wait)
        self.planner.line.dissolve()


def local_minute() -> int:
    """Return the minute of the day that a clock on the wall shows."""
    now = time.localtime()
    return 60 * now.tm_hour + now.tm_min


def refuse_outside_of_hours(options: ScanOptions) -> None:
    """Raise ScanTimeout for a scan that writes a store, outside of the hours of the option `between`."""
    if options.store is not None and options.hours is not None and not Hours(*options.hours).are_open(local_minute()):
        raise ScanTimeout(
            f"it is not between {options.between}: nothing was read, and the next scan begins or continues"
        )


def too_late(options: ScanOptions) -> str:
    """Return the message of ScanTimeout."""
    return f"the scan did not finish within {options.timeout:g} seconds"
