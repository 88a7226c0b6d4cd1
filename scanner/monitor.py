"""Memory, CPU and I/O of the coordinator and its workers, sampled with psutil.

Sampled in the loop of the engine, because a thread would compete for the interpreter lock and make `fork` unsafe. Never
queries psutil for disks or mounts: such calls hang on a dead network mount.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeAlias

from scanner.options import resident_bytes

if TYPE_CHECKING:
    import psutil

INTERVAL = 0.1  # seconds between samples
ALONE = 0.5  # seconds before the first sample without workers: the import of psutil takes 15 ms, and threads wait
MOST_POINTS = 240  # of the time series: at twice this, two points become one, and the interval doubles

Sample: TypeAlias = tuple[float, dict[int, int], tuple[int, int, int]]
"""Seconds; bytes of each process; directories and entries so far, and the most directories read at a time."""


class SampledProcess:
    """The figures of one process. They stay when the process ends between two samples."""

    def __init__(self, name: str, handle: psutil.Process, since: float, *, warm: bool) -> None:
        """`warm`: the process is older than `since`, and counted from now on; otherwise from its start."""
        self.name = name
        self.handle = handle
        self._since = since
        self._first = self._last = time.time()
        self._rss_sum = self._samples = 0
        self.rss = self._rss_peak = 0
        self._user = self._system = 0.0
        self._io: dict[str, int] | None = None
        self._base = self._cpu() if warm else (0.0, 0.0)
        self._first = since if warm else max(handle.create_time(), since)  # which may be a second too early

    def charge_from(self, user: float, system: float) -> None:
        self._base = (user, system)

    def ended_at(self, when: float, user: float, system: float, rss: int) -> None:
        """Replace the last sample by the values at the end of the scan: the process has done other work since."""
        self._last, self.rss = when, rss
        self._rss_peak, self._rss_sum = rss, rss * self._samples
        self._user, self._system = user - self._base[0], system - self._base[1]

    def _cpu(self) -> tuple[float, float]:
        times = self.handle.cpu_times()
        return times.user, times.system

    def sample(self) -> None:
        """Raises psutil.Error when the process is gone."""
        with self.handle.oneshot():
            self.rss = self.handle.memory_info().rss
            user, system = self._cpu()
            self._io = _io_counters(self.handle)
        self._last = time.time()
        self._rss_peak = max(self._rss_peak, self.rss)
        self._rss_sum += self.rss
        self._samples += 1
        self._user, self._system = user - self._base[0], system - self._base[1]

    def figures(self) -> dict[str, Any]:
        seconds = max(self._last - self._first, 1e-9)
        return {
            "process": self.name,
            "pid": self.handle.pid,
            "peak_rss_bytes": self._rss_peak,
            "mean_rss_bytes": self._rss_sum // max(1, self._samples),
            "cpu_user_seconds": round(self._user, 3),
            "cpu_system_seconds": round(self._system, 3),
            "cpu_percent": round(100 * (self._user + self._system) / seconds, 1),
            "io": self._io,
        }


class Monitor:
    """Samples this process and those of `processes` (worker -> pid) at intervals."""

    def __init__(
        self,
        processes: Callable[[], dict[int, int]],
        counts: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0),
        warm: Collection[int] = (),
    ) -> None:
        """`counts`: directories and entries so far, and the most directories read at a time since the last call;
        `warm`: process numbers that existed before the scan.
        """
        self._processes = processes
        self._warm = frozenset(warm)
        self._counts = counts
        self._watched: dict[int, SampledProcess] = {}
        self._since = time.time()
        self._own_cpu = os.times()[:2]
        self._started = time.monotonic()
        self._interval = INTERVAL
        self._due = self._started + INTERVAL
        self._ended: tuple[float, tuple[float, float], int] | None = None
        """Seconds, processor time and memory of this process at the end of the scan."""
        self._peak_sum = 0
        self._series: list[Sample] = []
        if warm:  # their earlier work is not counted
            self.sample()

    def tick(self) -> None:
        """Take a sample if one is due."""
        now = time.monotonic()
        if now >= self._due and (self._series or now >= self._started + ALONE or self._processes()):
            self.sample()

    def end(self) -> None:
        """Take the last sample. A short scan without workers postpones it until `figures` is called; a scan of less
        than INTERVAL then reports the memory of that moment.

        Drops all references to the scan.
        """
        seconds = time.monotonic() - self._started
        self._ended = seconds, os.times()[:2], _resident() if seconds >= INTERVAL else 0
        if self._series or self._processes():
            self.sample()
        counts = self._counts()
        self._processes, self._counts = dict, lambda: counts

    def sample(self) -> None:
        now = time.monotonic()  # before the import, which takes time, also after the end of the scan
        try:
            import psutil  # 15 ms: only for scans with figures
        except (ImportError, OSError):  # no file descriptors left: no figures
            self._due = time.monotonic() + self._interval
            return
        present = self._present(psutil)
        memory: dict[int, int] = {}
        for watched in present:
            try:
                watched.sample()
                memory[watched.handle.pid] = watched.rss
            except psutil.Error:
                continue
        self._peak_sum = max(self._peak_sum, sum(memory.values()))
        self._series.append((round(now - self._started, 3), memory, self._counts()))
        if len(self._series) >= 2 * MOST_POINTS:
            self._series[:] = map(_merged, self._series[::2], self._series[1::2])
            self._interval *= 2
        self._due = now + self._interval

    def _present(self, psutil: Any) -> list[SampledProcess]:
        """Return the current processes, new ones included."""
        pids = {os.getpid(): "coordinator"}
        pids |= {pid: f"worker {slot}" for slot, pid in self._processes().items()}
        for pid, name in pids.items():
            if pid in self._watched:
                continue
            try:
                self._watched[pid] = SampledProcess(name, psutil.Process(pid), self._since, warm=pid in self._warm)
            except psutil.Error:
                continue
            if name == "coordinator":
                self._watched[pid].charge_from(*self._own_cpu)
        return [self._watched[pid] for pid in pids if pid in self._watched]

    @property
    def memory(self) -> int:
        """Bytes in all processes at the last sample."""
        return sum(self._series[-1][1].values()) if self._series else 0

    def figures(self) -> dict[str, Any]:
        """Return all samples as plain values: `processes`, `peak_rss_sum_bytes`, `series`."""
        if not self._series and self._ended is not None:
            self.sample()
            seconds, cpu, resident = self._ended
            for watched in self._watched.values():
                watched.ended_at(self._since + seconds, *cpu, resident or watched.rss)
            memory = {pid: watched.rss for pid, watched in self._watched.items()}
            self._peak_sum = sum(memory.values())
            self._series[:] = [(round(seconds, 3), memory, counts) for _, _, counts in self._series]
        return {
            "processes": [watched.figures() for watched in self._watched.values()],
            "peak_rss_sum_bytes": self._peak_sum,
            "series": [
                {
                    "seconds": seconds,
                    "directories": directories,
                    "entries": entries,
                    "in_flight": in_flight,
                    "processes": len(memory),
                    "rss_sum_bytes": sum(memory.values()),
                    "rss_bytes": [memory.get(pid) for pid in self._watched],  # in the order of `processes`
                }
                for seconds, memory, (directories, entries, in_flight) in self._series
            ],
        }


def _merged(before: Sample, after: Sample) -> Sample:
    """Return the second of two samples, with the peaks of both."""
    _, memory, (_, _, in_flight) = before
    seconds, later, (directories, entries, most) = after
    memory = max(memory, later, key=lambda each: sum(each.values()))
    return seconds, memory, (directories, entries, max(in_flight, most))


def _resident() -> int:
    """Return the resident bytes of this process; 0 where the system does not report them."""
    try:
        return resident_bytes()
    except OSError:
        return 0


def _io_counters(handle: psutil.Process) -> dict[str, int] | None:
    """Return the counts and bytes of read and write calls, where the system reports them."""
    counters = getattr(handle, "io_counters", None)
    if counters is None:
        return None
    try:
        return {name: int(value) for name, value in counters()._asdict().items()}
    except Exception:  # psutil.Error, or OSError where /proc/PID/io may not be read: figures are optional
        return None
