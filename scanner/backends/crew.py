"""The slots of one scan in a worker that has several: a thread for each, started with its first Task.

    Task -> queue of thread 0 -> Walker -> deliver(0, Chunk)
         -> queue of thread 1 -> Walker -> deliver(1, Chunk)

A worker process of the Pool has such a Crew, and so has a worker on another machine. It does not know how messages
travel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from scanner.backends.heartbeat import Heartbeat
from scanner.backends.serial import MOST_OPEN, WalkingThread
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task
from scanner.options import ScanOptions

Deliver: TypeAlias = Callable[[int, Chunk | BaseException], object]


class Crew:
    """The threads of one scan.

    `worker`: number of the worker, for its Chunks. `heartbeat`: returns that of a thread. `deliver`: called in the
    thread of that number with the Chunk of each Task, or with an unexpected exception.
    """

    def __init__(
        self, options: ScanOptions, worker: int, heartbeat: Callable[[int], Heartbeat], deliver: Deliver
    ) -> None:
        self._options, self._worker = options, worker
        self._heartbeat, self._deliver = heartbeat, deliver
        self._threads: dict[int, WalkingThread] = {}

    def walk(self, number: int, task: Task) -> None:
        """Walk the Task in the thread of that number. Raises RuntimeError if the system has no more threads."""
        thread = self._threads.get(number)
        if thread is None:
            walker = self.new_walker(number, most_open=MOST_OPEN)
            try:
                thread = self._threads[number] = WalkingThread(walker, partial(self._deliver, number))
            except RuntimeError:
                walker.close()
                raise
        thread.walk(task)

    def reclaim(self, number: int) -> None:
        """Make the thread return the leftovers of its Task, if it has one."""
        if number in self._threads:
            self._threads[number].reclaim()

    def new_walker(self, number: int, **limits: int) -> Walker:
        place = self._heartbeat(number)
        return Walker(self._options, joined=True, place=place, worker=self._worker, **limits)

    def abandon(self, number: int) -> None:
        """Forget a thread that hangs. It ends once its directory answers."""
        self._threads.pop(number).dismiss()

    def dismiss(self) -> None:
        """Make all threads end after their Tasks."""
        while self._threads:
            self._threads.popitem()[1].dismiss()
