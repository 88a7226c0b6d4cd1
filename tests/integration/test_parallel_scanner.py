"""ParallelScanner and scan_parallel: asyncio, warm pools, scans at once, progress, statistics."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import scanner
from scanner import ParallelScanner, scan_parallel

FORK: dict[str, Any] = {"backend": "pool", "start_method": "fork"}


def test_scan_gives_what_os_walk_gives(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    top = str(trees["monorepo"])
    assert asyncio.run(ParallelScanner(**backend).scan(top)) == list(os.walk(top))
    assert ParallelScanner(**backend).scan_sync(top) == list(os.walk(top))


def test_scan_parallel(trees: dict[str, Path]) -> None:
    calls: list[tuple[int, int]] = []
    result = asyncio.run(scan_parallel(trees["monorepo"], 2, lambda *state: calls.append(state), 60))
    assert result == list(os.walk(trees["monorepo"]))
    assert calls[-1] == (401, 401)


def test_the_event_loop_goes_on_meanwhile(trees: dict[str, Path]) -> None:
    async def main() -> int:
        task = asyncio.create_task(ParallelScanner(2, backend="pool").scan(trees["flat"]))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(main()) > 5


def test_a_context_manager_keeps_its_workers_between_scans(trees: dict[str, Path], pool: dict[str, Any]) -> None:
    with ParallelScanner(**pool) as scanning:
        for _ in range(3):
            assert scanning.scan_sync(trees["monorepo"]) == list(os.walk(trees["monorepo"]))
        pids = {process["pid"] for process in scanning.get_stats()["resources"]["processes"]}
        scanning.scan_sync(trees["odd"])
        assert pids <= {process["pid"] for process in scanning.get_stats()["resources"]["processes"]}


def test_a_bad_path_costs_no_warm_workers(trees: dict[str, Path], pool: dict[str, Any]) -> None:
    with ParallelScanner(**pool) as scanning:
        first = scanning.scan_sync(trees["odd"]).stats.resources["processes"]
        with pytest.raises(ValueError, match="null byte"):
            scanning.scan_sync("a\0b")
        with pytest.raises(TypeError):
            scanning.scan_sync(5)  # type: ignore[arg-type]
        again = scanning.scan_sync(trees["odd"]).stats.resources["processes"]
    assert {process["pid"] for process in first} <= {process["pid"] for process in again}


def test_closing_does_not_wait_for_what_the_caller_has_forked(trees: dict[str, Path], start_method: str) -> None:
    """A forked child holds copies of all pipes: no end of file shows while it lives."""
    scanning = ParallelScanner(2, backend="pool", start_method=start_method)  # type: ignore[arg-type]
    scanning.__enter__()
    scanning.scan_sync(trees["odd"])
    pids = [process["pid"] for process in scanning.get_stats()["resources"]["processes"][1:]]
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    try:
        scanning.close()
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child still lives"
        assert not any(psutil.pid_exists(pid) for pid in pids)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_scans_at_once_do_not_mix(trees: dict[str, Path]) -> None:
    tops = [trees[name] for name in ("monorepo", "odd", "flat", "skewed")]

    async def main() -> list[scanner.ScanResult]:
        async with ParallelScanner(2, **FORK) as scanning:
            return await asyncio.gather(*(scanning.scan(top) for top in tops))

    for top, result in zip(tops, asyncio.run(main()), strict=True):
        assert result == list(os.walk(top))
        assert result.stats.directories == len(result)


@pytest.mark.parametrize("when", [0, 0.02, 0.1])
def test_cancelling_the_task_stops_the_workers(when: float, pool: dict[str, Any], endless_tree: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(ParallelScanner(followlinks=True, **pool).scan(endless_tree))
        await asyncio.sleep(when)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = [child for child in psutil.Process().children(recursive=True) if not tracker(child)]
        assert left == []

    asyncio.run(main())


def tracker(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="session")
def endless_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that takes for ever when its links are followed: 40 levels, three ways at each."""
    top = tmp_path_factory.mktemp("endless")
    for name in "abc":
        (top / name).symlink_to(".")
    return top


def test_a_timeout_carries_what_was_found(backend: dict[str, Any], endless_tree: Path) -> None:
    with pytest.raises(scanner.ScanTimeout, match=r"did not finish within 1 seconds") as caught:
        scanner.scan(endless_tree, timeout=1, followlinks=True, **backend)
    assert isinstance(caught.value, TimeoutError)
    result, stats = caught.value.result, caught.value.stats
    assert result is not None
    assert stats is not None
    assert len(result) == stats.directories > 0
    assert result[0][0] == str(endless_tree)
    assert stats.as_dict() == stats.as_dict(), "frozen"


def test_walk_has_a_timeout_too(backend: dict[str, Any], endless_tree: Path) -> None:
    seen = []
    with pytest.raises(scanner.ScanTimeout):
        for item in scanner.walk(endless_tree, followlinks=True, timeout=1, **backend):
            seen.append(item)  # noqa: PERF402  # what was yielded before must be kept
    assert seen


def test_cancelling_an_endless_scan(pool: dict[str, Any], endless_tree: Path) -> None:
    async def main() -> None:
        await asyncio.wait_for(ParallelScanner(followlinks=True, **pool).scan(endless_tree), 0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_closing_the_generator_stops_everything(backend: dict[str, Any], endless_tree: Path) -> None:
    walking = scanner.walk(endless_tree, followlinks=True, **backend)
    for _ in range(50):
        next(walking)
    walking.close()


def test_progress_grows_and_ends_equal(backend: dict[str, Any], trees: dict[str, Path]) -> None:
    calls: list[tuple[int, int]] = []
    scanner.scan(trees["monorepo"], progress_callback=lambda *state: calls.append(state), **backend)
    assert all(scanned <= total for scanned, total in calls)
    assert calls == sorted(calls)
    assert [total for _, total in calls] == sorted(total for _, total in calls)
    assert calls[-1] == (401, 401)


def test_progress_from_asyncio_is_called_in_the_loops_thread(trees: dict[str, Path]) -> None:
    threads = set()
    scanning = ParallelScanner(2, lambda *_: threads.add(threading.current_thread()))
    asyncio.run(scanning.scan(trees["monorepo"]))
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_broken_callback_is_logged_once_and_costs_nothing(
    mode: str, trees: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(scanned: int, total: int) -> None:
        raise ZeroDivisionError

    scanning = ParallelScanner(2, broken, **FORK)
    with caplog.at_level(logging.WARNING, "scanner"):
        top = trees["flat"]
        result = scanning.scan_sync(top) if mode == "sync" else asyncio.run(scanning.scan(top))
    assert result == list(os.walk(top))
    assert [record.message for record in caplog.records] == ["progress_callback failed; the scan goes on"]


@pytest.mark.parametrize(
    "begin",
    [
        lambda top: scanner.scan(top, progress_callback=3),
        lambda top: ParallelScanner(progress_callback=3),  # type: ignore[arg-type]  # what is tested
        lambda top: asyncio.run(scan_parallel(top, progress_callback=3)),  # type: ignore[arg-type]  # the same
    ],
)
def test_a_progress_callback_that_cannot_be_called_is_refused_at_once(
    trees: dict[str, Path], begin: Callable[[Path], object]
) -> None:
    with pytest.raises(scanner.OptionError, match="progress_callback must be callable, not 3"):
        begin(trees["monorepo"])


def test_statistics_are_complete_and_frozen(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    scanning = ParallelScanner(**backend)
    assert scanning.get_stats() == {}
    assert not scanning.has_errors()
    scanning.scan_sync(trees["odd"])
    first, _ = scanning.get_stats(), time.sleep(0.01)
    assert scanning.get_stats() == first
    walked = list(os.walk(trees["odd"]))
    assert first["scanned_directories"] == len(walked)
    assert first["files"] == sum(len(files) for _, _, files in walked)
    assert first["entries"] == sum(len(files) + len(dirs) for _, dirs, files in walked)
    assert first["elapsed_seconds"] > 0
    assert first["directories_per_second"] == pytest.approx(first["scanned_directories"] / first["elapsed_seconds"])
    assert first["entries_per_second"] == pytest.approx(first["entries"] / first["elapsed_seconds"])
    assert first["backend"] == ("pool" if backend["backend"] == "pool" else "serial")
    assert first["tasks"] >= 1
    assert first["errors"] == {}, "a link that is not entered and leads nowhere is no error"


def test_resources_of_every_process_are_measured(trees: dict[str, Path], pool: dict[str, Any]) -> None:
    resources = scanner.scan(trees["flat"], **pool).stats.as_dict()["resources"]
    processes = {process["process"]: process for process in resources["processes"]}
    assert set(processes) == {"coordinator", "worker 1", "worker 2"}
    for process in processes.values():
        assert process["peak_rss_bytes"] >= process["mean_rss_bytes"] > 1_000_000
        assert process["cpu_user_seconds"] >= 0
        assert process["cpu_percent"] >= 0
        assert process["io"] is None or process["io"]["read_bytes"] >= 0
    assert resources["peak_rss_sum_bytes"] >= max(process["peak_rss_bytes"] for process in processes.values())
    assert resources["series"][-1]["processes"] == 3


def test_errors_are_data(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    scanning = ParallelScanner(followlinks=True, **backend)
    assert len(scanning.scan_sync(tmp_path)) == 1
    (fault,) = scanning.get_errors()
    assert fault == (str(tmp_path / "loop"), "stat", 40, "Too many levels of symbolic links", "loop", 1, False)
    assert fault.kind == "loop"
    assert scanning.has_errors()
    assert scanning.get_error_summary() == {"total": 1, "by_kind": {"loop": 1}}


def test_relative_roots_are_relative_to_where_the_caller_is_now(
    trees: dict[str, Path], backend: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to workers that were started elsewhere."""
    with ParallelScanner(**backend) as scanning:
        for name in ("monorepo", "skewed", "flat"):
            monkeypatch.chdir(trees[name])
            assert scanning.scan_sync(".") == list(os.walk("."))
            assert list(scanner.walk(".", **backend)) == list(os.walk("."))


def has_stopped(scanning: ParallelScanner) -> bool:
    """Whether its last scan has ended, and no worker is left."""
    elapsed = scanning.get_stats()["elapsed_seconds"]
    time.sleep(0.01)
    workers = [child for child in psutil.Process().children(recursive=True) if not tracker(child)]
    return scanning.get_stats()["elapsed_seconds"] == elapsed and not workers


@pytest.mark.parametrize("times", [2, 50])
def test_a_task_that_is_cancelled_again_ends_only_when_the_scan_has(
    times: int, pool: dict[str, Any], endless_tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        scanning = ParallelScanner(followlinks=True, **pool)
        task = asyncio.create_task(scanning.scan(endless_tree))
        await asyncio.sleep(0.1)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert has_stopped(scanning)

    asyncio.run(main(), debug=True)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("backend_name", ["serial", "auto", "pool"])
def test_anyio_cancels_again_at_every_turn(
    backend_name: str, endless_tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anyio = pytest.importorskip("anyio")

    async def main() -> None:
        scanning = ParallelScanner(2, followlinks=True, backend=backend_name)  # type: ignore[arg-type]
        with anyio.move_on_after(0.2) as scope:
            await scanning.scan(endless_tree)
        assert scope.cancelled_caught
        assert has_stopped(scanning)

    anyio.run(main)
    assert caplog.records == []


def test_workers_are_ended_when_the_task_is_cancelled_while_it_leaves(
    trees: dict[str, Path], pool: dict[str, Any]
) -> None:
    async def main() -> None:
        scanning = ParallelScanner(**pool)
        async with scanning:
            await scanning.scan(trees["odd"])
        await scanning.__aenter__()
        await scanning.scan(trees["odd"])
        leaving = asyncio.create_task(scanning.__aexit__(None, None, None))
        await asyncio.sleep(0)
        for _ in range(3):
            leaving.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not [child for child in psutil.Process().children(recursive=True) if not tracker(child)]

    asyncio.run(main())
