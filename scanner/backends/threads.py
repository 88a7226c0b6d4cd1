"""A slot that is a thread: a Walker of its own, and a queue of Tasks."""

from __future__ import annotations

import _thread
import queue
import threading
from _queue import SimpleQueue  # not from `queue`, in which gevent may replace it
from collections.abc import Callable

from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task

MOST_OPEN = 8  # descriptors for the way down: many threads share what a process may have


GREEN = ("gevent", "eventlet")
"""Libraries that replace threads by coroutines in one thread."""


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

    def give_up(self) -> None:
        """Have it return what is left of its Task early."""
        self._asked[0] = 1

    def dismiss(self) -> None:
        self.give_up()
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
