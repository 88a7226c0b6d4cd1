"""What `auto` comes to as a tree proves large: one thread, a thread a worker, worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends import auto
from scanner.kernel.which import reader_name
from scanner.options import ScanOptions
from tests.conftest import use
from tests.support.shell import ROOT

WORKERS = 3


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads from the first Chunk on."""
    monkeypatch.setattr(auto, "THREADS_AFTER", 0)


def walking() -> int:
    return [thread.name for thread in threading.enumerate()].count("scanner-walk")


def most_walking(top: Path, **options: Any) -> int:
    """How many threads a scan has walking beside the caller's, at most."""
    seen: list[int] = [0]
    result = scanner.scan(top, progress_callback=lambda *_: seen.append(walking()), max_workers=WORKERS, **options)
    assert result == list(os.walk(top))
    return max(seen)


@pytest.mark.skipif(reader_name(ScanOptions()) != "compiled", reason="no compiled walker here")
def test_a_thread_a_worker_where_threads_do_not_wait_for_each_other(trees: dict[str, Path], at_once: None) -> None:
    assert most_walking(trees["monorepo"]) == WORKERS
    assert walking() == 0


@pytest.mark.skipif(reader_name(ScanOptions()) != "compiled", reason="no compiled walker here")
def test_a_walk_goes_on_in_threads(trees: dict[str, Path], at_once: None) -> None:
    seen, found = [], []
    for walked in scanner.walk(trees["monorepo"], max_workers=WORKERS):
        seen.append(walking())
        found.append(walked)
    assert found == list(os.walk(trees["monorepo"]))
    assert (seen[0], max(seen), walking()) == (0, WORKERS, 0)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"start_method": "fork"}, id="nothing is forked beside threads"),
        pytest.param({"nice": True}, id="only processes can be nice on their own"),
        pytest.param({"hidden": False}, id="filters need the interpreter"),
        pytest.param({"max_depth": 1000}, id="what is read one by one needs the interpreter"),
        pytest.param({"max_in_flight": 1}, id="no more than one at a time is allowed"),
        pytest.param({"backend": "serial"}, id="as asked"),
    ],
)
def test_no_threads(trees: dict[str, Path], at_once: None, options: dict[str, Any]) -> None:
    assert most_walking(trees["monorepo"], **options) == 0


def test_no_threads_where_python_reads(trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    use("pure", monkeypatch)
    assert most_walking(trees["monorepo"]) == 0


@pytest.mark.parametrize("name", ["monorepo", "odd"])
def test_processes_take_over_from_threads(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Beside threads they come from a fork server. The caller is slow here, or the tree would be too small for it."""
    monkeypatch.setattr(auto, "START_AFTER_THREADS", 0)
    monkeypatch.setattr(auto, "BUSY_SHARE", 0)
    expected = list(os.walk(trees[name]))

    def wait(*_: int) -> None:
        time.sleep(0.05)

    for _ in range(5):  # on a busy machine it ends before they are there
        result = scanner.scan(trees[name], progress_callback=wait, max_workers=WORKERS)
        assert result == expected
        if result.stats.backend == "pool":
            break
    assert (result.stats.backend, result.stats.start_method) == ("pool", "forkserver")
    assert walking() == 0


def test_threads_go_on_where_no_process_can_start(trees: dict[str, Path]) -> None:
    top = str(trees["monorepo"])
    code = (
        "import logging, multiprocessing.pool, os, time, scanner\n"
        "from scanner.backends import auto\n"
        "auto.THREADS_AFTER = auto.START_AFTER_THREADS = auto.BUSY_SHARE = 0\n"
        "logging.basicConfig(format='%(message)s')\n"
        "def broken(*args, **kwargs): raise OSError(30, 'Read-only file system')\n"
        "multiprocessing.pool.Pool.__init__ = broken\n"
        "multiprocessing.pool.Pool.__del__ = lambda self: None\n"
        f"result = scanner.scan({top!r}, progress_callback=lambda *_: time.sleep(0.05), max_workers=2)\n"
        f"assert result == list(os.walk({top!r}))\n"
        "print(result.stats.backend, result.stats.most_in_flight)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False, env=environment
    )
    assert result.stdout == "serial 2\n"
    message = "no worker processes (OSError: [Errno 30] Read-only file system): scanning in this process\n"
    assert result.stderr == message
