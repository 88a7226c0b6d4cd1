"""A slot that is a thread: a Walker of its own, and a queue of Tasks."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from scanner.kernel.runs import Place
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task
from scanner.options import ScanOptions

MOST_OPEN = 8  # descriptors for the way down: many threads share what a process may have
SWITCH_SECONDS = 0.1
"""How long a thread of ours may keep the interpreter lock while others wait for it. All of them let go of it within a
millisecond, to read or to wait; but each that waits looks after each such time, and with many of them that is work."""


@contextlib.contextmanager
def rarer_switches() -> Iterator[None]:
    """Have threads that wait for the interpreter lock look less often, while this process does nothing but scan.

    Where the caller has threads of its own, these might keep the lock for as long: there it stays as it is.
    """
    before = sys.getswitchinterval()
    alone = threading.active_count() == 1 and before < SWITCH_SECONDS
    if alone:
        sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        if alone:
            sys.setswitchinterval(before)


class WalkingThread(threading.Thread):
    """Walks the Tasks it is given until it is dismissed. A daemon: no exit waits for a directory that never answers.

    `deliver` is called, in this thread, with the Chunk of each Task, or with the exception that nothing has foreseen.
    """

    def __init__(
        self,
        options: ScanOptions,
        deliver: Callable[[Chunk | BaseException], object],
        *,
        joined: bool,
        place: Place | None = None,
    ) -> None:
        super().__init__(name="scanner-walk", daemon=True)
        self._walker = Walker(options, joined=joined, place=place, most_open=MOST_OPEN)
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
