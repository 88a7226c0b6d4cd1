"""Running the command: as a user does, in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from scanner.cli.main import main
from tests.support.leaks import descendants

ROOT = Path(__file__).parents[2]
SCANNER = [sys.executable, "-P", "-m", "scanner"]
PATIENCE = 60
"""Seconds until a command that does not end is a failure."""


def run(*arguments: Any, **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SCANNER, *map(os.fspath, arguments)], capture_output=True, timeout=PATIENCE, check=False, **kwargs
    )


def call(*arguments: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command in this process, with the same result as `run`. It starts no interpreter, and imports once.

    For tests of what is written, in which start, locale, signals and end of the process play no part.
    """
    words = list(map(os.fsdecode, arguments))
    with (
        contextlib.chdir(cwd or "."), tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors,
        redirected(1, output), redirected(2, errors), open(1, "w", closefd=False) as stdout,
        open(2, "w", closefd=False) as stderr, contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr),
    ):  # fmt: skip
        try:
            code = main(words)
        except SystemExit as end:  # of argparse
            code = int(end.code or 0)
        stdout.flush()
        stderr.flush()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


@contextlib.contextmanager
def redirected(descriptor: int, target: IO[bytes]) -> Iterator[None]:
    """Let a file descriptor be another file."""
    saved = os.dup(descriptor)
    os.dup2(target.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


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
