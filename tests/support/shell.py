"""Running the command as a user does: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

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


def until_scanning(process: subprocess.Popen[bytes], workers: int = 0) -> None:
    """Wait until an endless scan is under way: `workers` children run, and more processor time is used than by a start.

    The time is that of the processor, so that a busy machine only makes the wait longer.
    """
    family = [psutil.Process(process.pid)]
    deadline = time.monotonic() + PATIENCE
    while len(family) <= workers or sum(map(processor_seconds, family)) < 0.4 + 0.2 * workers:
        assert process.poll() is None, "the scan ended"
        assert time.monotonic() < deadline, "the scan does not begin"
        time.sleep(0.02)
        family[1:] = family[0].children(recursive=True)


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
