"""Tasks run in this process: one at a time while the engine asks for events, or in threads once that was found to pay.

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

MOST_OPEN = 8  # descriptors for the way down: many threads share what a process may have


GREEN = ("gevent", "eventlet")
"""Libraries that replace threads by coroutines in one thread."""
SLOT = 0  # the slot of kind `here`; threads follow
FIRST_POOL_SLOT = 1 << 16  # AutoBackend has slots of this process and of a pool: their numbers differ
MANY, GATHERING = 32, 0.0003
"""Threads still at work, from which on it is waited so many seconds for the Chunks of others once there is one: a turn
of the engine costs as much for one as for several, and takes the interpreter lock from these threads."""
HEAD_START = 1e-5
"""Seconds to leave the interpreter lock to a thread that goes on with a huge directory: this one is about to take apart
the names of the part before it, and holds the lock for all of these."""
PATIENCE = 0.25  # seconds for all threads to end; what a directory holds up then ends with it, or with the process


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
        """Walk in a thread also where one is enough: the caller can abandon it when a directory never answers."""
        if only_threads:
            self._news = self.grow(1) or self._news

    def grow(self, slots: int) -> list[BackendEvent]:
        """Have so many slots, if there are fewer. From the second on, all of them are threads."""
        news: list[BackendEvent] = []
        if replaced_threads() is not None:
            return news
        first = not self._threads
        assert self._task is None, "the Walker is handed over between Tasks"
        while len(self._threads) < slots and (slots > 1 or self.only_threads):
            slot = len(self._threads) + 1
            # The first goes on with the Walker that was ours, and with the huge directory that this may hold open.
            walker = Walker(self._options, joined=False, most_open=MOST_OPEN) if self._threads else self._walker
            try:
                self._threads.append(WalkingThread(walker, partial(arrive, self._arrivals, slot)))
            except RuntimeError:  # the system has no more
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
        """Only from a thread can anything be taken."""
        if slot != SLOT:
            self._threads[slot - 1].reclaim()

    @property
    def slots(self) -> range:
        return range(len(self._threads) + 1)

    @property
    def busy(self) -> bool:
        """Whether a Task is under way, or about to be."""
        return self._task is not None or self._under_way > 0

    def events(self, timeout: float) -> list[BackendEvent]:
        news, self._news = self._news, []
        if self._task is not None:
            task, self._task = self._task, None
            news.append(ChunkArrived(SLOT, self._walker.walk(task)))
        elif self._under_way and not news:
            news += self._chunks(timeout)
        elif timeout and not news:
            time.sleep(timeout)  # nothing to do, and nobody else to bring something
        return news

    def _chunks(self, timeout: float) -> Iterator[BackendEvent]:
        """Those that have come from threads; waits for the first."""
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
    """In a thread: nothing there leads back to the backend."""
    arrivals.put((slot, chunk))


def replaced_threads() -> str | None:
    """The library that has replaced threads by coroutines (monkey-patching), if one has.

    A coroutine goes on only where the others wait cooperatively, which reading a directory or a pipe never does.
    """
    for replaced in (_thread.start_new_thread, queue.SimpleQueue):  # `multiprocessing.Pool` needs real ones of both
        library = str(replaced.__module__).partition(".")[0]
        if library in GREEN:
            return library
    return None


class WalkingThread(threading.Thread):
    """Walks the Tasks it is given until it is dismissed. A daemon: no exit waits for a directory that never answers.

    `walker` is nobody else's from now on. `deliver` is called, in this thread, with the Chunk of each Task, or with the
    exception that nothing has foreseen.
    """

    def __init__(self, walker: Walker, deliver: Callable[[Chunk | BaseException], object]) -> None:
        super().__init__(name="scanner-walk", daemon=True)
        self._walker = walker
        self._deliver = deliver
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._asked = bytearray(1)  # 1: for the rest of its Task
        self.start()

    def walk(self, task: Task) -> None:
        self._asked[0] = 0
        self._tasks.put(task)

    def reclaim(self) -> None:
        """Have it return what is left of its Task early."""
        self._asked[0] = 1

    def dismiss(self) -> None:
        self.reclaim()
        self._tasks.put(None)

    def _is_asked(self) -> bool:
        return self._asked[0] != 0

    def run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                chunk: Chunk | BaseException = self._walker.walk(task, self._is_asked, self._asked)
            except BaseException as error:  # a mistake in this program
                chunk = error
            self._deliver(chunk)
        self._walker.close()
