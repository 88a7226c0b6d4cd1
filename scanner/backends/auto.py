"""Serial first, in threads once these pay, the pool when it is worth its start, serial again when there can be no pool.

one thread ---THREADS_AFTER---> a thread for each worker ---START_AFTER_THREADS---> worker processes
   `------------- where threads would wait for each other: START_AFTER -------------------^
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from scanner.backends.serial import FIRST_SLOT, SLOT, SerialBackend
from scanner.backends.threads import MOST_OPEN, replaced_threads
from scanner.kernel.facts import runs_unlocked
from scanner.model import BackendEvent, ChunkArrived, SlotDown, Task
from scanner.options import ScanOptions, descriptors_allowed

if TYPE_CHECKING:
    from scanner.backends.pool import PoolBackend

THREADS_AFTER = 0.005
"""Seconds of walking here before there are threads, where the compiled walker lets them run beside each other."""
EXTRA_AFTER = 0.02
"""The same before there is a thread more than workers, where the caller's thread has names to take apart: it holds the
interpreter lock for each Chunk of them, and a thread that has walked its Task waits that long for the next."""
START_AFTER_THREADS = 2.0
"""Seconds of processor, in all of them, before processes are started. Two processors are as well used by threads, which
cost nothing to start; but these share one interpreter, and none of them can be ended if it hangs."""
START_AFTER = {"fork": 0.08, "forkserver": 0.1, "spawn": 0.1}
"""Seconds of walking in one thread before processes are started; by start method. They take 30 to 100 ms of another
processor meanwhile, which are lost on a tree that ends before they are ready."""
SOONEST = min(START_AFTER.values())
DESCRIPTORS = 2 * MOST_OPEN  # that a thread may hold, at most; the first a few more, of those
SPARE_DESCRIPTORS = 64  # that are left to the caller
BUSY_SHARE = 0.5  # of a processor: below this, what takes time is waiting
POLL = 0.005  # seconds to wait for threads here before looking at processes that are starting
FIRST_SECONDS = 0.002
"""A Task's budget here as long as directories seem to cost waiting, or threads are to come: both are soon known."""
SERIAL_SECONDS = 0.01  # and otherwise: so that the workers do not wait for their first Tasks


class AutoBackend:
    """What `auto` and `pool` are: `eager` starts the pool at once and walks here only if there can be none.

    `in_threads`: threads are known to pay.
    """

    def __init__(
        self, options: ScanOptions, *, eager: bool, pool: PoolBackend | None = None, in_threads: bool = False
    ) -> None:
        self._options = options
        self._serial: SerialBackend | None = None
        if not eager:
            self._serial = SerialBackend(options, only_threads=may_hang(options))
        self._started = time.monotonic()
        self._spent = 0.0  # seconds of work here, waiting apart
        self._divisible = False  # whether there was more than one directory to walk at some time
        self._huge = False  # whether there was one that comes in parts
        self._slots = 1
        self._workers = options.workers
        self._extra = 0  # threads, beyond these
        self._pays = pays(options)
        self._in_threads = in_threads
        self._reported = False
        self._in_pool = eager
        self.lost_protections: list[str] = []
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
        return not self._in_pool and self.pool is not None and self.pool.failure is None

    @property
    def abreast(self) -> int:
        if not (self._in_pool or self._in_threads):
            return 1
        # Two are the fewest that are threads, and for a single directory as good as many.
        return self._workers + self._extra if self._divisible or not self._huge else min(2, self._workers)

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
            if task.seconds > FIRST_SECONDS:  # there is always patience for that
                task = task._replace(seconds=min(task.seconds, self._patience(slot)))
            self._serial.dispatch(slot, task)

    def _patience(self, slot: int) -> float:
        """Seconds that a Task may take here. In a thread no longer than all has taken so far: who walks this tree has
        had its directories one by one until then.
        """
        if slot != SLOT:
            return max(FIRST_SECONDS, time.monotonic() - self._started)
        if self.pool is not None and self.pool.failure is not None:
            return math.inf
        return SERIAL_SECONDS if self._is_work() and not self._threads_pay else FIRST_SECONDS

    def give_up(self, slot: int) -> None:
        if slot >= FIRST_SLOT:
            assert self.pool is not None
            self.pool.give_up(slot)
        elif self._serial is not None:
            self._serial.give_up(slot)

    def events(self, timeout: float) -> list[BackendEvent]:
        events = self._serial_events(timeout) if self._serial is not None else []
        if self.pool is None:
            if not self._more_would_help():
                return events
            self._in_threads = self._in_threads or (is_worth_threads(self._spent) and self._threads_pay)
            self._extra = int(self._in_threads and self._spent >= EXTRA_AFTER and self._options.sinks is None)
            if not self._is_worth_processes():
                return events
            self.pool = start_pool(self._options)
        waiting, self._waiting = self._waiting, []
        if self._serial is not None and self._serial.busy:
            timeout = min(timeout, POLL) if self._in_pool else 0
        news = waiting + self.pool.events(0 if events or waiting else timeout)
        if self.pool.failure is not None:
            self._go_on_serial(self.pool.failure)
        elif self._serial is not None:
            self._hand_over(self._serial, news)
        return events + news

    def _more_would_help(self) -> bool:
        """Whether it is processors that are missing. In a huge directory another may read on while this one has the
        names in hand.
        """
        return (self._divisible or self._huge) and self._pays and self._is_work()

    def _is_work(self) -> bool:
        """Whether reading directories takes a processor. With waiting for them no other would help."""
        return self._spent >= BUSY_SHARE * (time.monotonic() - self._started)

    def _is_worth_processes(self) -> bool:
        """After all that has been walked here. Beside threads nothing is forked, whatever was asked for; and to go on
        with a huge directory in another process, all of it is read again.
        """
        if not self._divisible:
            return False
        if self._options.start_method == "fork" and self._serial is not None and len(self._serial.slots) > 1:
            return False
        if self._in_threads:
            return self._spent >= START_AFTER_THREADS
        return walked_long_enough(self._spent, self._options)

    @cached_property
    def _threads_pay(self) -> bool:
        return threads_pay(self._options)

    def _hand_over(self, serial: SerialBackend, news: list[BackendEvent]) -> None:
        """Once the pool is ready, nothing new is walked here; what is under way is ended."""
        assert self.pool is not None
        if not self._in_pool and self.pool.ready:
            self._in_pool = True
            news += [SlotDown(slot) for slot in serial.slots]
            news += self.pool.grow(self._slots - self._extra)
            self._extra = 0
        if self._in_pool and not serial.busy:
            serial.stop()
            self._serial = None

    def _go_on_serial(self, failure: str) -> None:
        if self._reported:
            return
        self.lost_protections = ["dir_timeout"] if self._options.dir_timeout is not None else []
        report(failure, self.lost_protections)
        self._reported = True
        self._in_threads = self._threads_pay
        if self._serial is None:
            self._serial = SerialBackend(self._options)
        elif self._in_pool:
            self._waiting += self._serial.again()
        self._in_pool = False
        self._serial.only_threads = True
        self._waiting += self._serial.grow(self._slots)

    def _serial_events(self, timeout: float) -> list[BackendEvent]:
        assert self._serial is not None
        if self.pool is not None and self.pool.failure is None:
            timeout = 0 if self._in_pool else min(timeout, POLL)
        events = self._serial.events(timeout)
        for event in events:
            if isinstance(event, ChunkArrived):
                self._spent += event.chunk.cpu
                self._divisible = self._divisible or len(event.chunk.leftovers) > 1
                self._huge = self._huge or event.chunk.position > 0
        return events

    def processes(self) -> dict[int, int]:
        return self.pool.processes() if self.pool is not None else {}

    def part_with_pool(self) -> PoolBackend | None:
        """The pool, if another scan can have it: what is stopped here is then the rest."""
        if self.pool is None or not self.pool.idle:
            return None
        pool, self.pool = self.pool, None
        pool.refresh()
        return pool

    def stop(self, *, wait: bool = True) -> None:
        if self._serial is not None:
            self._serial.stop()
        if self.pool is not None:
            self.pool.stop(wait=wait)


def start_pool(options: ScanOptions) -> PoolBackend:
    from scanner.backends.pool import PoolBackend  # multiprocessing: 20 ms that a small tree need not spend

    if options.nice:
        from scanner.backends.nice import log_refusals  # with psutil: 15 ms

        log_refusals()
    return PoolBackend(options)


def is_worth_threads(spent: float) -> bool:
    """Whether so many seconds of walking are worth starting threads, if these pay."""
    return spent >= THREADS_AFTER


def walked_long_enough(spent: float, options: ScanOptions) -> bool:
    """Whether so many seconds of walking are worth starting processes. How these start is looked up only then: that
    takes some 20 us.
    """
    return spent >= SOONEST and spent >= START_AFTER[options.method]


def threads_pay(options: ScanOptions) -> bool:
    """Whether threads here would walk beside each other. Beside these nothing is forked, only processes can be nice on
    their own, and each holds some descriptors open.
    """
    if (
        min(options.workers, options.max_in_flight) < 2
        or options.start_method == "fork"
        or options.nice
        or replaced_threads() is not None
        or not runs_unlocked(options)
    ):
        return False
    return descriptors_allowed() >= SPARE_DESCRIPTORS + DESCRIPTORS * (options.workers + 1)


def pays(options: ScanOptions) -> bool:
    """Whether worker processes can gain anything here: on a single processor only if they were asked for."""
    return options.workers > 1 or options.max_workers is not None


def needs_pool_at_once(options: ScanOptions) -> bool:
    """Whether nothing is to be walked here: as asked, or because a directory may keep us for longer than is allowed."""
    if options.backend != "auto" or options.dir_timeout is None:
        return options.backend == "pool"
    from scanner.mounts import anything_remote  # not needed otherwise

    return anything_remote(options.roots)


def may_hang(options: ScanOptions) -> bool:
    """Whether a directory may never answer, and somebody waits for the scan no longer than a `timeout`: the caller's
    thread then reads none.
    """
    if options.timeout is None or options.backend == "serial":
        return False
    from scanner.mounts import anything_remote  # not needed otherwise

    return anything_remote(options.roots)


def report(failure: str, lost: Sequence[str] = ()) -> None:
    """Log, once a scan, that it goes on without worker processes. `lost`: options that need them."""
    import logging  # costs milliseconds that a scan without trouble need not spend

    without = f", without {', '.join(lost)}" if lost else ""
    logging.getLogger("scanner").warning("no worker processes (%s): scanning in this process%s", failure, without)
