"""Kill workers at any moment: the result equals that of a scan without deaths."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from typing import Any

import psutil
import pytest

import scanner
from scanner.backends import wire
from scanner.backends.pool import PoolBackend
from tests.support.killer import Killer, pools_started
from tests.support.sabotage import sabotage
from tests.support.shell import PATIENCE, start, until_scanning
from tests.support.trees import build, make, make_endless

KILLS = 12  # in each of six cases


@pytest.fixture(scope="module")
def large_trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {profile: build(tmp_path_factory, profile, 3_000, 40_000) for profile in ("monorepo", "skewed")}


@pytest.fixture
def pools() -> Iterator[list[PoolBackend]]:
    with pools_started() as started:
        yield started


@pytest.mark.parametrize("profile", ["monorepo", "skewed"])
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_random_workers_are_killed_all_the_time(
    profile: str,
    seed: int,
    start_method: str,
    large_trees: dict[str, Path],
    pools: list[PoolBackend],
) -> None:
    """A directory on which several workers died by chance is lost and reported. Otherwise the result is exact."""
    top, expected = large_trees[profile], list(os.walk(large_trees[profile]))
    killer = Killer(pools, seed)
    exact = 0
    with killer.at_work():
        while killer.kills < KILLS or not exact:
            result = scanner.scan(top, backend="pool", max_workers=3, start_method=start_method)
            assert {fault.kind for fault in result.errors} <= {"lost"}
            assert result == expected or result.errors
            errors: list[OSError] = []
            walking = scanner.walk(top, onerror=errors.append, backend="pool", max_workers=3, start_method=start_method)
            assert list(walking) == expected or errors
            exact += result.stats.worker_deaths > 0 and not (result.errors or errors)
            if not result.stats.worker_deaths:
                killer.hurry()


def test_idle_workers_are_killed_between_two_scans(start_method: str, trees: dict[str, Path]) -> None:
    expected = list(os.walk(trees["monorepo"]))
    with scanner.ParallelScanner(2, backend="pool", start_method=start_method) as scanning:
        for _ in range(5):
            assert scanning.scan_sync(trees["monorepo"]) == expected
            (pool,) = scanning._idle_pools
            for pid in pool.processes().values():
                os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_stopped_is_replaced(
    start_method: str, tmp_path: Path, pools: list[PoolBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.backends.watch.STOPPED_PATIENCE", 0.5)
    top = make(tmp_path, {f"{i}": {f"{j}": {} for j in range(20)} for i in range(20)})
    walking = scanner.walk(top, backend="pool", max_workers=1, start_method=start_method, window=1)
    seen = [next(walking) for _ in range(3)]
    (pid,) = pools[0].processes().values()
    os.kill(pid, signal.SIGSTOP)
    assert [*seen, *walking] == list(os.walk(top))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV], ids=["kill", "segfault"])
def test_a_directory_that_kills_its_worker_costs_only_itself(
    how: int, start_method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {"a": {"b": {}, "poison": {"lost": {}}, "c": {"d": {}}}, "e": {"f": None}})
    sabotage(monkeypatch, "killed", f"{how:d} poison")
    pool: dict[str, Any] = {"backend": "pool", "max_workers": 2, "start_method": start_method}
    result = scanner.scan(tmp_path, **pool)
    poisoned = str(tmp_path / "a" / "poison")
    assert result == [item for item in os.walk(tmp_path) if not item[0].startswith(poisoned)]
    assert [(fault.path, fault.kind) for fault in result.errors] == [(poisoned, "lost")]
    assert result.stats.as_dict()["worker_deaths"] == 2
    errors: list[OSError] = []
    walked = list(scanner.walk(tmp_path, onerror=errors.append, **pool))
    assert walked == result
    assert [error.filename for error in errors] == [poisoned]


def test_a_worker_dies_in_the_middle_of_a_message(
    trees: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, done = wire.send, tmp_path / "done"

    def send(descriptor: int, *pieces: wire.Piece) -> None:
        body = b"".join(pieces)
        if len(body) > 10_000 and not done.exists():
            done.touch()
            os.write(descriptor, (len(body).to_bytes(8, "little") + body)[:5000])
            os._exit(1)
        original(descriptor, *pieces)

    monkeypatch.setattr(wire, "send", send)
    result = scanner.scan(trees["monorepo"], backend="pool", max_workers=2, start_method="fork")
    assert done.exists()
    assert result == list(os.walk(trees["monorepo"]))
    assert result.stats.as_dict()["worker_deaths"] == 1


def test_all_workers_die_while_they_start(
    trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    resource_tracker.ensure_running()  # which is started by the same executable
    monkeypatch.setattr(spawn, "_python_exe", b"/bin/false")
    result = scanner.scan(trees["monorepo"], backend="pool", max_workers=2, start_method="spawn")
    assert result == list(os.walk(trees["monorepo"]))
    assert [record.levelname for record in caplog.records] == ["WARNING"], "reported once"
    died = re.search(r"\((\d+) worker processes died while starting\): scanning in this process", caplog.text)
    assert died is not None
    assert int(died[1]) >= 4, "another may have died before the fourth was noticed"


def test_a_mistake_in_a_worker_is_logged_and_costs_only_its_directory(
    start_method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, {"a": {}, "wrong": {}, "z": {}})
    sabotage(monkeypatch, "mistaken", "wrong")
    result = scanner.scan(tmp_path, backend="pool", max_workers=1, start_method=start_method)  # type: ignore[arg-type]
    assert result == [item for item in os.walk(tmp_path) if not item[0].endswith("wrong")]
    assert [fault.kind for fault in result.errors] == ["lost"]
    assert "an unexpected error" in caplog.text


@pytest.mark.parametrize("command", ["scan", "list"])
def test_the_coordinator_is_killed(command: str, start_method: str, tmp_path: Path) -> None:
    """All processes that it has started end soon."""
    top = make_endless(tmp_path)
    how = ["--backend", "pool", "--workers", "2", "--start-method", start_method]
    process = start(command, "-L", *how, top, stdout=subprocess.DEVNULL)
    until_scanning(process, top, workers=2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert alive == []


def test_directories_given_up_without_a_reason_are_in_the_errors(
    trees: dict[str, Path], start_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies on a Task before it reads anything, so that no reason is known."""
    sabotage(monkeypatch, "ends_at_task")
    options: Any = {"backend": "pool", "max_workers": 1, "start_method": start_method}
    result = scanner.scan(trees["monorepo"], errors="collect", **options)
    assert result == []
    assert [(fault.path, fault.kind) for fault in result.errors] == [(str(trees["monorepo"]), "lost")]
    assert (result.stats.backend, result.stats.start_method) == ("pool", start_method)
