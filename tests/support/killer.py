"""Killing worker processes at random moments."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator

from scanner.backends.pool import PoolBackend

GROWTH = 1.1  # of the pause, with each kill


class Killer:
    """Kills a random worker of the newest of `pools` every few milliseconds, from a thread.

    Pauses become longer, up to `pause` seconds at first: how many milliseconds a worker needs to achieve anything
    depends on the machine and its load. After a scan without deaths, call `hurry`.
    """

    def __init__(self, pools: list[PoolBackend], seed: int, pause: float = 0.03) -> None:
        self.kills = 0
        self._pause = pause
        self._pools = pools
        self._random = random.Random(seed)
        self._stop = threading.Event()

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(0.002, self._pause)):
            with contextlib.suppress(IndexError, RuntimeError, ProcessLookupError):  # none there, or just gone
                slots = [slot for slot in list(self._pools[-1]._workers.values()) if slot.ready or self._starting()]
                os.kill(self._random.choice(slots).pid, signal.SIGKILL)
                self.kills += 1
                self._pause *= GROWTH

    def hurry(self) -> None:
        self._pause /= 2

    def _starting(self) -> bool:
        """Seldom select a worker that is not ready yet: a pool gives up when all die before they are."""
        return self._random.random() < 0.1

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


@contextlib.contextmanager
def pools_started() -> Iterator[list[PoolBackend]]:
    """Yield a list that holds the newest pool that was started meanwhile."""
    started: list[PoolBackend] = []
    original = PoolBackend.__init__

    def remembering(self: PoolBackend, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]  # whatever it takes
        started[:] = [self]

    PoolBackend.__init__ = remembering  # type: ignore[method-assign]  # for a while
    try:
        yield started
    finally:
        PoolBackend.__init__ = original  # type: ignore[method-assign]  # as it was
