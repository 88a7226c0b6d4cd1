"""Charge real processes for the work they do during a scan, not before and after it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from scanner.monitor import INTERVAL, Monitor

BUSY = "while True: pass"
BYTES = 200 << 20


def no_workers() -> dict[int, int]:
    return {}


def spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def until_spent(pid: int, seconds: float) -> None:
    while spent(pid) < seconds:
        time.sleep(0.01)


@pytest.fixture
def busy() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as process:
        yield process.pid
        process.kill()


def test_a_worker_that_was_there_before_is_charged_for_what_it_does_meanwhile(busy: int) -> None:
    until_spent(busy, 0.3)
    before = spent(busy)
    monitor = Monitor(lambda: {1: busy}, warm=[busy])
    until_spent(busy, before + 0.3)
    monitor.end()
    (worker,) = [process for process in monitor.figures()["processes"] if process["pid"] == busy]
    charged = worker["cpu_user_seconds"] + worker["cpu_system_seconds"]
    assert 0.3 <= charged <= spent(busy) - before + 0.02  # ticks of the clock


def test_figures_of_a_short_scan_are_those_of_its_end_whenever_they_are_asked_for() -> None:
    monitor = Monitor(no_workers)
    time.sleep(INTERVAL)
    monitor.end()
    at_its_end = psutil.Process().memory_info().rss
    kept = bytearray(BYTES)
    kept[:: 1 << 12] = b"x" * (BYTES >> 12)  # in memory, and not only promised
    deadline = time.process_time() + 0.3
    while time.process_time() < deadline:
        pass
    figures = monitor.figures()
    (process,), (sample,) = figures["processes"], figures["series"]
    assert process["peak_rss_bytes"] == process["mean_rss_bytes"] == figures["peak_rss_sum_bytes"]
    assert process["peak_rss_bytes"] < at_its_end + BYTES // 2
    assert process["cpu_user_seconds"] + process["cpu_system_seconds"] < 0.3
    assert process["cpu_percent"] <= 100 * 0.3 / INTERVAL
    assert sample["rss_bytes"] == [process["peak_rss_bytes"]]


def test_this_process_alone_is_not_sampled_at_once() -> None:
    monitor = Monitor(no_workers)
    time.sleep(2 * INTERVAL)
    monitor.tick()
    assert monitor.memory == 0


def test_workers_are_sampled_at_once(busy: int) -> None:
    monitor = Monitor(lambda: {1: busy})
    time.sleep(2 * INTERVAL)
    monitor.tick()
    assert monitor.memory > 0
