"""Workers join, leave, die, freeze and differ while a scan runs; so may the scheduler and the scanning process.

Schedulers and workers are real processes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends import dask as backend
from scanner.backends import dask_links
from tests.cluster.slow import slowly, very_slowly
from tests.support.cluster import ROOT, Cluster, distributed, wait_until
from tests.support.shell import SCANNER
from tests.support.trees import build, make_endless

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.skipif(os.name != "posix", reason="signals")]
distributed()


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build(tmp_path_factory, "monorepo", 600, 4_000))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


class InThread(threading.Thread):
    """A scan in a thread, so that the test can act meanwhile."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        self._arguments, self._keywords = arguments, keywords
        self.read = 0
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def _progress(self, read: int, _: int) -> None:
        self.read = read

    def run(self) -> None:
        try:
            self.result = scanner.scan(*self._arguments, progress_callback=self._progress, **self._keywords)
        except BaseException as error:
            self.error = error

    def under_way(self) -> None:
        wait_until(lambda: self.read > 20 or not self.is_alive())

    def end(self) -> Any:
        self.join(60)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def exact(top: str) -> list[Any]:
    return list(os.walk(top))


def kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_workers_are_killed_one_after_the_other(kills: int, cluster: Cluster, top: str) -> None:
    workers = [cluster.worker() for _ in range(3)]
    cluster.wait(3)
    choice, expected, killed, noticed = random.Random(kills), exact(top), 0, 0
    while killed < kills or not noticed:
        scan = InThread(top, client=cluster.client, prune=slowly)
        scan.under_way()
        number = choice.randrange(3)
        kill(workers[number])
        killed += 1
        result = scan.end()
        assert (result, result.errors) == (expected, [])
        noticed += result.stats.worker_deaths
        workers[number] = cluster.worker()
        cluster.wait(3)
    cluster.wait_until_clean()


def test_all_workers_are_killed_at_once_and_others_come(cluster: Cluster, top: str) -> None:
    workers = [cluster.worker() for _ in range(2)]
    cluster.wait(2)
    scan = InThread(top, client=cluster.client, prune=slowly)
    scan.under_way()
    for worker in workers:
        kill(worker)
    cluster.worker()
    result = scan.end()
    assert (result, result.errors) == (exact(top), [])
    assert result.stats.as_dict()["cluster"]["deaths"] == 2


def test_a_frozen_worker_is_noticed_by_its_silence(
    cluster: Cluster, top: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The scheduler notices nothing."""
    monkeypatch.setattr(dask_links, "SILENCE", 2.0)
    workers = [cluster.worker(), cluster.worker()]
    cluster.wait(2)
    scan = InThread(top, client=cluster.client, prune=slowly)
    scan.under_way()
    os.kill(workers[0].pid, signal.SIGSTOP)
    result = scan.end()
    assert (result, result.errors) == (exact(top), [])
    assert result.stats.cluster["excluded"] == 1
    assert "is silent; its Tasks run elsewhere" in caplog.text
    assert len(cluster.client.nthreads()) == 2


def test_a_worker_joins_and_another_retires_in_mid_scan(cluster: Cluster, top: str) -> None:
    cluster.worker("--name", "first")
    cluster.wait(1)
    scan = InThread(top, client=cluster.client, prune=very_slowly, max_in_flight=3)
    scan.under_way()
    cluster.worker("--name", "second")
    cluster.wait(2)
    first = min(cluster.client.scheduler_info()["workers"].items(), key=lambda item: item[1]["name"] != "first")[0]
    time.sleep(1)  # both are at work
    cluster.client.retire_workers([first])
    result = scan.end()
    assert (result, result.errors) == (exact(top), [])
    figures = result.stats.cluster
    assert (figures["deaths"], figures["retired"], figures["excluded"]) == (0, 1, 0)
    done = {each["process"]: each["directories"] for each in result.stats.as_dict()["workers"]}
    assert all(done[each["process"]] for each in figures["workers"])
    assert [each["name"] for each in figures["workers"]] == ["first", "second"]


@pytest.mark.slow
def test_a_worker_reaches_the_end_of_its_life(cluster: Cluster, top: str) -> None:
    cluster.worker("--lifetime", "3s")
    cluster.worker()
    cluster.wait(2)
    retired = 0
    while not retired and len(cluster.client.nthreads()) == 2:
        result = scanner.scan(top, client=cluster.client, prune=very_slowly, max_in_flight=3)
        assert (result, result.errors) == (exact(top), [])
        assert result.stats.cluster["deaths"] == 0
        retired = result.stats.cluster["retired"]
    assert retired


@pytest.mark.slow
def test_an_idle_timeout_does_not_end_a_cluster_that_scans(tmp_path: Path, top: str) -> None:
    with Cluster(tmp_path, options=["--idle-timeout", "3s"]) as cluster:
        cluster.worker()
        cluster.wait(1)
        began = time.monotonic()
        while time.monotonic() < began + 6:
            assert scanner.scan(top, client=cluster.client, prune=very_slowly, timeout=60) == exact(top)
        assert cluster.scheduler.poll() is None


@pytest.mark.slow
def test_a_nanny_restarts_a_worker_at_its_memory_limit(cluster: Cluster, top: str) -> None:
    """Its memory is filled by another task."""
    cluster.worker("--memory-limit", "400MB", nanny=True)
    cluster.worker()
    cluster.wait(2)
    limited = min(
        cluster.client.scheduler_info()["workers"].items(), key=lambda item: item[1]["memory_limit"] or 1 << 60
    )[0]
    greedy = cluster.client.submit(grow_and_wait, workers=[limited], pure=False)
    deaths = 0
    while not deaths and limited in cluster.client.nthreads():
        result = scanner.scan(top, client=cluster.client, prune=very_slowly, max_in_flight=3)
        assert (result, result.errors) == (exact(top), [])
        deaths = result.stats.cluster["deaths"]
    greedy.cancel()
    assert deaths


def grow_and_wait() -> None:
    filled = []
    for _ in range(8):
        time.sleep(0.3)
        filled.append(bytearray(b"x" * (50 << 20)))
    time.sleep(60)


def test_the_scheduler_is_killed(cluster: Cluster, top: str) -> None:
    cluster.worker()
    cluster.wait(1)
    scan = InThread(top, client=cluster.client, prune=slowly)
    scan.under_way()
    kill(cluster.scheduler)
    with pytest.raises(scanner.ClusterError, match=r"the Dask scheduler .* is gone") as caught:
        scan.end()
    assert caught.value.reason == "lost"
    assert caught.value.result
    found = iter(exact(top))
    assert all(item in found for item in caught.value.result), "in walk order"


@pytest.mark.slow
def test_no_worker_comes_back(cluster: Cluster, top: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "PATIENCE", 2.0)
    worker = cluster.worker()
    cluster.wait(1)
    scan = InThread(top, client=cluster.client, prune=slowly)
    scan.under_way()
    kill(worker)
    with pytest.raises(scanner.ClusterError, match="no worker") as caught:
        scan.end()
    assert caught.value.reason == "lost"


def test_no_worker_comes_at_all(
    cluster: Cluster, top: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backend, "FIRST_PATIENCE", 3.0)
    with pytest.raises(scanner.ClusterError, match="no worker") as caught:
        scanner.scan(top, client=cluster.client)
    assert caught.value.reason == "no workers"
    assert "waiting for workers of the Dask scheduler" in caplog.text


@contextmanager
def command(cluster: Cluster, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*SCANNER, *arguments, "--dask", str(cluster.file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_command_ends_by_a_signal_and_leaves_nothing_on_the_cluster(
    number: signal.Signals, cluster: Cluster, tmp_path: Path, endless: str
) -> None:
    cluster.worker(), cluster.worker()
    cluster.wait(2)
    output = tmp_path / "list.txt"
    with command(cluster, "list", "--follow-links", "-o", str(output), endless) as process:
        wait_until(lambda: len(cluster.busy()["tasks"]) == 2)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(number)
        cluster.wait_until_clean()
        took = time.monotonic() - began
        _, errors = process.communicate(timeout=20)
    assert process.returncode == -number, errors
    assert errors == b""
    assert not output.exists()
    print(f"{number.name}: clean after {took:.2f} s")


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A tree whose scan does not end."""
    return str(make_endless(tmp_path / "tree") / "0")


def test_the_command_without_workers_left_writes_no_output(cluster: Cluster, tmp_path: Path, endless: str) -> None:
    worker = cluster.worker()
    cluster.wait(1)
    output = tmp_path / "list.txt"
    with command(cluster, "list", "--follow-links", "-o", str(output), endless) as process:
        wait_until(lambda: cluster.busy()["tasks"])
        kill(cluster.scheduler)
        _, errors = process.communicate(timeout=60)
    worker.wait(20)
    assert (process.returncode, output.exists()) == (75, False)
    assert b"is gone" in errors


@pytest.mark.slow
def test_a_number_of_workers_is_waited_for(cluster: Cluster, tmp_path: Path, top: str) -> None:
    cluster.worker()
    cluster.wait(1)
    report = tmp_path / "report.json"
    with command(cluster, "scan", "--dask-workers", "2", "--report", str(report), top) as process:
        time.sleep(2)
        assert process.poll() is None
        cluster.worker()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(report.read_bytes())["max_workers"] == 2


HIDES_PACKAGE = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "scanner" and not any(place.endswith("scanner.zip") for place in sys.path):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder())
"""
"""Makes a Python act as if the package were not installed, until it is sent."""


def test_the_package_is_missing_on_workers_and_can_be_sent(cluster: Cluster, tmp_path: Path, top: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sitecustomize.py").write_text(HIDES_PACKAGE)
    cluster.worker(PYTHONPATH=str(tmp_path / "elsewhere"))
    cluster.wait(1)
    with pytest.raises(scanner.ClusterError, match=r"pip install 'parallel-scanner\[dask\]'.*upload_file") as caught:
        scanner.scan(top, client=cluster.client)
    assert caught.value.reason == "different"
    package = tmp_path / "scanner.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for module in (ROOT / "scanner").rglob("*.py"):
            archive.write(module, module.relative_to(ROOT))
    cluster.client.upload_file(str(package))
    result = scanner.scan(top, client=cluster.client)
    assert result == exact(top)
    assert {each["reader"] for each in result.stats.cluster["workers"]} == {"python"}


def test_another_version_on_a_worker_is_refused(cluster: Cluster, tmp_path: Path, top: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "scanner").symlink_to(ROOT / "scanner")
    (tmp_path / "other" / "sitecustomize.py").write_text("import scanner\nscanner.__version__ = '0.0.1'\n")
    cluster.worker("--name", "old", PYTHONPATH=str(tmp_path / "other"))
    cluster.wait(1)
    with pytest.raises(scanner.ClusterError, match=r"old on \S+ differs from this process: scanner .* and 0\.0\.1"):
        scanner.scan(top, client=cluster.client)


def test_a_worker_of_another_user_is_refused(cluster: Cluster, tmp_path: Path, top: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    os.chmod(tmp_path, 0o777)
    cluster.worker("--name", "ours")
    cluster.worker("--name", "theirs", before=["setpriv", "--regid", "65534", "--clear-groups"])
    cluster.wait(2)
    with pytest.raises(scanner.ClusterError, match=r"ours on \S+ and theirs|theirs on \S+ and ours") as caught:
        scanner.scan(top, client=cluster.client)
    assert "groups" in str(caught.value)


def test_workers_that_cannot_be_reached_from_here(cluster: Cluster, top: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_links, "REACHABLE", 2.0)
    cluster.worker("--listen-address", "tcp://127.0.0.1:0", "--contact-address", "tcp://127.0.0.1:9")
    cluster.wait(1)
    with pytest.raises(scanner.ClusterError, match=r"inside the cluster.*docs/cluster\.md") as caught:
        scanner.scan(top, client=cluster.client)
    assert caught.value.reason == "unreachable"


def test_an_unexpected_exception_in_a_worker_is_logged_and_its_task_runs_again(
    cluster: Cluster, top: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flag = tmp_path / "failed"
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nfrom scanner.kernel.walk import Walker\nwalk = Walker.walk\n"
        f"def failing(self, task, *rest):\n    if task.number == 3 and not os.path.exists({str(flag)!r}):\n"
        f"        open({str(flag)!r}, 'w').close()\n        raise RuntimeError('a mistake')\n"
        "    return walk(self, task, *rest)\nWalker.walk = failing\n"
    )
    cluster.worker(PYTHONPATH=f"{tmp_path}:{ROOT}")
    cluster.wait(1)
    result = scanner.scan(top, client=cluster.client, prune=slowly)
    assert (result, result.errors) == (exact(top), [])
    assert flag.exists()
    assert "RuntimeError: a mistake" in caplog.text


@pytest.mark.slow
def test_workers_of_a_batch_system_with_a_lifetime_and_adaptive_scaling(
    tmp_path: Path, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch system is processes of this machine."""
    jobqueue = pytest.importorskip("dask_jobqueue.local", reason="dask-jobqueue is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    places = dict.fromkeys(("local_directory", "log_directory"), str(tmp_path))
    life = ["--lifetime", "8s", "--lifetime-stagger", "2s"]
    with (
        jobqueue.LocalCluster(cores=2, memory="1GB", processes=1, worker_extra_args=life, **places) as queue,
        distributed().Client(queue, set_as_default=False) as client,
    ):
        queue.adapt(minimum_jobs=2, maximum_jobs=3)
        client.wait_for_workers(2)
        began, gone = time.monotonic(), 0
        while time.monotonic() < began + 20 or not gone:
            result = scanner.scan(top, client=client, prune=very_slowly, max_in_flight=4)
            assert (result, result.errors) == (exact(top), [])
            gone += result.stats.cluster["retired"] + result.stats.cluster["deaths"]
