"""Tasks in this process: one at a time inside `events`, or in threads once these gain.

dispatch -> SimpleQueue of each thread -> walk -> one SimpleQueue for all -> events
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
import time
from _queue import Empty, SimpleQueue  # not from `queue`, in which gevent may replace them
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from scanner.backends.base import Backend
from scanner.kernel.walk import Walker
from scanner.model import BackendEvent, Chunk, ChunkArrived, SlotDown, SlotUp, Task
from scanner.options import ScanOptions

MOST_OPEN = 8  # directories that a thread holds open: threads share the file descriptors of the process
GREEN = ("gevent", "eventlet")
"""Libraries that replace threads by coroutines in one thread."""
SLOT = 0  # the slot of kind `here`; threads follow
FIRST_POOL_SLOT = 1 << 16  # AutoBackend has slots of this process and of a pool: their numbers differ
MANY, GATHERING = 32, 0.0003
"""With MANY busy threads, wait GATHERING seconds after the first Chunk for more of them: a turn of the engine costs as
much for one Chunk as for several, and takes the interpreter lock from the threads."""
HEAD_START = 1e-5
"""Seconds to leave the interpreter lock to a thread that continues a huge directory: the main thread is about to split
the names of the part before, and holds the lock for all of these."""
PATIENCE = 0.25  # seconds for all threads to end; a thread that hangs in a directory ends with the process


Arrivals: TypeAlias = SimpleQueue[tuple[int, Chunk | BaseException]]


class SerialBackend(Backend):
    """Tasks in the thread that calls `events`, or in threads of this process."""

    name = "serial"

    def __init__(self, options: ScanOptions, *, only_threads: bool = False) -> None:
        self._options = options
        self._walker = Walker(options, joined=False)
        self._task: Task | None = None
        self._news: list[BackendEvent] = [SlotUp(SLOT, kind="here")]
        self._threads: list[WalkingThread] = []
        self._arrivals: Arrivals = SimpleQueue()
        self._under_way = 0
        self.only_threads = only_threads
        """Walk in a thread even if one slot is enough: the caller can abandon it if a directory never answers."""
        if only_threads:
            self._news = self.grow(1) or self._news

    def grow(self, slots: int) -> list[BackendEvent]:
        """Have at least `slots` slots. With two or more, all of them are threads."""
        news: list[BackendEvent] = []
        if replaced_threads() is not None:
            return news
        first = not self._threads
        assert self._task is None, "the Walker is handed over between Tasks"
        while len(self._threads) < slots and (slots > 1 or self.only_threads):
            slot = len(self._threads) + 1
            # The first thread gets the Walker of slot 0, which may hold a huge directory open.
            walker = Walker(self._options, joined=False, most_open=MOST_OPEN) if self._threads else self._walker
            try:
                self._threads.append(WalkingThread(walker, partial(arrive, self._arrivals, slot)))
            except RuntimeError:  # the system has no more threads
                break
            news.append(SlotUp(slot, kind="thread"))
        return [SlotDown(SLOT), *news] if first and self._threads else news

    def again(self) -> list[BackendEvent]:
        """Return `SlotUp` for all slots, after `SlotDown` was reported for them."""
        threads: list[BackendEvent] = [SlotUp(slot, kind="thread") for slot in range(1, len(self._threads) + 1)]
        return threads or [SlotUp(SLOT, kind="here")]

    def dispatch(self, slot: int, task: Task) -> None:
        if slot == SLOT:
            self._task = task
        else:
            self._under_way += 1
            self._threads[slot - 1].walk(task)
            if task.position:
                time.sleep(HEAD_START)

    def reclaim(self, slot: int) -> None:
        """Request the rest of a Task from a thread. The slot `here` has none while this runs."""
        if slot != SLOT:
            self._threads[slot - 1].reclaim()

    @property
    def slots(self) -> range:
        return range(len(self._threads) + 1)

    @property
    def busy(self) -> bool:
        """Whether a Task is running, or about to."""
        return self._task is not None or self._under_way > 0

    def events(self, timeout: float) -> list[BackendEvent]:
        news, self._news = self._news, []
        if self._task is not None:
            task, self._task = self._task, None
            news.append(ChunkArrived(SLOT, self._walker.walk(task)))
        elif self._under_way and not news:
            news += self._chunks(timeout)
        elif timeout and not news:
            time.sleep(timeout)  # nothing to do, and no event can arrive
        return news

    def _chunks(self, timeout: float) -> Iterator[BackendEvent]:
        """Yield the Chunks of threads; wait for the first."""
        gather = True
        with contextlib.suppress(Empty):
            while self._under_way:
                slot, chunk = self._arrivals.get(timeout=timeout)
                timeout = 0
                self._under_way -= 1
                if gather and self._under_way >= MANY:
                    gather = False
                    time.sleep(GATHERING)
                if isinstance(chunk, BaseException):
                    raise chunk
                yield ChunkArrived(slot, chunk)

    def stop(self, *, wait: bool = True) -> None:
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.dismiss()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not self._threads:
            self._walker.close()


def arrive(arrivals: Arrivals, slot: int, chunk: Chunk | BaseException) -> None:
    """Deliver a Chunk from a thread. A function, so that the thread holds no reference to the backend."""
    arrivals.put((slot, chunk))


def replaced_threads() -> str | None:
    """Return the library that has replaced threads by coroutines (monkey-patching), or None.

    A coroutine runs only while the others wait cooperatively. Reading a directory or a pipe never does.
    """
    for replaced in (_thread.start_new_thread, queue.SimpleQueue):  # `multiprocessing.Pool` needs real ones of both
        library = str(replaced.__module__).partition(".")[0]
        if library in GREEN:
            return library
    return None


class WalkingThread(threading.Thread):
    """A slot that is a thread: walks Tasks until it is dismissed. A daemon, so that no exit waits for a directory.

    `walker` belongs to the thread from now on. `deliver` is called in this thread with the Chunk of each Task, or with
    an unexpected exception.
    """

    def __init__(self, walker: Walker, deliver: Callable[[Chunk | BaseException], object]) -> None:
        super().__init__(name="scanner-walk", daemon=True)
        self._walker = walker
        self._deliver = deliver
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._reclaimed = bytearray(1)  # 1: the rest of the Task is requested; polled by the compiled walker
        self.start()

    def walk(self, task: Task) -> None:
        self._reclaimed[0] = 0
        self._tasks.put(task)

    def reclaim(self) -> None:
        """Request the rest of the running Task."""
        self._reclaimed[0] = 1

    def dismiss(self) -> None:
        self.reclaim()
        self._tasks.put(None)

    def _is_reclaimed(self) -> bool:
        return self._reclaimed[0] != 0

    def run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                chunk: Chunk | BaseException = self._walker.walk(task, self._is_reclaimed, self._reclaimed)
            except BaseException as error:  # a bug
                chunk = error
            self._deliver(chunk)
        self._walker.close()
