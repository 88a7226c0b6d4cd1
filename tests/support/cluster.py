"""A Dask cluster of real processes, each in a group of its own, that a test may kill, stop and add to.

with Cluster(tmp_path) as cluster:
    worker = cluster.worker(threads=2)
    cluster.wait(1)
    scanner.scan(top, client=cluster.client)
    worker.kill()
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
TASKS = 2.0
"""Seconds within which nothing of an ended scan may be left on the cluster."""


def distributed() -> Any:
    """Return the package, or skip the test."""
    return pytest.importorskip("distributed", reason="distributed is not installed")


def wait_until(is_so: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Cluster:
    """A scheduler, and the workers that the test starts. `where`: directory for its files."""

    def __init__(self, where: Path, *, options: Sequence[str] = (), security: Any = None) -> None:
        self._package = distributed()
        self.file = where / "scheduler.json"
        self._where, self._options, self._security = where, options, security
        self._processes: list[subprocess.Popen[bytes]] = []
        self._client: Any = None

    def __enter__(self) -> Self:
        arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = self.start("dask_scheduler", *arguments, *self._options)
        wait_until(lambda: self.file.exists() and self.file.read_bytes().endswith(b"}"))
        return self

    def start(self, module: str, *arguments: str, before: Sequence[str] = (), **environment: str) -> Any:
        """Start a process of the cluster. `before`: words before the command."""
        paths = environment.pop("PYTHONPATH", str(ROOT))
        own = {"PYTHONPATH": paths, "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__DISK": "false", **environment}
        with open(self._where / f"{module}-{len(self._processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-P", "-m", f"distributed.cli.{module}", *arguments], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env={**os.environ, **own}, start_new_session=True, cwd=self._where,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def worker(self, *arguments: str, threads: int = 2, nanny: bool = False, **others: Any) -> Any:
        own = ["--scheduler-file", str(self.file), "--nthreads", str(threads), "--no-dashboard"]
        own += ["--nanny" if nanny else "--no-nanny", "--local-directory", str(self._where)]
        return self.start("dask_worker", *own, *arguments, **others)

    @property
    def client(self) -> Any:
        if self._client is None:
            self._client = self._package.Client(scheduler_file=str(self.file), set_as_default=False)
        return self._client

    def wait(self, workers: int) -> None:
        """Wait until exactly so many workers are there."""
        wait_until(lambda: len(self.client.nthreads()) == workers)

    def busy(self) -> dict[str, Any]:
        """Return the tasks that the scheduler has now, and the threads of walks in each worker."""
        tasks = self.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
        threads = self.client.run(walking_threads)
        return {"tasks": tasks, "threads": [name for names in threads.values() for name in names]}

    def is_clean(self) -> bool:
        return self.busy() == {"tasks": [], "threads": []}

    def wait_until_clean(self) -> None:
        wait_until(self.is_clean, TASKS + 3)  # 3 more: this machine has much else to do

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.close(timeout=2)
        for process in reversed(self._processes):
            end(process)


def walking_threads() -> list[str]:
    """Return the threads of scans in this process."""
    import threading

    return [thread.name for thread in threading.enumerate() if thread.name.startswith("scanner-")]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGCONT)
                child.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
