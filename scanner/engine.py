"""The loop between planner and backend: it carries events one way and instructions the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from scanner.backends.base import Backend
from scanner.errors import ScanCancelled, ScanTimeout
from scanner.model import Chunk, ChunkArrived, Path
from scanner.options import ScanOptions
from scanner.plan.events import Add, Deliver, Dispatch, Event, Finished, GiveUp, Wanted
from scanner.plan.planner import Planner

LONGEST_WAIT = 0.1  # seconds: how late a timeout or a cancellation may be noticed


class Cancelled(Protocol):
    """Asked at every turn; a `threading.Event`, for example."""

    def is_set(self) -> bool: ...


class Engine:
    """One scan under way. `run` is the loop for consumers that take Chunks in order, `poll` one turn of it.

    `cancelled`: set from any thread to end the scan with ScanCancelled within LONGEST_WAIT;
    `deadline`: when, on the monotonic clock, it ends with ScanTimeout;
    `observe`: called each turn with the Chunks that have arrived, in whatever order.
    """

    def __init__(
        self,
        options: ScanOptions,
        backend: Backend,
        *,
        ordered: bool,
        cancelled: Cancelled | None = None,
        deadline: float | None = None,
        observe: Callable[[Engine, list[Chunk]], None] | None = None,
    ) -> None:
        self.options = options
        self.backend = backend
        self.planner = Planner(ordered=ordered, slots=options.workers, window=options.window, max_hung=options.max_hung)
        self.finished = False
        self._cancelled = cancelled
        self._deadline = deadline
        self._observe = observe

    def run(self, directories: list[Path]) -> Iterator[Chunk]:
        """Walk the trees below `directories`; their Chunks in walk order, as fast as they are taken."""
        delivered = self.step(Add(directories), Wanted())
        while True:
            for delivery in delivered:
                yield delivery.chunk
            if self.finished:
                return
            delivered = self.poll(0, Wanted()) if delivered else self.poll(LONGEST_WAIT)

    def poll(self, timeout: float, *events: Event) -> list[Deliver]:
        """Take in what the backend has, waiting at most `timeout` seconds for it. Raises ScanTimeout, ScanCancelled."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise ScanCancelled("the scan was cancelled")
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise ScanTimeout(too_late(self.options))
            timeout = min(timeout, left)
        news = self.backend.events(timeout)
        # What the consumer says was so before the news: it cannot know of Chunks that only now have come.
        delivered = self.step(*events, *news)
        if self._observe is not None:
            lost, self.planner.lost = self.planner.lost, []
            self._observe(self, lost + [event.chunk for event in news if isinstance(event, ChunkArrived)])
        return delivered

    def step(self, *events: Event) -> list[Deliver]:
        """Tell the planner of `events` and do what it says; the Chunks for the consumer."""
        delivered: list[Deliver] = []
        for instruction in self.planner.handle(*events):
            match instruction:
                case Dispatch(slot, task):
                    self.backend.dispatch(slot, task)
                case GiveUp(slot):
                    self.backend.give_up(slot)
                case Deliver():
                    delivered.append(instruction)
                case Finished():
                    self.finished = True
        return delivered


def too_late(options: ScanOptions) -> str:
    return f"the scan did not finish within {options.timeout:g} seconds"
