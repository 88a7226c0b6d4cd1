"""Scan in unusual processes: with handlers of SIGCHLD, monkey-patched threads, and daemonic."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends import start
from scanner.backends.pool import PoolBackend
from tests.support.faultfs import FaultFS, unavailable
from tests.support.killer import pools_started

PATIENCE = 60  # seconds


def reap_everything(*_: Any) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


@pytest.fixture(params=["ignored", "reaped by the caller"])
def sigchld(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the kernel or the caller's handler reap all children."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN if request.param == "ignored" else reap_everything)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("sigchld")
def test_the_result_is_returned_where_workers_cannot_be_waited_for(
    trees: dict[str, Path], start_method: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = scanner.scan(trees["odd"], backend="pool", max_workers=2, start_method=start_method)  # type: ignore[arg-type]
    assert result == list(os.walk(trees["odd"]))
    assert (result.stats.backend, result.stats.abandoned_workers, result.errors) == ("pool", 0, [])
    assert caplog.records == []


@pytest.mark.usefixtures("sigchld")
def test_dead_workers_are_replaced_where_they_cannot_be_waited_for(trees: dict[str, Path], start_method: str) -> None:
    top = trees["monorepo"]
    with pools_started() as pools:
        walking = scanner.walk(top, backend="pool", max_workers=2, start_method=start_method, max_rate=500)  # type: ignore[arg-type]
        found = [next(walking) for _ in range(3)]
        pids = set(pools[0].processes().values())
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        replaced = set[int]()
        for walked in walking:
            found.append(walked)
            replaced |= set(pools[0].processes().values()) - pids
    assert found == list(os.walk(top))
    assert replaced


def test_a_worker_that_dies_before_the_pool_lists_it_costs_nothing(
    trees: dict[str, Path], start_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is announced before the Pool lists it. Closing it in between would end the Pool's thread."""
    original, late = start.SlotProcess.start, []

    def start_late(self: Any) -> None:
        original(self)
        if self.owner._started > 2 and len(late) < 3:  # those that replace others
            late.append(self)
            os.kill(self.known_pid, signal.SIGKILL)
            time.sleep(0.3)  # in the Pool's thread

    monkeypatch.setattr(start.SlotProcess, "start", start_late)
    top = trees["monorepo"]
    with pools_started() as pools:
        walking = scanner.walk(top, backend="pool", max_workers=2, start_method=start_method, max_rate=500)  # type: ignore[arg-type]
        found = [next(walking) for _ in range(3)]
        os.kill(next(iter(pools[0].processes().values())), signal.SIGKILL)
        for walked in walking:
            found.append(walked)
            if (inner := pools[0]._processes._pool) is not None:  # closed before the last tuples are returned
                alive = inner._worker_handler.is_alive()
    assert found == list(os.walk(top))
    assert len(late) == 3
    assert alive


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_scan_goes_on_here_when_the_pools_thread_has_ended_and_all_workers_with_it(
    trees: dict[str, Path], start_method: str, caplog: pytest.LogCaptureFixture
) -> None:
    top = trees["monorepo"]
    with pools_started() as pools:
        walking = scanner.walk(top, backend="pool", max_workers=2, start_method=start_method, max_rate=500)  # type: ignore[arg-type]
        found = [next(walking)]
        while pools[0]._processes._pool is None or len(pools[0].processes()) < 2:  # the first worker may be long ahead
            found.append(next(walking))
        end_handler(pools[0])
        for pid in pools[0].processes().values():
            os.kill(pid, signal.SIGKILL)
        found += walking
    assert found == list(os.walk(top))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the thread that replaces dead worker processes has ended" in caplog.text


class EndsItsReader:
    """An item in the list of a Pool's processes that ends the thread that reads it."""

    @property
    def exitcode(self) -> int:
        raise SystemExit


def end_handler(pool: PoolBackend) -> None:
    """End the Pool's thread that replaces workers, as a mistake in it would."""
    inner: Any = pool._processes._pool
    inner._pool.append(EndsItsReader())
    inner._change_notifier.put(None)
    inner._worker_handler.join(PATIENCE)
    inner._pool.pop()
    assert not inner._worker_handler.is_alive()


@pytest.mark.parametrize("patch", ["patch_queue()", "patch_all(thread=False)", "patch_thread()", "patch_select()"])
@pytest.mark.parametrize("how", ["auto", "pool"])
def test_only_some_of_the_standard_library_is_replaced(patch: str, how: str, trees: dict[str, Path]) -> None:
    """Threads may be real while queues are coroutines, and the reverse."""
    pytest.importorskip("gevent")
    script = f"""
import warnings; warnings.simplefilter("ignore")
from gevent import monkey; monkey.{patch}
import os, scanner
from scanner.backends import auto
auto.THREADS_AFTER = 0
top = {str(trees["monorepo"])!r}
for _ in range(5):
    assert scanner.scan(top, backend={how!r}, max_workers=2, timeout=50) == list(os.walk(top))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(unavailable() is not None, reason=f"no FUSE here: {unavailable()}")
def test_threads_replaced_by_coroutines_on_a_slow_file_system(tmp_path: Path) -> None:
    """No thread can run beside the caller there."""
    pytest.importorskip("gevent")
    script = (
        "from gevent import monkey; monkey.patch_thread()\nimport scanner, sys; scanner.scan(sys.argv[1], timeout=50)"
    )
    with FaultFS(tmp_path / "m", tree={"$": "synth", "fanout": [6, 6], "files": 2}, latency_ms=3) as fs:
        subprocess.run([sys.executable, "-W", "ignore", "-c", script, fs.mnt], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
@pytest.mark.parametrize("how", ["scan", "walk", "ParallelScanner"])
def test_threads_replaced_by_coroutines(library: str, how: str, trees: dict[str, Path]) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    patch = {
        "gevent": "from gevent import monkey; monkey.patch_all()",
        "eventlet": "import eventlet; eventlet.monkey_patch()",
    }
    call = {
        "scan": "list(scanner.scan(top, backend='pool', max_workers=2, timeout=50))",
        "walk": "list(scanner.walk(top, backend='pool', max_workers=2, timeout=50))",
        "ParallelScanner": "list(scanner.ParallelScanner(2, backend='pool', timeout=50).scan_sync(top))",
    }
    script = f"""
import warnings; warnings.simplefilter("ignore")
{patch[library]}
import logging, os, signal, scanner
logging.basicConfig(format="%(message)s")
top = {str(trees["odd"])!r}
assert {call[how]} == list(os.walk(top))
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "no worker processes" in line] == [
        f"no worker processes ({library} has replaced threads by coroutines): scanning in this process"
    ]


@pytest.mark.skipif(unavailable() is not None, reason=f"no FUSE here: {unavailable()}")
@pytest.mark.parametrize("kind", ["scan", "walk", "scan_sync"])
def test_a_hanging_directory_in_a_daemonic_process_does_not_outlast_the_timeout(kind: str, tmp_path: Path) -> None:
    """Workers of Celery and of `multiprocessing.Pool` may have no children, so that no process can be killed."""
    tree = {"a": {"f": 1}, "hangs": {"g": 1}, "z": {"h": 1}}
    rules = [{"path": "/hangs", "op": "opendir", "hang": "killable"}]
    with ExitStack() as stack:
        fs = stack.enter_context(FaultFS(tmp_path / "m", tree=tree, rules=rules))
        reader, writer = get_context("fork").Pipe(duplex=False)
        child = get_context("fork").Process(target=scan_hanging, args=(writer, kind, fs.mnt), daemon=True)
        child.start()
        writer.close()
        try:
            assert reader.poll(PATIENCE), "it came to an end"
            kind_of_error, lost, logged = reader.recv()
        finally:
            reader.close()
            child.join(PATIENCE)
            child.close()
    assert kind_of_error == "ScanTimeout"
    assert lost == (None if kind == "walk" else ["dir_timeout"])
    assert logged == [
        "no worker processes (this process is daemonic, and those may have no children): scanning in this process, "
        "without dir_timeout"
    ]


def scan_hanging(writer: Any, kind: str, top: str) -> None:
    logged: list[str] = []

    class Recording(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())

    logging.getLogger("scanner").addHandler(Recording())
    lost = None
    try:
        if kind == "scan":
            scanner.scan(top, dir_timeout=0.5, timeout=1.5)
        elif kind == "walk":
            list(scanner.walk(top, dir_timeout=0.5, timeout=1.5))
        else:
            scanner.ParallelScanner(timeout=1.5, dir_timeout=0.5).scan_sync(top)
    except scanner.ScanTimeout as error:
        lost = None if error.stats is None else error.stats.as_dict()["lost_protections"]
        writer.send((type(error).__name__, lost, logged))
    else:
        writer.send(("none", lost, logged))


def test_lost_protections_are_in_the_statistics(trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(*_: Any, **__: Any) -> Any:
        raise OSError("no process here")

    monkeypatch.setattr(start.SlotContext, "Process", no_process)
    result = scanner.scan(trees["odd"], backend="pool", dir_timeout=5)
    assert result == list(os.walk(trees["odd"]))
    assert result.stats.lost_protections == ["dir_timeout"]
    assert scanner.scan(trees["odd"], backend="pool").stats.lost_protections == []


@pytest.mark.skipif(unavailable() is not None, reason=f"no FUSE here: {unavailable()}")
@pytest.mark.parametrize("kind", ["scan", "walk", "entries"])
def test_a_hanging_directory_does_not_outlast_the_timeout_in_a_plain_process(kind: str, tmp_path: Path) -> None:
    script = f"import scanner, sys; list(scanner.{kind}(sys.argv[1], timeout=1.5))"
    rules = [{"path": "/hangs", "op": "opendir", "hang": "killable"}]
    with FaultFS(tmp_path / "m", tree={"a": {"f": 1}, "hangs": {"g": 1}, "z": {}}, rules=rules) as fs:
        done = subprocess.run(
            [sys.executable, "-c", script, fs.mnt], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert "ScanTimeout: the scan did not finish within 1.5 seconds" in done.stderr
