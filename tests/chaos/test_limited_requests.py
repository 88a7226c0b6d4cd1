"""`max_rate`, as the server of a file system counts: any request of the kernel that it answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.errors import ScanTimeout
from scanner.options import ScanOptions
from scanner.run import Run
from tests.support.faultfs import FaultFS, unavailable

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

UNCOUNTED = {"forget", "statfs", "interrupt", "readlink"}
"""Requests that no limit counts: they are rare, or wait for no answer."""
HUGE: dict[str, Any] = {"$": "flat", "n": 3000, "dirs": 0}
ENDLESS_FLAT: dict[str, Any] = {"$": "flat", "n": 10_000_000, "dirs": 0}
ENDLESS: dict[str, Any] = {"$": "synth", "fanout": [30] * 6, "files": 8}
TREES: dict[str, dict[str, Any]] = {
    "huge": HUGE,
    "small": {"$": "synth", "fanout": [6, 6], "files": 5},
    "links": {"a": {"f": 1, "l": "-> f", "d": "-> ../b"}, "b": {"x": 2, "l": "-> ../a"}},
}


def mounted(place: Path, tree: dict[str, Any]) -> FaultFS:
    """A file system whose names are looked up each time, and whose attributes come with them."""
    return FaultFS(place / "m", tree=tree, entry_timeout=0, attr_timeout=30)


def answered(fs: FaultFS) -> int:
    return sum(count for name, count in fs.stats()["ops"].items() if name not in UNCOUNTED)


def counted(fs: FaultFS, **options: Any) -> int:
    """Scan, and return the number of requests as the workers have counted them."""
    with Run([fs.mnt], ScanOptions(roots=(fs.mnt,), **options)) as run:
        requests = 0
        for chunk in run.chunks():
            requests += chunk.requests
        assert not run.stats.faults
    return requests


@pytest.mark.parametrize("options", [{}, {"stat": True}, {"size": "+3"}], ids=["names", "metadata", "selection"])
@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("rate", [3000, 10**7], ids=["slowed", "fast"])
@pytest.mark.parametrize("backend", ["serial", "pool"])
def test_requests_are_those_that_the_server_answers(
    tmp_path: Path, backend: str, rate: int, tree: str, options: dict[str, Any], reader: str
) -> None:
    with mounted(tmp_path, TREES[tree]) as fs:
        requests = counted(fs, max_rate=rate, backend=backend, **options)
        there = answered(fs)
    assert 0.9 * there - 5 <= requests <= 1.1 * there + 10


def until(seconds: float, scan: Callable[[], object]) -> float:
    """Scan until `timeout` ends it. Returns the seconds that this has taken."""
    started = time.monotonic()
    with pytest.raises(ScanTimeout):
        scan()
    return time.monotonic() - started


@pytest.mark.parametrize("stat", [False, True], ids=["names", "metadata"])
@pytest.mark.parametrize("tree", [ENDLESS_FLAT, ENDLESS], ids=["huge", "small"])
@pytest.mark.parametrize("backend", ["serial", "auto", "pool"])
def test_a_file_system_gets_no_more_requests_than_allowed(
    tmp_path: Path, backend: str, tree: dict[str, Any], stat: bool
) -> None:
    with mounted(tmp_path, tree) as fs:
        took = until(1.5, lambda: scanner.scan(fs.mnt, max_rate=2000, stat=stat, backend=backend, timeout=1.5))
        assert answered(fs) <= 1.1 * 2000 * took + 50


@pytest.mark.parametrize("tree", [ENDLESS_FLAT, ENDLESS], ids=["huge", "small"])
def test_a_handful_of_requests_a_second(tmp_path: Path, tree: dict[str, Any]) -> None:
    with mounted(tmp_path, tree) as fs:
        took = until(4, lambda: scanner.scan(fs.mnt, max_rate=5, stat=True, timeout=4))
        assert answered(fs) <= 1.1 * 5 * took + 12, "and one directory"


def test_many_at_a_time_where_requests_take_long(tmp_path: Path) -> None:
    """The measured concurrency and the limit hold together."""
    with mounted(tmp_path, ENDLESS) as fs:
        fs.latency(10)
        with pytest.raises(ScanTimeout) as caught:
            scanner.scan(fs.mnt, max_rate=1000, timeout=3)
        assert answered(fs) <= 1.1 * 1000 * 3.3
        assert caught.value.stats.most_in_flight > 2


def test_a_tree_is_the_same_with_a_limit(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    tree = trees["monorepo"]
    limited = scanner.scan(tree, max_rate=10**5, stat=("size",), **backend)
    assert limited == scanner.scan(tree, **backend)
    assert sum(entry.size or 0 for entry in limited.entries()) > 0


def test_unchanged_directories_of_a_store_cost_one_request(tmp_path: Path, trees: dict[str, Path], reader: str) -> None:
    options = ScanOptions(roots=(str(trees["monorepo"]),), store=tmp_path / "s.snap", max_rate=sys.maxsize)
    requests = []
    for _ in range(2):
        with Run(list(options.roots), options) as run:
            requests.append(sum(chunk.requests for chunk in run.chunks()))
    assert run.stats.snapshot is not None
    read_again = run.stats.snapshot["read"]
    assert requests[0] >= 5 * run.stats.directories
    opened_above = run.stats.directories // 20  # with a quota, a Task ends early, and the next opens the way down
    assert requests[1] <= run.stats.directories + opened_above + 10 * read_again
