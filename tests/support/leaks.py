"""What a test or a scan has left behind: processes, threads, descriptors."""

from __future__ import annotations

import gc
import os
import threading
import time

import psutil

PATIENCE = 30  # seconds, only where something is left


def present() -> dict[str, set[str]]:
    """What there is now, for `left_since`."""
    return {
        "processes": {str(child.pid) for child in psutil.Process().children(recursive=True)},
        "threads": {thread.name for thread in threading.enumerate()},
        "descriptors": _descriptors(),
    }


def left_since(before: dict[str, set[str]]) -> list[str]:
    """What was not there before, and does not go in a few seconds: what ends by itself may take its time."""
    deadline = time.monotonic() + PATIENCE
    while (left := _new_since(before)) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    return left


def _new_since(before: dict[str, set[str]]) -> list[str]:
    """What was not there before. The resource tracker is Python's own."""
    left = [f"thread {name}" for name in {t.name for t in threading.enumerate()} - before["threads"]]
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            if str(child.pid) not in before["processes"] and "resource_tracker" not in command:
                left.append(f"process {child.pid} {child.status()} {command}")
        except psutil.NoSuchProcess:
            continue
    left += [f"descriptor {name}" for name in _descriptors() - before["descriptors"]]
    return [item for item in left if "asyncio" not in item]


def _descriptors() -> set[str]:
    """Open descriptors and what they are, without the pipe to the resource tracker."""
    from multiprocessing import resource_tracker

    tracker = resource_tracker._resource_tracker._fd
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if int(name) != tracker:
            found.add(f"{name} -> {target}")
    return found
