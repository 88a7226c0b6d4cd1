"""Statistics of a scan: counted from Chunks, and measured by the monitor."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Any

from scanner.model import Chunk, Fault, Path


class WorkerStats:
    """Statistics of one process.

    seconds  time spent reading directories, summed over all threads
    cpu      processor time within it; the rest is waiting
    """

    __slots__ = ("cpu", "directories", "entries", "seconds", "tasks")

    def __init__(self) -> None:
        self.tasks = self.directories = self.entries = 0
        self.seconds = self.cpu = 0.0

    def count(self, chunk: Chunk) -> None:
        self.tasks += 1
        self.directories += chunk.directories
        self.entries += chunk.entries
        self.seconds += chunk.seconds
        self.cpu += chunk.cpu


class ScanStats:
    """Statistics of one scan, live while it runs and final at its end.

    directories        directories listed completely
    entries            names read
    files              names that are not directories. In Python a symbolic link to a directory is one, as in `os.walk`;
                       in the shell it is not, as in `find`.
    tasks, retries     Tasks started, and operations repeated
    clamped_times      times before 1677-09-21 or after 2262-04-11, stored as the nearest value of 64 bits
    worker_deaths      workers that died and were replaced
    hung_directories   directories that exceeded `dir_timeout`
    abandoned_workers  workers that did not react to SIGKILL
    lost_protections   options without effect because no worker process could start: `dir_timeout`
    most_in_flight     largest number of directories read concurrently, and `pace`, the reason for it
    waiting_share      share of the reading time spent waiting, 0 to 1
    backend, start_method, max_workers
                       as used by the scan
    reader             `compiled` or `python`
    workers            WorkerStats by number of process; 0 is the calling process
    bytes_received     bytes from worker processes
    latencies          times to read a directory, by mount
    slowest            the slowest directories: seconds and path
    snapshot           figures of the snapshot that was written; empty without `store`
    cluster            scheduler, workers with names and hosts, deaths and departures; empty without `client`
    read_from          the snapshot that was read instead of the tree; empty for a scan of the tree
    resources          processor time and memory sampled by the monitor
    """

    def __init__(self, backend: str, max_workers: int, reader: str) -> None:
        self.backend = backend
        self.reader = reader
        self.start_method: str | None = None
        self.max_workers = max_workers
        self.directories = 0
        self.files = 0
        self.entries = 0
        self.tasks = 0
        self.retries = 0
        self.clamped_times = 0
        self.worker_deaths = 0
        self.hung_directories = 0
        self.abandoned_workers = 0
        self.lost_protections: list[str] = []
        self.most_in_flight = 0
        self.pace = ""
        self.workers: defaultdict[int, WorkerStats] = defaultdict(WorkerStats)
        self.bytes_received = 0
        self.errors: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.last_directory: Any = None
        self._resources: Callable[[], dict[str, Any]] = dict
        self.latencies: list[dict[str, Any]] = []
        self.slowest: list[tuple[float, Path]] = []
        self.snapshot: dict[str, Any] = {}
        self.cluster: dict[str, Any] = {}
        self.read_from: dict[str, Any] = {}
        self._started = time.monotonic()
        self._ended: float | None = None

    def count(self, chunk: Chunk) -> None:
        self.directories += chunk.directories
        self.files += chunk.files
        self.entries += chunk.entries
        self.retries += chunk.retries
        self.clamped_times += chunk.clamped
        self.workers[chunk.worker].count(chunk)
        if chunk.worker:
            self.bytes_received += chunk.size
        if chunk.leftovers:
            self.last_directory = chunk.leftovers[0]
        for fault in chunk.faults:
            if fault.is_error:
                self.add(fault)

    def add(self, fault: Fault) -> None:
        self.errors[fault.kind] += 1
        self.faults.append(fault)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle plain values only, without the running monitor."""
        return {**self.__dict__, "resources": self.resources, "_resources": dict}

    def finish(self) -> None:
        if self._ended is None:
            self._ended = time.monotonic()

    @cached_property
    def resources(self) -> dict[str, Any]:
        return self._resources()

    def measured(self, figures: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns `resources`, called on first use."""
        self._resources = figures

    @property
    def waiting_share(self) -> float:
        """The share of the reading time spent waiting, 0 to 1."""
        reading = sum(share.seconds for share in self.workers.values())
        return max(0.0, 1 - sum(share.cpu for share in self.workers.values()) / reading) if reading else 0.0

    @property
    def elapsed_seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    def __repr__(self) -> str:
        from scanner.shown import summary  # not needed otherwise

        return f"<ScanStats: {summary(self)}, backend {self.backend}, reader {self.reader}>"

    def _repr_html_(self) -> str:
        """Return a table for a notebook: all figures that are single values."""
        from scanner.shown import statistics_html  # not needed otherwise

        return statistics_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return all statistics as plain values."""
        elapsed = self.elapsed_seconds
        return {
            "scanned_directories": self.directories,
            "files": self.files,
            "entries": self.entries,
            "elapsed_seconds": elapsed,
            "directories_per_second": self.directories / elapsed if elapsed else 0.0,
            "entries_per_second": self.entries / elapsed if elapsed else 0.0,
            "backend": self.backend,
            "reader": self.reader,
            "start_method": self.start_method,
            "max_workers": self.max_workers,
            "tasks": self.tasks,
            "retries": self.retries,
            "clamped_times": self.clamped_times,
            "worker_deaths": self.worker_deaths,
            "hung_directories": self.hung_directories,
            "abandoned_workers": self.abandoned_workers,
            "lost_protections": self.lost_protections,
            "most_in_flight": self.most_in_flight,
            "pace": self.pace,
            "waiting_share": round(self.waiting_share, 3),
            "bytes_received": self.bytes_received,
            **({"cluster": self.cluster} if self.cluster else {}),
            "workers": [
                {
                    "process": f"worker {number}" if number else "coordinator",
                    "tasks": share.tasks,
                    "directories": share.directories,
                    "entries": share.entries,
                    "reading_seconds": round(share.seconds, 6),
                    "working_seconds": round(share.cpu, 6),
                }
                for number, share in sorted(self.workers.items())
            ],
            "errors": dict(self.errors),
            "latencies": self.latencies,
            "resources": self.resources,
        }
