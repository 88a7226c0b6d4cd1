"""One thread first, then threads, then worker processes, as a tree proves large; threads again where no process starts.

one thread ---THREADS_AFTER---> a thread for each worker ---START_AFTER_THREADS---> worker processes
   `------------- where threads would wait for each other: START_AFTER -------------------^
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cached_property

from scanner.backends.base import Backend
from scanner.backends.serial import FIRST_POOL_SLOT, MOST_OPEN, SLOT, SerialBackend, replaced_threads
from scanner.kernel.facts import runs_unlocked
from scanner.model import BackendEvent, ChunkArrived, Path, SlotDown, SlotKind, Task
from scanner.options import ScanOptions, descriptors_allowed

THREADS_AFTER = 0.005
"""Seconds of work before threads start, where the compiled walker lets them run in parallel."""
EXTRA_AFTER = 0.02
"""Seconds of work before one thread more than workers starts, where the main thread splits names: it holds the
interpreter lock for each Chunk, and a thread that has finished its Task waits that long for the next."""
START_AFTER_THREADS = 2.0
"""Processor seconds of all threads before processes start. Threads use two processors as well as processes do, and cost
nothing to start. But they share one interpreter, and a thread that hangs cannot be ended."""
START_AFTER = {"fork": 0.08, "forkserver": 0.1, "spawn": 0.1}
"""Seconds of work in one thread before processes start, by start method. The start takes 30 to 100 ms of another
processor, which are lost on a tree that ends earlier."""
SOONEST = min(START_AFTER.values())
DESCRIPTORS = 2 * MOST_OPEN  # file descriptors of a thread, at most; the first thread may have a few more
SPARE_DESCRIPTORS = 64  # left to the caller
BUSY_SHARE = 0.5  # of a processor: below this, a walk mostly waits
POLL = 0.005  # seconds to wait for threads before looking at processes that are starting
FIRST_SECONDS = 0.002
"""Task budget in the main thread while directories seem to wait, or before threads start: both are soon known."""
SERIAL_SECONDS = 0.01  # Task budget otherwise: so that workers do not wait for their first Tasks


class Growth:
    """Decides where a scan runs next: in the caller's thread, in threads, or in worker processes.

    AutoBackend uses it for scans, and AutoSource for walks. `caution`: factor on THREADS_AFTER, for callers that may
    stop early.
    """

    def __init__(self, options: ScanOptions, caution: float = 1) -> None:
        self._options = options
        self._caution = caution
        self.earliest = min(THREADS_AFTER * caution, SOONEST)
        """Seconds of work before which it is `here`."""

    @cached_property
    def processes_gain(self) -> bool:
        """Whether worker processes can be faster: on one processor only if the user requires them."""
        return self._options.workers > 1 or self._options.max_workers is not None

    def kind(self, work: float, *, in_threads: bool = False) -> SlotKind:
        """Return where to walk after `work` seconds: `here`, `thread`, `process`.

        `work`: seconds of directory reading so far, waiting excluded. `in_threads`: threads have started.
        """
        if in_threads or (work >= THREADS_AFTER * self._caution and self.threads_gain):
            return "process" if work >= START_AFTER_THREADS else "thread"
        # The start method is looked up last: that takes 20 us.
        return "process" if work >= SOONEST and work >= START_AFTER[self._options.method] else "here"

    @cached_property
    def threads_gain(self) -> bool:
        """Whether threads run in parallel here, and are allowed.

        Nothing is forked beside threads, only processes have a `nice` value of their own, and each thread holds file
        descriptors.
        """
        options = self._options
        if (
            min(options.workers, options.max_in_flight) < 2
            or options.start_method == "fork"
            or options.nice
            or replaced_threads() is not None
            or not runs_unlocked(options)
        ):
            return False
        return descriptors_allowed() >= SPARE_DESCRIPTORS + DESCRIPTORS * (options.workers + 1)

    @property
    def starts_in_processes(self) -> bool:
        """Whether nothing may be walked in this process: by option, or because a directory may exceed `dir_timeout`."""
        if self._options.backend != "auto" or self._options.dir_timeout is None:
            return self._options.backend == "pool"
        return self._is_remote

    @property
    def may_hang(self) -> bool:
        """Whether a directory may never answer while a `timeout` holds: the caller's thread must not read any."""
        return self._options.timeout is not None and self._options.backend != "serial" and self._is_remote

    @cached_property
    def _is_remote(self) -> bool:
        from scanner.mounts import anything_remote  # not needed otherwise

        return anything_remote(self._options.roots)


class AutoBackend(Backend):
    """The backends `auto` and `pool`. `pool` starts worker processes at once, and walks here only if none can start.

    `eager`: begin in worker processes (default: as Growth decides); `pool`: the warm one of an earlier scan;
    `in_threads`: threads are known to gain.
    """

    def __init__(
        self,
        options: ScanOptions,
        *,
        eager: bool | None = None,
        pool: Backend | None = None,
        in_threads: bool = False,
    ) -> None:
        self._options = options
        self._growth = Growth(options)
        self._in_pool = self._growth.starts_in_processes if eager is None else eager
        self._serial = None if self._in_pool else SerialBackend(options, only_threads=self._growth.may_hang)
        self._started = time.monotonic()
        self._work = 0.0  # processor seconds of Tasks here
        self._divisible = False  # whether several directories were left to walk at any time
        self._huge = False  # whether any directory came in parts
        self._slots = 1
        self._extra = 0  # threads beyond the number of workers
        self._in_threads = in_threads
        self._reported = False
        self._lost: list[str] = []
        self.pool = pool
        self._waiting: list[BackendEvent] = pool.begin(options) if pool is not None else []
        if self._in_pool and pool is None:
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
    def ready(self) -> bool:
        return self._serial is not None or (self.pool is not None and self.pool.ready)

    @property
    def concurrency(self) -> int:
        if not (self._in_pool or self._in_threads):
            return 1
        # Two are the fewest that are threads, and for a single directory as good as many.
        workers = self._options.workers
        return workers + self._extra if self._divisible or not self._huge else min(2, workers)

    @property
    def abandoned(self) -> int:
        return self.pool.abandoned if self.pool is not None else 0

    @property
    def lost_protections(self) -> Sequence[str]:
        return self._lost

    def processes(self) -> dict[int, int]:
        return self.pool.processes() if self.pool is not None else {}

    def longest_wait(self) -> tuple[float, Path | None] | None:
        return self.pool.longest_wait() if self._in_pool and self.pool is not None and self._serial is None else None

    def grow(self, slots: int) -> list[BackendEvent]:
        self._slots = slots
        if self._in_pool and self.pool is not None:
            return self.pool.grow(slots)
        return self._serial.grow(slots) if self._serial is not None else []

    def _backend_of(self, slot: int) -> Backend:
        """Return the part that the slot belongs to."""
        backend = self.pool if slot >= FIRST_POOL_SLOT else self._serial
        assert backend is not None, "a part ends after its slots"
        return backend

    def dispatch(self, slot: int, task: Task) -> None:
        backend = self._backend_of(slot)
        if backend is self._serial and task.seconds > FIRST_SECONDS:  # shorter Tasks are within any budget
            task = task._replace(seconds=min(task.seconds, self._budget(slot)))
        backend.dispatch(slot, task)

    def _budget(self, slot: int) -> float:
        """Return the most seconds for a Task here. In a thread, no more than the walk has taken so far: a caller that
        takes tuples one by one has not waited longer until now.
        """
        if slot != SLOT:
            return max(FIRST_SECONDS, time.monotonic() - self._started)
        if self.pool is not None and self.pool.failure is not None:
            return math.inf
        return SERIAL_SECONDS if self._is_work() and not self._growth.threads_gain else FIRST_SECONDS

    def reclaim(self, slot: int) -> None:
        self._backend_of(slot).reclaim(slot)

    def events(self, timeout: float) -> list[BackendEvent]:
        events = self._serial_events(timeout) if self._serial is not None else []
        if self.pool is None:
            if not self._needs_processes():
                return events
            self.pool = start_pool(self._options)
        waiting, self._waiting = self._waiting, []
        if self._serial is not None and self._serial.busy:
            timeout = min(timeout, POLL) if self._in_pool else 0
        news = waiting + self.pool.events(0 if events or waiting else timeout)
        if self.pool.failure is not None:
            self._fall_back(self.pool.failure)
        elif self._serial is not None:
            self._hand_over(self._serial, self.pool, news)
        return events + news

    def _needs_processes(self) -> bool:
        """Decide about threads, then whether to start processes.

        Nothing is forked beside threads. A huge directory stays here: another process would read all of it again. But a
        thread may read on in it while this one handles names.
        """
        if not ((self._divisible or self._huge) and self._growth.processes_gain and self._is_work()):
            return False
        kind = self._growth.kind(self._work, in_threads=self._in_threads)
        self._in_threads = self._in_threads or (kind != "here" and self._growth.threads_gain)
        self._extra = int(self._in_threads and self._work >= EXTRA_AFTER and self._options.producers is None)
        if self._options.start_method == "fork" and self._serial is not None and len(self._serial.slots) > 1:
            return False
        return self._divisible and kind == "process"

    def _is_work(self) -> bool:
        """Whether reading directories costs processor time. Where it waits, another processor is no help."""
        return self._work >= BUSY_SHARE * (time.monotonic() - self._started)

    def _hand_over(self, serial: SerialBackend, pool: Backend, news: list[BackendEvent]) -> None:
        """Once the pool is ready, start nothing new here; running Tasks are finished."""
        if not self._in_pool and pool.ready:
            self._in_pool = True
            news += [SlotDown(slot) for slot in serial.slots]
            news += pool.grow(self._slots - self._extra)
            self._extra = 0
        if self._in_pool and not serial.busy:
            serial.stop()
            self._serial = None

    def _fall_back(self, failure: str) -> None:
        """Go on in this process, in threads: once, when the pool has failed."""
        if self._reported:
            return
        self._lost = ["dir_timeout"] if self._options.dir_timeout is not None else []
        report(failure, self._lost)
        self._reported = True
        self._in_threads = self._growth.threads_gain
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
                self._work += event.chunk.cpu
                self._divisible = self._divisible or len(event.chunk.leftovers) > 1
                self._huge = self._huge or event.chunk.position > 0
        return events

    def detach(self) -> Backend | None:
        pool = None if self.pool is None else self.pool.detach()
        if pool is not None:
            self.pool = None
        return pool

    def stop(self, *, wait: bool = True) -> None:
        if self._serial is not None:
            self._serial.stop()
        if self.pool is not None:
            self.pool.stop(wait=wait)


def start_pool(options: ScanOptions) -> Backend:
    """Start worker processes. Returns at once."""
    from scanner.backends.pool import PoolBackend  # with multiprocessing: 20 ms

    if options.nice:
        from scanner.backends.nice import log_refusals  # with psutil: 15 ms

        log_refusals()
    return PoolBackend(options)


def report(failure: str, lost: Sequence[str] = ()) -> None:
    """Log that a scan continues without worker processes. `lost`: options that have no effect without them."""
    import logging  # slow to load, and not needed otherwise

    without = f", without {', '.join(lost)}" if lost else ""
    logging.getLogger("scanner").warning("no worker processes (%s): scanning in this process%s", failure, without)
