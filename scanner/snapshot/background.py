"""Calls in another thread, in order.

caller -> queue of MOST_WAITING calls -> thread, which calls `idle` when there was nothing for IDLE_SECONDS
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any

MOST_WAITING = 8
IDLE_SECONDS = 0.2
Call = tuple[Callable[..., object], tuple[Any, ...]]


class Background:
    """A thread that makes calls; the caller waits while MOST_WAITING are waiting. After an error no more are made.

    `failure`: that error. `here`: make each call at once, in the caller's thread.
    """

    def __init__(self, idle: Callable[[], object], *, here: bool = False) -> None:
        self.failure: BaseException | None = None
        self._idle = idle
        self._closing, self._ended = threading.Event(), threading.Event()
        self._calls: Queue[Call | None] = Queue(MOST_WAITING)
        self._thread = None if here else threading.Thread(target=self._run, name="snapshot writer", daemon=True)
        if self._thread is not None:
            self._thread.start()

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        if self._thread is None:
            self._make(function, arguments)
        else:
            self._calls.put((function, arguments))

    def close(self) -> None:
        """Wait for the calls, and end the thread. May be repeated after an interruption."""
        if self._thread is None:
            return
        self._closing.set()
        with contextlib.suppress(Full):
            self._calls.put_nowait(None)  # wakes it
        self._ended.wait()  # after an interruption, `join` takes a running thread for one that has ended (Python 3.11)
        self._thread.join()

    def _run(self) -> None:
        try:
            while not (self._closing.is_set() and self._calls.empty()):
                try:
                    call = self._calls.get(timeout=IDLE_SECONDS)
                except Empty:
                    call = self._idle, ()
                if call is not None:
                    self._make(*call)
        finally:
            self._ended.set()

    def _make(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self.failure is not None:
            return
        try:
            function(*arguments)
        except BaseException as error:
            self.failure = error
            if not isinstance(error, Exception):  # a signal, in the caller's thread
                raise
