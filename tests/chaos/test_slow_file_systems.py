"""Mounts with slow directories: many of these are read concurrently, and faults cost no more than elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends.heartbeat import SIZE, Heartbeat
from scanner.kernel.facts import reader_name
from scanner.kernel.walk import Walker
from scanner.model import Task, below_any
from scanner.options import ScanOptions
from tests.support.faultfs import FaultFS, unavailable
from tests.support.killer import Killer, pools_started
from tests.support.sabotage import sabotage
from tools.make_tree import make_tree

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

NAMED = {"0": {"1": {"2": {"f": 1}, "3": {"f": 1}}, "4": {"f": 1}}}
TREE = {"$": "synth", "fanout": [6, 6, 6], "files": 3}
DIRECTORIES = 1 + 6 + 6 * 6 + 6 * 6 * 6
Mounter = Callable[..., FaultFS]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounter]:
    """Return a function that mounts a slow file system until the test ends."""
    with ExitStack() as stack:

        def mount(*rules: dict[str, Any], latency_ms: float = 3, at: str = "m", **spec: Any) -> FaultFS:
            tree = spec.pop("tree", TREE)
            return stack.enter_context(
                FaultFS(tmp_path / at, tree=tree, rules=rules, latency_ms=latency_ms, preset="nfs", **spec)
            )

        yield mount


def without_latency(fs: FaultFS) -> list[Any]:
    """Walk the mount without latency."""
    fs.latency(0)
    expected = list(os.walk(fs.mnt))
    fs.latency(3)
    return expected


@pytest.mark.alone
@pytest.mark.parametrize("backend", ["serial", "auto", "pool-fork", "pool-fork pure"], indirect=True)
def test_many_directories_are_read_at_a_time_and_each_once(mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted(latency_ms=1 if backend["backend"] == "serial" else 3)
    result = scanner.scan(fs.mnt, **backend)
    stats = fs.stats()
    assert list(scanner.walk(fs.mnt, **backend)) == result == without_latency(fs)
    assert set(stats["dirs"].values()) == {1}
    assert len(stats["dirs"]) == DIRECTORIES
    if backend["backend"] == "serial":
        assert stats["peak"]["all"] == 1
    else:
        assert stats["peak"]["all"] >= 8  # 64 where nothing else runs
        assert result.stats.most_in_flight >= 8
        assert result.stats.waiting_share > 0.5


@contextmanager
def walker(fs: FaultFS, place: Heartbeat | None = None) -> Iterator[Walker]:
    made = Walker(ScanOptions(roots=(str(fs.mnt),)), joined=False, place=place)
    try:
        yield made
    finally:
        made.close()


def task(*directories: str) -> Task:
    return Task(1, list(directories), 0, 10**6, 60.0)


def test_a_chunk_lists_slow_directories_in_walk_order(mounted: Mounter, reader: str) -> None:
    fs = mounted()
    with walker(fs) as made:
        chunk = made.walk(task(str(fs.mnt)))
    assert [path for _, path in chunk.slow] == [path for path, _, _ in without_latency(fs)]
    assert sum(seconds for seconds, _ in chunk.slow) <= chunk.seconds
    assert 0 < chunk.opening < chunk.seconds


def test_a_slow_directory_is_the_last_of_a_task_whose_rest_is_wanted(mounted: Mounter, reader: str) -> None:
    fs = mounted()
    siblings = [path for path, _, _ in without_latency(fs) if Path(path).parent == Path(fs.mnt)]
    with walker(fs) as made:
        chunk = made.walk(task(*siblings), lambda: True, bytearray(b"\1"))
        assert chunk.directories == 1
        assert chunk.leftovers[-5:] == siblings[1:]
        assert made.walk(task(*siblings), lambda: False, bytearray(1)).leftovers == []


def test_the_way_down_to_siblings_is_looked_up_once(tmp_path: Path, reader: str) -> None:
    with FaultFS(tmp_path / "m", tree=TREE, preset="strict") as fs:
        siblings = sorted(path for path, _, _ in os.walk(fs.mnt) if len(Path(path).relative_to(fs.mnt).parts) == 3)[:6]
        fs.reset()
        with walker(fs) as made:
            chunk = made.walk(task(*siblings))
        assert len(siblings) == 6
        assert fs.stats()["ops"]["lookup"] <= 2 + chunk.directories


def test_a_directory_that_cannot_be_opened_is_as_slow_as_others(mounted: Mounter, reader: str) -> None:
    fs = mounted({"path": "/0/1", "op": "opendir", "errno": "EACCES"}, tree=NAMED)
    with walker(fs) as made:
        chunk = made.walk(task(f"{fs.mnt}/0"))
    assert f"{fs.mnt}/0/1" in [path for _, path in chunk.slow]
    assert [(fault.path, fault.kind) for fault in chunk.faults] == [(f"{fs.mnt}/0/1", "denied")]


def test_where_a_walk_is_is_known_while_names_above_are_looked_up(mounted: Mounter, reader: str) -> None:
    """Otherwise a hang there would never be given up."""
    fs = mounted({"path": "/0", "op": "lookup", "delay_ms": 1000}, tree=NAMED, latency_ms=0)
    siblings = [f"{fs.mnt}/0/1/2", f"{fs.mnt}/0/1/3"]
    place = Heartbeat(memoryview(bytearray(SIZE)))
    with walker(fs, place) as made, ThreadPoolExecutor(1) as pool:
        future = pool.submit(made.walk, task(*siblings))
        while not place.count:
            time.sleep(0.001)
        assert place.read() == os.fsencode(siblings[0])
        assert "opendir" not in fs.stats()["ops"]
        assert future.result().faults == []


@pytest.mark.alone
def test_no_more_at_a_time_than_allowed(mounted: Mounter, pool: dict[str, Any]) -> None:
    fs = mounted()
    for options in (pool, {"backend": "auto"}):
        fs.reset()
        scanner.scan(fs.mnt, max_in_flight=5, **options)
        assert 2 < fs.stats()["peak"]["all"] <= 5
    fs.reset()
    scanner.scan(f"{fs.mnt}/d0000", max_in_flight=1, **pool)
    assert fs.stats()["peak"]["all"] == 1, "fewer than workers"


@pytest.mark.alone
def test_a_busy_server_gets_few_more_requests_than_it_can_answer(mounted: Mounter) -> None:
    fs = mounted(slots=4)
    result = scanner.scan(fs.mnt)
    assert fs.stats()["peak"]["all"] < 64  # 8 on a quiet machine: how many exactly is shown by test_pace
    assert result == without_latency(fs)


@pytest.mark.alone
def test_a_local_tree_is_read_by_one_thread_a_worker(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    most = (scanner.scan(trees["monorepo"], **backend).stats.most_in_flight for _ in range(5))
    assert any(count <= 2 for count in most), "one per worker, unless these wait for a processor"


@pytest.mark.alone
def test_a_slow_mount_in_a_local_tree(tmp_path: Path, mounted: Mounter, backend: dict[str, Any]) -> None:
    """Many directories of the mount are read concurrently; of the rest, one per worker."""
    make_tree("monorepo", tmp_path / "top", 3000, 9000)
    fs = mounted(at="top/mount")
    fs.latency(0)
    expected = list(os.walk(tmp_path / "top"))
    fs.latency(1 if backend["backend"] == "serial" else 3)
    fs.reset()
    result = scanner.scan(tmp_path / "top", **backend)
    stats = fs.stats()
    assert result == expected
    assert list(scanner.walk(tmp_path / "top", **backend)) == expected
    assert set(stats["dirs"].values()) == {1}
    if backend["backend"] != "serial":
        assert stats["peak"]["all"] >= 16
        assert sorted(Path(each["mount"]).name for each in result.stats.latencies) == ["mount", "top"]


def test_a_hung_directory_costs_only_itself(mounted: Mounter, pool: dict[str, Any]) -> None:
    """Its worker is killed; the Tasks of the other threads of that worker are not lost."""
    hung = "/2/3/4"
    tree = {str(i): {str(j): {str(k): {"f": 1} for k in range(6)} for j in range(6)} for i in range(4)}
    fs = mounted({"path": hung, "op": "readdir", "hang": "killable"}, tree=tree)
    result = scanner.scan(fs.mnt, dir_timeout=1, **pool)
    assert [(fault.path, fault.kind) for fault in result.errors] == [(fs.mnt + hung, "timeout")]
    assert len(result) == 4 * 6 * 6 + 4 * 6 + 4 + 1 - 1
    fs.rules([])
    fs.release()
    assert [item for item in without_latency(fs) if item[0] != fs.mnt + hung] == result


def test_a_worker_that_waits_for_a_directory_does_not_hold_the_others_down(mounted: Mounter) -> None:
    """The worker has no other thread yet, so the other worker uses all of the concurrency.

    On a busy machine it may start so late that the first worker has the whole tree: then another scan shows it.
    """
    tree = {str(i): {str(j): {str(k): {} for k in range(10)} for j in range(10)} for i in range(6)}
    hang = {"path": "/0", "op": "readdir", "hang": "killable"}
    fs, peak = mounted(hang, tree=tree), 0
    for _ in range(4):
        with ThreadPoolExecutor() as executor:
            scan = executor.submit(scanner.scan, fs.mnt, backend="pool", max_workers=2)
            fs.wait_until_hung()
            deadline = time.monotonic() + 10
            while (peak := fs.stats()["peak"]["all"]) < 16 and time.monotonic() < deadline:
                time.sleep(0.02)
            fs.rules([])
            fs.release()
            assert scan.result() == without_latency(fs)
        if peak >= 16:
            break
        fs.rules([hang])
    assert peak >= 16


def test_a_directory_that_kills_its_worker_costs_only_itself(
    mounted: Mounter, start_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker reads many other directories at that moment."""
    fs = mounted()
    expected = without_latency(fs)
    poison = expected[150][0]
    sabotage(monkeypatch, "killed", f"{signal.SIGKILL:d} {poison}")
    result = scanner.scan(fs.mnt, backend="pool", max_workers=2, start_method=start_method)  # type: ignore[arg-type]
    assert [(fault.path, fault.kind) for fault in result.errors] == [(poison, "lost")]
    assert result == [item for item in expected if item[0] != poison]
    assert result.stats.worker_deaths >= 2


def test_workers_are_killed_while_they_read_many_at_a_time(mounted: Mounter, pool: dict[str, Any]) -> None:
    fs = mounted()
    expected = without_latency(fs)
    with pools_started() as pools:
        killer = Killer(pools, seed=5, pause=0.3)
        with killer.at_work():
            for _ in range(6):
                result = scanner.scan(fs.mnt, **pool)
                # a directory that several deaths hit by chance is lost, and reported
                lost = {fault.path for fault in result.errors}
                assert len(lost) <= 2
                assert result == [item for item in expected if not below_any(item[0], lost)]
    assert killer.kills > 0


def test_closing_the_walk_leaves_nothing_although_directories_are_being_read(mounted: Mounter) -> None:
    fs = mounted(latency_ms=20)
    walking = scanner.walk(fs.mnt, max_rate=10_000)
    for _ in range(4):
        next(walking)
    walking.close()


@pytest.mark.alone
def test_unknown_types_are_queried_concurrently(mounted: Mounter, backend: dict[str, Any]) -> None:
    """Within one directory. Few or fast queries run one after the other."""
    fs = mounted(
        {"path": "*", "dtype": "unknown"}, tree={"flat": {"$": "flat", "n": 600, "dirs": 5}}, readdirplus=False,
        entry_timeout=0, attr_timeout=0, latency_ms=1 if backend["backend"] == "serial" else 3,
    )  # fmt: skip
    result = scanner.scan(fs.mnt, **backend)
    peak = fs.stats()["peak"]["lookup"]
    assert peak == 1 if backend["backend"] == "serial" else peak >= 16
    assert result == without_latency(fs)
    assert [len(files) for _, _, files in result][1] == 595


@pytest.mark.alone
def test_the_status_that_selects_is_requested_concurrently(mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted(
        tree={"flat": {"$": "flat", "n": 600, "dirs": 5}}, readdirplus=False, entry_timeout=0, attr_timeout=0,
        latency_ms=1 if backend["backend"] == "serial" else 3,
    )  # fmt: skip
    result = scanner.scan(fs.mnt, newer="@1", size="+0", **backend)
    peak = fs.stats()["peak"]["lookup"]
    assert peak == 1 if backend["backend"] == "serial" else peak >= 16
    assert result == without_latency(fs)


@pytest.mark.parametrize("preset", ["nfs", "strict"])
def test_metadata_costs_no_request_more_than_it_must(preset: str, tmp_path: Path, backend: dict[str, Any]) -> None:
    """No request where listings include attributes; where nothing is cached, that of one `lstat` per name."""
    if reader_name(ScanOptions()) != "compiled":
        pytest.skip("os.stat always requests access times as well")
    with FaultFS(tmp_path / "m", tree={"$": "synth", "fanout": [4, 5], "files": 7}, preset=preset) as fs:
        scanner.scan(fs.mnt, **backend)
        names = fs.stats()["ops"]
        fs.reset()
        entries = list(scanner.entries(fs.mnt, stat=("size", "mtime_ns", "ino"), **backend))
        with_stat = fs.stats()["ops"]
    more = {name: with_stat.get(name, 0) - names.get(name, 0) for name in ("getattr", "opendir", "readdir")}
    if preset == "nfs":
        assert more["getattr"] <= 1  # of the root
    else:
        assert more == {"getattr": len(entries), "opendir": 0, "readdir": 0}
    assert with_stat["opendir"] == 25
