"""What a test or a scan has left behind: processes, threads, descriptors."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time

import psutil

PATIENCE = 30  # seconds, only where something is left
CAN_LIST_CHILDREN = os.path.exists("/proc/thread-self/children")


def present() -> dict[str, set[str]]:
    """What there is now, for `left_since`."""
    return {
        "processes": {str(pid) for pid in descendants(os.getpid())},
        "threads": {thread.name for thread in threading.enumerate()},
        "descriptors": _descriptors(),
    }


def left_since(before: dict[str, set[str]], *, but: tuple[str, ...] = ("asyncio",)) -> list[str]:
    """What was not there before, and does not go in a few seconds: what ends by itself may take its time.

    `but`: words of what may stay.
    """
    deadline = time.monotonic() + PATIENCE
    while (left := _new_since(before, but)) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    return left


def _new_since(before: dict[str, set[str]], but: tuple[str, ...]) -> list[str]:
    """What was not there before. The resource tracker is Python's own."""
    left = [f"thread {name}" for name in {t.name for t in threading.enumerate()} - before["threads"]]
    for pid in descendants(os.getpid()):
        try:
            if str(pid) not in before["processes"]:
                child = psutil.Process(pid)
                command = " ".join(child.cmdline())
                if "resource_tracker" not in command:
                    left.append(f"process {pid} {child.status()} {command}")
        except psutil.NoSuchProcess:
            continue
    left += [f"descriptor {name}" for name in _descriptors() - before["descriptors"]]
    return [item for item in left if not any(word in item for word in but)]


def descendants(pid: int) -> set[int]:
    """Return the process ids of all descendants of a process.

    The kernel lists the children of each thread. psutil reads the state of every process of the machine instead, which
    takes 30 times as long. A child that ends meanwhile can hide another one: two equal results in a row are needed.
    """
    if not CAN_LIST_CHILDREN:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    previous = None
    while (found := _listed_below(pid)) != previous:
        previous = found
    return found


def _listed_below(pid: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with (
                contextlib.suppress(FileNotFoundError, ProcessLookupError),  # the thread has ended
                open(f"/proc/{pid}/task/{thread}/children") as children,
            ):
                found.update(map(int, children.read().split()))
    return found.union(*map(_listed_below, found))


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
