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
from scanner.backends.pool import PoolBackend
from scanner.backends.processes import Processes
from scanner.backends.serial import SLOT
from scanner.engine import Engine
from scanner.kernel.facts import runs_unlocked
from scanner.kernel.read import Reader
from scanner.options import ProducerSpec, ScanOptions
from scanner.plan import pace, rate
from scanner.plan.zones import Paces
from tests.conftest import use
from tests.support.shell import ROOT

WORKERS = 3
NO_MORE: dict[str, Any] = {"max_workers": WORKERS, "max_in_flight": WORKERS}
"""However slow directories seem beside whatever else this machine does."""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads from the first Chunk on, whatever else keeps this machine busy."""
    if not runs_unlocked(ScanOptions()):
        pytest.skip("no compiled walker here")
    monkeypatch.setattr(auto, "THREADS_AFTER", 0)
    monkeypatch.setattr(auto, "BUSY_SHARE", 0)


def walking() -> int:
    return [thread.name for thread in threading.enumerate()].count("scanner-walk")


def test_a_thread_a_worker_where_threads_do_not_wait_for_each_other(trees: dict[str, Path], at_once: None) -> None:
    seen: list[int] = []
    result = scanner.scan(trees["monorepo"], progress_callback=lambda *_: seen.append(walking()), **NO_MORE)
    assert result == list(os.walk(trees["monorepo"]))
    assert (max(seen), walking()) == (WORKERS, 0)


@pytest.mark.parametrize(
    ("producers", "threads"),
    [
        pytest.param(None, WORKERS + 1, id="one of them waits while the caller's thread makes tuples"),
        pytest.param((ProducerSpec("paths", (b"\n",)),), WORKERS, id="lines are ready when they come"),
    ],
)
def test_a_thread_more_where_the_caller_s_own_has_work(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch, producers: Any, threads: int
) -> None:
    monkeypatch.setattr(auto, "EXTRA_AFTER", 0)
    monkeypatch.setattr(rate, "TASK_ENTRIES", 50)
    monkeypatch.setattr(pace, "WAITING_SHARE", 2)  # none because directories are slow
    options = ScanOptions(producers=producers, max_workers=WORKERS).starting_at([str(trees["monorepo"])])
    engine = Engine(options, auto.AutoBackend(options, eager=False), ordered=True)
    seen = [walking() for _ in engine.run([str(trees["monorepo"])])]
    engine.stop(wait=True)
    assert max(seen) == threads


def test_processes_are_as_many_as_workers_after_a_thread_more(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, threads, grow = Late(monkeypatch), [], PoolBackend.grow

    def growing(pool: PoolBackend, slots: int) -> Any:
        news = grow(pool, slots)
        threads.append(pool._threads)
        return news

    monkeypatch.setattr(PoolBackend, "grow", growing)
    monkeypatch.setattr(auto, "EXTRA_AFTER", 0)
    monkeypatch.setattr(auto, "START_AFTER_THREADS", 0.0005)  # when there are threads
    monkeypatch.setattr(pace, "WAITING_SHARE", 2)  # none because directories are slow
    result = scanner.scan(trees["monorepo"], progress_callback=late.wait, max_workers=WORKERS)
    assert result == list(os.walk(trees["monorepo"]))
    assert (result.stats.backend, set(threads)) == ("pool", {1})


def test_a_walk_goes_on_in_threads(trees: dict[str, Path], at_once: None) -> None:
    seen, found = [], []
    for walked in scanner.walk(trees["monorepo"], **NO_MORE):
        seen.append(walking())
        found.append(walked)
    assert found == list(os.walk(trees["monorepo"]))
    assert (seen[0], max(seen), walking()) == (0, WORKERS, 0)


@pytest.mark.parametrize("in_threads", [True, False])
def test_the_caller_s_own_thread_walks_nothing_beside_the_others(
    trees: dict[str, Path], at_once: None, in_threads: bool
) -> None:
    """They would wait for it: it is the one that hears of what they have found."""
    options = ScanOptions().starting_at([str(trees["monorepo"])])
    backend = auto.AutoBackend(options, eager=False, in_threads=in_threads)
    engine = Engine(options, backend, ordered=True)
    beside = [SLOT in engine.planner.roster for _ in engine.run([str(trees["monorepo"])]) if walking()]
    backend.stop()
    assert beside
    assert not any(beside)


def threads_gain(top: Path, options: dict[str, Any]) -> bool:
    chosen = ScanOptions.of({"max_workers": 2, **options}).starting_at([str(top)])
    return auto.Growth(chosen).threads_gain


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"start_method": "fork"}, id="nothing is forked beside threads"),
        pytest.param({"nice": True}, id="only processes can be nice on their own"),
        pytest.param({"exclude": "*.o"}, id="patterns need the interpreter"),
        pytest.param({"followlinks": True, "detect_loops": True}, id="what is read one by one needs the interpreter"),
        pytest.param({"max_workers": 1}, id="no more than one is wanted"),
        pytest.param({"max_in_flight": 1}, id="no more than one at a time is allowed"),
    ],
)
def test_no_threads(trees: dict[str, Path], at_once: None, options: dict[str, Any]) -> None:
    assert auto.Growth(ScanOptions(max_workers=2)).threads_gain
    assert not threads_gain(trees["odd"], options)


@pytest.mark.parametrize("options", [{"hidden": False}, {"max_depth": 1000}, {"types": "f"}], ids=str)
def test_threads_where_options_only_compare(trees: dict[str, Path], at_once: None, options: dict[str, Any]) -> None:
    assert threads_gain(trees["odd"], options)


def test_no_threads_where_python_reads(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    use("pure", monkeypatch)
    assert not auto.Growth(ScanOptions(max_workers=2)).threads_gain


class Late:
    """Has the pool start at the first Chunk, the tree come in Tasks of a few names, and a scan wait for processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auto, "START_AFTER_THREADS", 0)
        monkeypatch.setattr(rate, "TASK_ENTRIES", 50)
        self.pools: list[PoolBackend] = []
        start_pool = auto.start_pool
        monkeypatch.setattr(auto, "start_pool", lambda options: self.pools.append(start_pool(options)) or self.pools[0])

    def wait(self, *_: int) -> None:
        deadline = time.monotonic() + 30
        while self.pools and not self.pools[0]._processes._started and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02)  # in which processes say that they are there


@pytest.mark.parametrize("name", ["monorepo", "odd"])
def test_processes_take_over_from_threads(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They come from a fork server: beside threads nothing is forked."""
    late = Late(monkeypatch)
    result = scanner.scan(trees[name], progress_callback=late.wait, **NO_MORE)
    assert result == list(os.walk(trees[name]))
    assert (result.stats.backend, result.stats.start_method) == ("pool", "forkserver")
    assert walking() == 0


def test_a_huge_directory_is_read_on_in_a_thread_and_in_no_process(
    tmp_path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where it was held open: a process would have to read all of it again."""
    Late(monkeypatch)
    skipped, seen = [], []
    skip = Reader._skip
    monkeypatch.setattr(Reader, "_skip", lambda reader, *where: skipped.append(where) or skip(reader, *where))
    for number in range(400):
        (tmp_path / str(number)).touch()
    result = scanner.scan(tmp_path, progress_callback=lambda *_: seen.append(walking()), **NO_MORE)
    assert result == list(os.walk(tmp_path))
    assert (result.stats.backend, max(seen), walking()) == ("serial", 2, 0)
    assert result.stats.tasks > 1
    assert not skipped


def test_threads_go_on_where_no_process_can_start(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    late, seen = Late(monkeypatch), []

    def broken(processes: Processes) -> None:
        raise OSError(30, "Read-only file system")

    def wait(*_: int) -> None:
        late.wait()
        seen.append(walking())

    monkeypatch.setattr(Processes, "_start", broken)
    result = scanner.scan(trees["monorepo"], progress_callback=wait, **NO_MORE)
    assert result == list(os.walk(trees["monorepo"]))
    assert (result.stats.backend, seen[-1]) == ("serial", WORKERS)
    assert caplog.messages == [
        "no worker processes (OSError: [Errno 30] Read-only file system): scanning in this process"
    ]


def test_nothing_is_forked_beside_threads_that_were_started_for_waiting(
    trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "SOONEST", 0)
    monkeypatch.setattr(auto, "START_AFTER", dict.fromkeys(auto.START_AFTER, 0))
    monkeypatch.setattr(auto, "BUSY_SHARE", 0)
    monkeypatch.setattr(auto, "start_pool", lambda _: pytest.fail("a pool was started"))
    options = ScanOptions(start_method="fork").starting_at([str(trees["monorepo"])])
    backend = auto.AutoBackend(options, eager=False)
    engine = Engine(options, backend, ordered=True)
    engine.paces.begin_with(3)  # as after slow directories
    monkeypatch.setattr(Paces, "begin_with", lambda *_: None)  # or the first poll begins with one again
    monkeypatch.setattr(rate, "TASK_ENTRIES", 50)  # many Tasks, after each of which a pool could start
    seen, visited = [], 0
    try:
        for chunk in engine.run([str(trees["monorepo"])]):
            visited += chunk.visited
            seen.append(walking())
    finally:
        backend.stop()
    assert visited == len(list(os.walk(trees["monorepo"])))
    assert max(seen) > 1


def test_a_pool_that_fails_after_it_took_over(
    trees: dict[str, Path], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Late(monkeypatch)

    def wait(*_: int) -> None:
        late.wait()
        if late.pools and late.pools[0].ready:
            late.pools[0]._processes.failure = "as if all had died for good"

    result = scanner.scan(trees["monorepo"], progress_callback=wait, max_workers=WORKERS, timeout=60)
    assert result == list(os.walk(trees["monorepo"]))


def test_a_forked_copy_of_a_walk_in_threads_says_that_it_cannot_go_on(trees: dict[str, Path], at_once: None) -> None:
    code = (
        "import os, scanner\n"
        "from scanner.backends import auto\n"
        "auto.THREADS_AFTER = 0\n"
        f"walking = scanner.walk({str(trees['monorepo'])!r}, max_workers=2, window=1)\n"
        "for _ in range(5): next(walking)\n"
        "if os.fork():\n"
        "    os.wait()\n"
        "    print(5 + len(list(walking)))\n"
        "else:\n"
        "    try:\n"
        "        list(walking)\n"
        "    except RuntimeError as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],  # of such forks, since Python 3.12
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    directories = len(list(os.walk(trees["monorepo"])))
    refusal, total = result.stdout.splitlines()
    assert refusal.endswith("which has forked: start another one here")
    assert (int(total), result.stderr) == (directories, "")
