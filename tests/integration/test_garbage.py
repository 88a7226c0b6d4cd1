"""Scan after scan in one process: memory that only the garbage collector could give back would pile up; so would
descriptors.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends.pool import PoolBackend
from scanner.garbage import MANY, MOST_SPARED, rarer_collections
from scanner.kernel.facts import runs_unlocked
from scanner.options import ScanOptions
from scanner.plan import rate
from tests.support.killer import pools_started
from tests.support.shell import ROOT


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Keep garbage until the test collects it. Older objects are spared: there are hundreds of thousands."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def broken_off(top: Path, backend: dict[str, Any]) -> None:
    for _ in scanner.walk(top, **backend):
        break


def too_late(top: Path, backend: dict[str, Any]) -> None:
    with contextlib.suppress(scanner.ScanTimeout):
        scanner.scan(top, timeout=0.001, **backend)


WAYS: dict[str, Callable[[Path, dict[str, Any]], object]] = {
    "scan": lambda top, backend: scanner.scan(top, **backend),
    "statistics": lambda top, backend: scanner.scan(top, **backend).stats.as_dict(),
    "entries": lambda top, backend: list(scanner.entries(top, **backend)),
    "filters": lambda top, backend: scanner.scan(top, exclude="*.c", followlinks=True, detect_loops=True, **backend),
    "walk": lambda top, backend: list(scanner.walk(top, **backend)),
    "broken off": broken_off,
    "too late": too_late,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_scan_leaves_nothing_to_the_garbage_collector(
    trees: dict[str, Path], backend: dict[str, Any], way: str, request: pytest.FixtureRequest
) -> None:
    WAYS[way](trees["monorepo"], backend)  # what is imported first makes garbage of its own
    request.getfixturevalue("uncollected")
    WAYS[way](trees["monorepo"], backend)
    assert gc.collect() == 0


def killing_one(top: Path, backend: dict[str, Any]) -> int:
    """Scan while a worker dies; how many have."""
    killed: list[int] = []
    with pools_started() as pools:

        def kill(*_: int) -> None:
            if not killed and pools[-1].ready:
                killed.append(next(iter(pools[-1].processes().values())))
                os.kill(killed[0], signal.SIGKILL)

        return scanner.scan(top, progress_callback=kill, **backend).stats.worker_deaths


def test_a_dead_worker_leaves_nothing_to_the_garbage_collector(
    trees: dict[str, Path], pool: dict[str, Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(rate, "TASK_ENTRIES", 50)
    while not killing_one(trees["monorepo"], pool):  # imports for a replacement make garbage of their own
        pass
    request.getfixturevalue("uncollected")
    while not killing_one(trees["monorepo"], pool):  # the others were faster
        pass
    assert gc.collect() == 0


def test_an_unneeded_pool_leaves_nothing_to_the_garbage_collector(trees: dict[str, Path]) -> None:
    pool = PoolBackend(ScanOptions().starting_at([str(trees["monorepo"])]))
    starter = pool._processes._starter
    assert starter is not None
    gone = weakref.ref(starter)
    pool.stop(wait=False)
    starter.join()
    del pool, starter
    assert gone() is None


INTERRUPTED = """
import os, random, scanner, signal
class Interrupted(Exception): pass
def interrupt(*_): raise Interrupted
scanner.scan({top!r}, backend="serial")  # imports what it needs: an import turns the exception into another one
signal.signal(signal.SIGALRM, interrupt)
before = len(os.listdir("/proc/self/fd"))
for _ in range(50):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.004))
        while True: scanner.scan({top!r}, backend="serial")
    except Interrupted: pass
print(len(os.listdir("/proc/self/fd")) - before)
"""


def test_signals_in_the_middle_of_a_scan_leave_no_directories_open(trees: dict[str, Path]) -> None:
    if not runs_unlocked(ScanOptions()):
        pytest.skip("no compiled walker here: Python itself opens them")
    code = INTERRUPTED.format(top=str(trees["monorepo"]))
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert int(result.stdout) <= 5, "some microseconds are left in which Python itself has no hold of one yet"


class Owner:
    """An object that is garbage once it is not referenced from outside."""

    def __init__(self) -> None:
        self.itself = self


def test_the_garbage_of_others_is_found_where_one_large_result_follows_another() -> None:
    owner = weakref.ref(Owner())
    for _ in range(1000 * MOST_SPARED):
        with rarer_collections():
            result: list[list[None]] = [[] for _ in range(2 * MANY)]
        if owner() is None:
            break
        result.clear()
    assert owner() is None


def test_a_small_result_leaves_the_turns_of_the_garbage_collector_as_they_are() -> None:
    gc.collect()
    keep: list[list[None]] = [[] for _ in range(100)]
    before = gc.get_count()[0]
    with rarer_collections():
        pass
    assert gc.get_count()[0] >= before > len(keep) / 2
