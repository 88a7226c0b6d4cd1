"""Running the command as a user does: a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.support.leaks import descendants

ROOT = Path(__file__).parents[2]
SCANNER = [sys.executable, "-P", "-m", "scanner"]
PATIENCE = 60
"""Seconds until a command that does not end is a failure."""


def run(*arguments: Any, **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SCANNER, *map(os.fspath, arguments)], capture_output=True, timeout=PATIENCE, check=False, **kwargs
    )


def start(*arguments: Any, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """The command in the background, the leader of a session of its own."""
    command = [*SCANNER, *map(os.fspath, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True)


def until_scanning(process: subprocess.Popen[bytes], tree: Path, workers: int = 0) -> None:
    """Wait until an endless scan is under way: `workers` children, or else the process itself, read directories."""
    readers: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while len(readers) < max(1, workers):
        assert process.poll() is None, "the scan ended"
        assert time.monotonic() < deadline, "the scan does not begin"
        time.sleep(0.005)
        pids = descendants(process.pid) if workers else {process.pid}
        readers |= {pid for pid in pids if has_open_below(pid, tree)}


def has_open_below(pid: int, tree: Path) -> bool:
    """Return whether a process has a directory of `tree` open at this moment."""
    descriptors = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended, or closed the file
        return any(os.readlink(f"{descriptors}/{name}").startswith(f"{tree}/") for name in os.listdir(descriptors))
    return False


def processor_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def as_user(*arguments: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command without the right to read everything, also where the tests run as root."""
    command = [*SCANNER, *map(os.fspath, arguments)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
