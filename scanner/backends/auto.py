"""Serial first, the pool when it is worth its start, serial again when there can be no pool."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scanner.backends.serial import SLOT, SerialBackend
from scanner.model import BackendEvent, SlotLost, SlotUp, Task
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.backends.pool import PoolBackend

START_AFTER = {"fork": 0.01, "forkserver": 0.05, "spawn": 0.05}
"""Seconds of walking here before processes are started; by start method. They take 30 to 100 ms of another processor
meanwhile, which are lost on a tree that ends before they are ready."""
SERIAL_SECONDS = 0.01  # a Task's budget here, so that the workers do not wait for their first Tasks


class AutoBackend:
    """What `auto` and `pool` are: `eager` starts the pool at once and walks here only if there can be none."""

    def __init__(self, options: ScanOptions, *, eager: bool, pool: PoolBackend | None = None) -> None:
        self._options = options
        self._serial: SerialBackend | None = None if eager else SerialBackend(options)
        self._spent = 0.0
        self._reported = False
        self.pool = pool
        self._waiting: list[BackendEvent] = pool.begin(options) if pool is not None else []
        if eager and pool is None:
            self.pool = start_pool(options)

    @property
    def name(self) -> str:
        return "serial" if self._serial is not None else "pool"

    @property
    def start_method(self) -> str | None:
        return self.pool.start_method if self.pool is not None and self.pool.failure is None else None

    @property
    def abandoned(self) -> int:
        return self.pool.abandoned if self.pool is not None else 0

    def dispatch(self, slot: int, task: Task) -> None:
        if slot != SLOT:
            assert self.pool is not None
            self.pool.dispatch(slot, task)
        elif self._serial is not None:
            soon = self.pool is None or self.pool.failure is None
            self._serial.dispatch(slot, task._replace(seconds=SERIAL_SECONDS) if soon else task)

    def give_up(self, slot: int) -> None:
        if slot != SLOT and self.pool is not None:
            self.pool.give_up(slot)

    def events(self, timeout: float) -> list[BackendEvent]:
        events = self._serial_events() if self._serial is not None else []
        if self.pool is None:
            if self._spent < START_AFTER[self._options.method] or not pays(self._options):
                return events
            self.pool = start_pool(self._options)
        waiting, self._waiting = self._waiting, []
        news = waiting + self.pool.events(0 if events or waiting else timeout)
        if self.pool.failure is not None:
            self._go_on_serial(self.pool.failure)
        elif self._serial is not None and any(isinstance(event, SlotUp) for event in news):
            self._serial.stop()
            self._serial = None
            news.append(SlotLost(SLOT))
        return events + news

    def _go_on_serial(self, failure: str) -> None:
        if not self._reported:
            report(failure)
            self._reported = True
        if self._serial is None:
            self._serial = SerialBackend(self._options)

    def _serial_events(self) -> list[BackendEvent]:
        assert self._serial is not None
        started = time.monotonic()
        events = self._serial.events(0)
        self._spent += time.monotonic() - started
        return events

    def processes(self) -> dict[int, int]:
        return self.pool.processes() if self.pool is not None else {}

    def stop(self, *, wait: bool = True) -> None:
        if self._serial is not None:
            self._serial.stop()
        if self.pool is not None:
            self.pool.stop(wait=wait)


def start_pool(options: ScanOptions) -> PoolBackend:
    from scanner.backends.pool import PoolBackend  # multiprocessing: 20 ms that a small tree need not spend

    return PoolBackend(options)


def pays(options: ScanOptions) -> bool:
    """Whether worker processes can gain anything here: on a single processor only if they were asked for."""
    return options.workers > 1 or options.max_workers is not None


def needs_pool_at_once(options: ScanOptions) -> bool:
    """Whether nothing is to be walked here: as asked, or because a directory may keep us for longer than is allowed."""
    if options.backend != "auto" or options.dir_timeout is None:
        return options.backend == "pool"
    from scanner.mounts import anything_remote  # not needed otherwise

    return anything_remote(options.roots)


def report(failure: str) -> None:
    """Say once a scan that it goes on without worker processes."""
    import logging  # costs milliseconds that a scan without trouble need not spend

    logging.getLogger("scanner").warning("no worker processes (%s): scanning in this process", failure)
