"""Which worker waits too long, with a clock in our hands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import scanner
from scanner.backends import watch
from scanner.backends.processes import Processes
from scanner.backends.watch import Watch


class Slot:
    """A slot that has been in one directory since the beginning of time."""

    def __init__(self, moves: bool = False) -> None:
        self.process: Any = SimpleNamespace(pid=0, exitcode=None, kill=lambda: None, abandon=self._abandon)
        self.abandoned = False
        self._moves = moves

    def _abandon(self) -> None:
        self.abandoned = True

    def waits(self, now: float) -> float:
        return 0.0 if self._moves else now

    def in_directory(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def look(watching: Watch, clock: list[float], slots: Any, seconds: float, step: float = 0.1) -> list[int]:
    for _ in range(round(seconds / step)):
        clock[0] += step
        if late := watching.late(slots):
            return late
    return []


def test_a_slot_that_does_not_move_is_late_after_the_limit(clock: list[float]) -> None:
    watching = Watch(1.0)
    slots = {1: Slot(), 2: Slot(moves=True)}
    assert look(watching, clock, slots, 0.8) == []
    assert look(watching, clock, slots, 0.5) == [1]


def test_without_a_limit_no_slot_is_late(clock: list[float]) -> None:
    assert look(Watch(None), clock, {1: Slot()}, 1000, 1.0) == []


def test_a_pause_of_everything_makes_no_directory_late(clock: list[float]) -> None:
    """Ctrl-Z, a suspended laptop, a consumer that takes its time: the slots were not observed, so none is late."""
    watching = Watch(10.0)
    slots = {1: Slot()}
    assert look(watching, clock, slots, 2) == []
    clock[0] += 3600
    assert look(watching, clock, slots, 2) == []
    assert look(watching, clock, slots, 8) == [1]


def test_what_cannot_be_killed_is_abandoned_and_counted(clock: list[float]) -> None:
    watching = Watch(1.0)
    slot, dead = Slot(), Slot()
    watching.kill(slot.process)
    watching.kill(dead.process)
    dead.process.exitcode = -9
    look(watching, clock, {}, 2)
    assert (slot.abandoned, dead.abandoned) == (True, False)
    assert watching.abandoned == 1


def test_the_pool_replaces_an_abandoned_worker_once(
    pool: dict[str, Any], trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[Processes] = []
    late = Watch.late

    def abandoning(watching: Watch, slots: Any) -> list[int]:
        watching.abandoned += not replaced
        return late(watching, slots)

    monkeypatch.setattr(Watch, "late", abandoning)
    monkeypatch.setattr(Processes, "replace_abandoned", lambda processes: replaced.append(processes))  # noqa: PLW0108  # binds
    assert scanner.scan(trees["monorepo"], **pool).stats.abandoned_workers == len(replaced) == 1
