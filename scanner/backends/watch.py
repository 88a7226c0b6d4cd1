"""Detection of slots that wait too long, and of workers that cannot be killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scanner.backends.start import SlotProcess

LONGEST_GAP = 0.5  # seconds between two looks that count: the rest was a pause of this process
DEATH_PATIENCE = 0.5  # seconds for a process to end after SIGKILL
STOPPED_PATIENCE = 5.0  # seconds until a stopped process (SIGSTOP) counts as stuck


class WatchedSlot(Protocol):
    """The interface of a slot, as in `slots`."""

    process: SlotProcess

    def waits(self, now: float) -> float: ...
    def in_directory(self) -> bool: ...


class Watch:
    """Checks the slots at intervals. `limit`: seconds for one directory, or None.

    Its clock stops while `late` is not called: a slow consumer or a suspended scan (Ctrl-Z) makes no directory late.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._every = 1.0 if limit is None else min(1.0, limit / 10)
        self._clock = 0.0
        self._last = self._due = time.monotonic()
        self._killed: list[tuple[SlotProcess, float]] = []
        self.abandoned = 0

    @property
    def message(self) -> str:
        return f"no answer within {self._limit:g} s" if self._limit is not None else ""

    def late(self, slots: Mapping[int, WatchedSlot]) -> list[int]:
        """Return the slots whose directory exceeds the limit, and those of stopped processes (SIGSTOP)."""
        now = time.monotonic()
        if now < self._due:
            return []
        self._due = now + self._every
        self._clock += min(now - self._last, max(LONGEST_GAP, 2 * self._every))
        self._last = now
        self._check_killed()
        return [number for number, slot in slots.items() if self._is_late(slot)]

    def waits(self, slot: WatchedSlot) -> float:
        """Return the seconds for which a slot has shown no progress, as of the last call of `late`."""
        return slot.waits(self._clock)

    def _is_late(self, slot: WatchedSlot) -> bool:
        waits = slot.waits(self._clock)
        if self._limit is not None and waits >= self._limit and slot.in_directory():
            return True
        return waits >= STOPPED_PATIENCE and stopped(slot.process)

    def kill(self, process: SlotProcess) -> None:
        """Send SIGKILL. `late` checks the effect."""
        with contextlib.suppress(ValueError):  # already ended
            process.kill()
        self._killed.append((process, self._clock))

    def _check_killed(self) -> None:
        for process, since in self._killed[:]:
            if ended(process):
                self._killed.remove((process, since))
            elif self._clock - since >= DEATH_PATIENCE:
                self._killed.remove((process, since))
                process.abandon()
                self.abandoned += 1


def ended(process: SlotProcess) -> bool:
    """Return whether the process has ended."""
    try:
        return process.exitcode is not None
    except ValueError:  # closed, because it has ended
        return True


def stopped(process: SlotProcess) -> bool:
    """Return whether a signal or a debugger has stopped the process."""
    try:
        with open(f"/proc/{process.pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"Tt"
    except (OSError, ValueError):  # it is dead, or reaped as well
        return False
