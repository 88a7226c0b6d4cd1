"""Serial first, the pool when it is worth its start, serial again when there can be no pool."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scanner.backends.serial import FIRST_SLOT, SLOT, SerialBackend
from scanner.model import BackendEvent, ChunkArrived, SlotDown, Task
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.backends.pool import PoolBackend

START_AFTER = {"fork": 0.08, "forkserver": 0.1, "spawn": 0.1}
"""Seconds of walking here before processes are started; by start method. They take 30 to 100 ms of another processor
meanwhile, which are lost on a tree that ends before they are ready."""
SOONEST = min(START_AFTER.values())
BUSY_SHARE = 0.5  # of a processor: below this, what takes time is waiting
POLL = 0.005  # seconds to wait for threads here before looking at processes that are starting
FIRST_SECONDS = 0.002  # a Task's budget here for the first: it tells whether directories cost waiting
SERIAL_SECONDS = 0.01  # a Task's budget here, so that the workers do not wait for their first Tasks


class AutoBackend:
    """What `auto` and `pool` are: `eager` starts the pool at once and walks here only if there can be none."""

    def __init__(self, options: ScanOptions, *, eager: bool, pool: PoolBackend | None = None) -> None:
        self._options = options
        self._serial: SerialBackend | None = None if eager else SerialBackend(options)
        self._started = time.monotonic()
        self._spent = 0.0  # seconds of work here, waiting apart
        self._divisible = False  # whether there was more than one directory to walk at some time
        self._slots = 1
        self._pays = pays(options)
        self._reported = False
        self._in_pool = eager
        self.pool = pool
        self._waiting: list[BackendEvent] = pool.begin(options) if pool is not None else []
        if eager and pool is None:
            self.pool = start_pool(options)

    @property
    def name(self) -> str:
        return "pool" if self._in_pool else "serial"

    @property
    def start_method(self) -> str | None:
        return self.pool.start_method if self.pool is not None and self.pool.failure is None else None

    @property
    def starting(self) -> bool:
        return self._serial is not None and self.pool is not None and self.pool.failure is None

    @property
    def abandoned(self) -> int:
        return self.pool.abandoned if self.pool is not None else 0

    def grow(self, slots: int) -> list[BackendEvent]:
        self._slots = slots
        if self._in_pool and self.pool is not None:
            return self.pool.grow(slots)
        return self._serial.grow(slots) if self._serial is not None else []

    def dispatch(self, slot: int, task: Task) -> None:
        if slot >= FIRST_SLOT:
            assert self.pool is not None
            self.pool.dispatch(slot, task)
        elif self._serial is not None:
            if slot == SLOT and (self.pool is None or self.pool.failure is None):
                task = task._replace(seconds=FIRST_SECONDS if task.number == 1 else SERIAL_SECONDS)
            self._serial.dispatch(slot, task)

    def give_up(self, slot: int) -> None:
        if slot >= FIRST_SLOT:
            assert self.pool is not None
            self.pool.give_up(slot)
        elif self._serial is not None:
            self._serial.give_up(slot)

    def events(self, timeout: float) -> list[BackendEvent]:
        events = self._serial_events(timeout) if self._serial is not None else []
        if self.pool is None:
            if not self._divisible or not self._pays or not self._works_hard() or not self._may_start():
                return events
            self.pool = start_pool(self._options)
        waiting, self._waiting = self._waiting, []
        busy = self._serial is not None and self._serial.busy
        news = waiting + self.pool.events(0 if events or waiting or busy else timeout)
        if self.pool.failure is not None:
            self._go_on_serial(self.pool.failure)
        elif self._serial is not None:
            self._hand_over(self._serial, news)
        return events + news

    def _works_hard(self) -> bool:
        """Whether reading directories takes a processor, and has for long enough: waiting is not helped by another."""
        busy = self._spent >= BUSY_SHARE * (time.monotonic() - self._started)
        return busy and walked_long_enough(self._spent, self._options)

    def _may_start(self) -> bool:
        """Beside threads of ours nothing is forked."""
        return self._options.start_method != "fork" or self._serial is None or len(self._serial.slots) == 1

    def _hand_over(self, serial: SerialBackend, news: list[BackendEvent]) -> None:
        """Once the pool is ready, nothing new is walked here; what is under way is ended."""
        assert self.pool is not None
        if not self._in_pool and self.pool.ready:
            self._in_pool = True
            news += [SlotDown(slot) for slot in serial.slots]
            news += self.pool.grow(self._slots)
        if self._in_pool and not serial.busy:
            serial.stop()
            self._serial = None

    def _go_on_serial(self, failure: str) -> None:
        if not self._reported:
            report(failure)
            self._reported = True
        self._in_pool = False
        if self._serial is None:
            self._serial = SerialBackend(self._options)
            self._waiting += self._serial.grow(self._slots)

    def _serial_events(self, timeout: float) -> list[BackendEvent]:
        assert self._serial is not None
        alone = self.pool is None or self.pool.failure is not None
        events = self._serial.events(timeout if alone else min(timeout, POLL))
        for event in events:
            if isinstance(event, ChunkArrived):
                self._spent += event.chunk.cpu
                self._divisible = self._divisible or len(event.chunk.leftovers) > 1
        return events

    def processes(self) -> dict[int, int]:
        return self.pool.processes() if self.pool is not None else {}

    def stop(self, *, wait: bool = True) -> None:
        if self._serial is not None:
            self._serial.stop()
        if self.pool is not None:
            self.pool.stop(wait=wait)


def start_pool(options: ScanOptions) -> PoolBackend:
    from scanner.backends.pool import PoolBackend  # multiprocessing: 20 ms that a small tree need not spend

    return PoolBackend(options)


def walked_long_enough(spent: float, options: ScanOptions) -> bool:
    """Whether so many seconds of walking are worth starting processes. How these start is looked up only then: that
    takes some 20 us.
    """
    return spent >= SOONEST and spent >= START_AFTER[options.method]


def pays(options: ScanOptions) -> bool:
    """Whether worker processes can gain anything here: on a single processor only if they were asked for."""
    return options.workers > 1 or options.max_workers is not None


def needs_pool_at_once(options: ScanOptions) -> bool:
    """Whether nothing is to be walked here: as asked, or because a directory may keep us for longer than is allowed."""
    if options.backend != "auto" or options.dir_timeout is None:
        return options.backend == "pool"
    from scanner.mounts import anything_remote  # not needed otherwise

    return anything_remote(options.roots)


def report(failure: str) -> None:
    """Say once a scan that it goes on without worker processes."""
    import logging  # costs milliseconds that a scan without trouble need not spend

    logging.getLogger("scanner").warning("no worker processes (%s): scanning in this process", failure)
