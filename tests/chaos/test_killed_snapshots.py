"""Scans with a store are killed at any moment, and the tree changes between attempts."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import scanner
from tests.support.changes import Changes
from tests.support.shell import SCANNER
from tests.support.trees import build

BACKENDS = ("serial", "auto", "pool")
LONGEST = 0.5  # seconds until a scan is killed


def scan_once(top: Path, store: Path, chance: random.Random, *, kill: bool) -> bool:
    """Start a scan. Kill it or one of its workers at a random moment, if `kill`. Return whether it has finished."""
    options = ["--backend", chance.choice(BACKENDS), "--max-rate", "1200", "--workers", "2"]
    command = [*SCANNER, "list", "--store", str(store), "-o", str(store.with_name("out.txt")), *options, str(top)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    if kill:
        time.sleep(chance.uniform(0.1, LONGEST))
        try:
            # Not the resource tracker of multiprocessing, whose successor prints a traceback. It may not be itself yet.
            coordinator = psutil.Process(process.pid)
            commands = {child: child.cmdline() for child in coordinator.children(recursive=True)}
            others = ("resource_tracker", str(coordinator.cmdline()))
            children = [child for child, found in commands.items() if not any(each in str(found) for each in others)]
            victim = chance.choice(children).pid if children and chance.random() < 0.3 else process.pid
            os.kill(victim, chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        except (psutil.NoSuchProcess, ProcessLookupError):
            pass
    _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors, errors.decode(errors="replace")
    assert process.returncode in (0, -signal.SIGKILL, -signal.SIGTERM), errors
    return process.returncode == 0


def nights(folder: Path, top: Path, seed: int, count: int, least: tuple[int, int]) -> tuple[int, int]:
    """Return how many scans were killed, and how many attempts went on.

    `least`: of both. How far a scan comes until it is killed depends on the load of the machine, so there are up to
    three times as many nights.
    """
    chance, changes, store = random.Random(seed), Changes(str(top), seed), folder / "store"
    before: dict[int, Any] = {}
    killed = resumed = 0
    for night in range(3 * count):
        if night >= count and killed >= least[0] and resumed >= least[1]:
            break
        has_changed = False
        while not scan_once(top, store, chance, kill=chance.random() < 0.7):
            killed += 1
            if chance.random() < 0.4:
                changes.make(3)
                has_changed = True
        if has_changed:  # what was read before is not read again: only a scan in one piece shows one moment
            while not scan_once(top, store, chance, kill=False):
                pass
        stored, expected = scanner.Store(store), list(os.walk(top))
        number = stored.snapshots[-1].number
        assert stored.snapshots[-1].state == "complete"
        before[number] = expected
        for each in {number, *chance.sample(sorted(before), min(3, len(before)))}:
            assert stored.scan(each) == before[each]
        assert stored.check() == []
        changes.make(8)
        with contextlib.closing(sqlite3.connect(store)) as database:
            (resumed,) = database.execute("SELECT count(*) FROM attempts WHERE number > 1").fetchone()
    return killed, resumed


def tree_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory, "monorepo", 800, 4000)


@pytest.mark.timeout(180)
def test_some_nights(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    killed, resumed = nights(tmp_path, tree_of(tmp_path_factory), seed=2, count=5, least=(2, 1))
    assert killed >= 2
    assert resumed >= 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_nights(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    killed, resumed = nights(tmp_path, tree_of(tmp_path_factory), seed=3, count=200, least=(50, 25))
    assert killed >= 50
    assert resumed >= 25
