"""The calling process forks, as prefork servers and task queues do, or starts threads before workers are started."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends import auto
from tests.support.forks import forks_recorded
from tests.support.killer import pools_started

PATIENCE = 60  # seconds


def in_child(what: Callable[[], Any], *, then: Callable[[], object] = lambda: None) -> Any:
    """Return the result or exception of `what` in a forked copy of this process; `then` runs here meanwhile."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            answer: Any = what()
        except BaseException as error:
            answer = error
        with open(writer, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    try:
        then()
        with open(reader, "rb") as pipe:
            return pickle.load(pipe)
    finally:
        assert os.waitpid(child, 0) == (child, 0)


def test_parent_and_child_scan_at_once_with_a_warm_scanner(trees: dict[str, Path], pool: dict[str, Any]) -> None:
    expected = {name: list(os.walk(trees[name])) for name in ("monorepo", "odd", "skewed")}
    with scanner.ParallelScanner(**pool, timeout=PATIENCE) as scanning:
        scanning.scan_sync(trees["odd"])
        workers = {process["pid"] for process in scanning.get_stats()["resources"]["processes"][1:]}

        def scan_all() -> dict[str, bool]:
            return {name: scanning.scan_sync(trees[name]) == expected[name] for name in expected}

        def here() -> None:
            assert all(scan_all().values())

        assert all(in_child(scan_all, then=here).values())
        assert all(scan_all().values())
        kept = {process["pid"] for process in scanning.get_stats()["resources"]["processes"][1:]}
    assert kept == workers, "the child has not ended the workers of its parent"


def test_a_child_that_exits_in_an_orderly_way_leaves_the_parents_workers_alone(
    trees: dict[str, Path], start_method: str
) -> None:
    """`os.fork` and `sys.exit`: multiprocessing ends all daemonic children at exit, also those of the parent."""
    script = f"""
import os, sys, scanner
with scanner.ParallelScanner(2, backend="pool", start_method={start_method!r}) as scanning:
    scanning.scan_sync({str(trees["odd"])!r})
    pids = lambda: [process["pid"] for process in scanning.get_stats()["resources"]["processes"][1:]]
    before = pids()
    if (child := os.fork()) == 0:
        sys.exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    assert scanning.scan_sync({str(trees["odd"])!r}).stats.worker_deaths == 0
    assert pids() == before, (pids(), before)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("kind", ["walk", "entries"])
def test_a_half_consumed_walk_goes_on_in_the_parent_and_never_returns_wrong_data_in_the_child(
    kind: str, trees: dict[str, Path], backend: dict[str, Any]
) -> None:
    top = trees["monorepo"]
    names: dict[str, Any] = {"walk": scanner.walk, "entries": scanner.entries}
    expected = list(names[kind](top, backend="serial"))
    walking = names[kind](top, **backend)
    first = list(itertools.islice(walking, 3))
    found: list[Any] = []
    answer = in_child(lambda: [*first, *walking], then=lambda: found.extend([*first, *walking]))
    assert found == expected
    assert answer == expected or str(os.getpid()) in str(answer)
    assert answer == expected or isinstance(answer, scanner.ScanForked)


def test_a_child_can_begin_a_scan_of_its_own_while_the_parent_starts_workers(
    trees: dict[str, Path], start_method: str
) -> None:
    """Locks that a thread of the parent holds at that moment are not held in the child."""
    top = trees["odd"]
    expected = list(os.walk(top))
    for delay in range(6):
        walking = scanner.walk(top, backend="pool", max_workers=2, start_method=start_method)  # type: ignore[arg-type]
        thread = threading.Thread(target=lambda: next(walking))  # noqa: B023  # joined below
        thread.start()
        thread.join(0.01 * delay)
        assert in_child(lambda: scanner.scan(top, backend="pool", max_workers=2, timeout=PATIENCE) == expected)
        thread.join()
        walking.close()


def test_no_process_is_forked_beside_threads_when_workers_are_replaced(
    trees: dict[str, Path],
) -> None:
    """The Pool replaces workers in a thread: a lock that another thread holds would be held for ever in the copy."""
    top = trees["monorepo"]
    with forks_recorded() as threads, pools_started() as pools:
        walking = scanner.walk(top, backend="pool", max_workers=2, start_method="fork", max_rate=500)
        found = list(itertools.islice(walking, 5))
        first = set(pools[0].processes().values())
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        replaced = set[int]()
        for walked in walking:
            found.append(walked)
            replaced |= set(pools[0].processes().values()) - first  # the pool may be closed before the walk ends
    assert found == list(os.walk(top))
    assert replaced
    assert threads == [0, 0], "two at the start; those that replace them come from elsewhere"


def test_workers_are_not_forked_beside_threads_that_have_come_since_the_method_was_chosen(
    trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "SOONEST", 0)
    monkeypatch.setattr(auto, "START_AFTER", dict.fromkeys(auto.START_AFTER, 0))
    top = trees["monorepo"]
    with forks_recorded() as threads:
        walking = scanner.walk(top, nice=True)  # no threads of ours: with `nice` processes come at once
        found = list(itertools.islice(walking, 2))
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait)
        thread.start()
        found += walking
        ended.set()
        thread.join()
    assert found == list(os.walk(top))
    assert not any(threads)


@pytest.mark.parametrize("kind", ["scan", "walk"])
def test_a_child_that_closes_everything_as_daemons_do_loses_nothing_else(
    kind: str, trees: dict[str, Path], start_method: str
) -> None:
    """Numbers of descriptors that we have closed may be those of other files by then."""
    script = f"""
import gc, os, sys, scanner
top = {str(trees["monorepo"])!r}
how = dict(backend="pool", max_workers=2, start_method={start_method!r})
if {kind!r} == "scan":
    mine = scanner.ParallelScanner(**how).__enter__()
    mine.scan_sync(top)
else:
    mine = scanner.walk(top, **how)
    next(mine)
if (child := os.fork()) == 0:
    errors = os.dup(2)
    os.closerange(3, errors)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(60)]
    if {kind!r} == "scan":
        assert mine.scan_sync(top) == list(os.walk(top))
        mine.close()
    del mine
    gc.collect()
    for descriptor in opened:
        os.fstat(descriptor)
    sys.exit(0)
status = os.waitpid(child, 0)[1]
if {kind!r} == "scan":
    assert mine.scan_sync(top) == list(os.walk(top))
    mine.close()
assert status == 0, status
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_that_dies_is_noticed_where_a_fork_has_copies_of_its_pipes(
    trees: dict[str, Path], start_method: str
) -> None:
    """A thread of the caller forks while workers start, and its children live on."""
    children: list[int] = []
    ended = threading.Event()

    def fork_all_the_time() -> None:
        while not ended.wait(0.01):
            if (child := os.fork()) == 0:
                signal.pause()
            children.append(child)

    thread = threading.Thread(target=fork_all_the_time)
    top = trees["monorepo"]
    try:
        with scanner.ParallelScanner(2, backend="pool", start_method=start_method, timeout=PATIENCE) as scanning:  # type: ignore[arg-type]
            thread.start()
            scanning.scan_sync(top)
            ended.set()
            thread.join()
            for process in scanning.get_stats()["resources"]["processes"][1:]:
                os.kill(process["pid"], signal.SIGKILL)
            assert scanning.scan_sync(top) == list(os.walk(top))
    finally:
        ended.set()
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_a_forked_child_has_no_descriptor_of_its_parents_workers(trees: dict[str, Path], start_method: str) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = in_child(count)
    with scanner.ParallelScanner(4, backend="pool", start_method=start_method) as scanning:  # type: ignore[arg-type]
        scanning.scan_sync(trees["odd"])
        deadline = time.monotonic() + PATIENCE
        while (more := in_child(count) - before) > 2 and time.monotonic() < deadline:
            time.sleep(0.05)  # while workers start, there are more for a moment
    assert more <= 2, "the fork server's and the resource tracker's"
