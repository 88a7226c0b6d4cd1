"""Calls in another thread, in order.

caller -> queue of MOST_WAITING calls -> thread
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

MOST_WAITING = 8
Call = tuple[Callable[..., object], tuple[Any, ...]]


class Background:
    """A thread that makes calls; the caller waits while MOST_WAITING are waiting. After an error no more are made.

    `failure`: that error. `here`: make each call at once, in the caller's thread.
    """

    def __init__(self, *, here: bool = False) -> None:
        self.failure: Exception | None = None
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
        """Wait for the calls, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            self._make(*call)

    def _make(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self.failure is None:
            try:
                function(*arguments)
            except Exception as error:  # the caller decides
                self.failure = error
