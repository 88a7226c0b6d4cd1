"""Run a program in a fresh process: time, processor time, memory, system calls."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.programs import Program

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_EVERY = 0.02  # seconds
PATIENCE = 900  # seconds: time limit of one run
SETTLING = 0.2  # seconds to wait after dropping caches


class Failed(Exception):
    """A program failed, or its result is wrong."""


class Sample(NamedTuple):
    """`seconds` of the compared part. `cpu`: processor seconds of the process and its children. `extra`: other figures
    that the program printed.
    """

    seconds: float
    cpu: float
    extra: dict[str, Any]


class Runner:
    """Run programs. `package`: the directory of the measured `scanner`. `out`: file for their output."""

    def __init__(self, package: Path, out: Path) -> None:
        self.package = package
        self.out = out
        self._environment = {**os.environ, "PYTHONPATH": str(package)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled modules
        self._environment.pop("SCANNER_PURE", None)

    def environment(self, program: Program) -> dict[str, str]:
        return {**self._environment, **program.environment}

    def _start(self, command: list[str], program: Program, target: Any, errors: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdout=target, stderr=errors, env=self.environment(program), cwd=self.out.parent
        )

    def run(self, program: Program) -> Sample:
        if program.writes:
            Path(program.writes).unlink(missing_ok=True)
        with open(self.out, "wb") as target, tempfile.TemporaryFile() as errors:
            started = time.perf_counter()
            process = self._start(program.command, program, target, errors)
            with killed_after(PATIENCE, process):
                _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            self._check(program, process, errors)
        extra = json.loads(self.out.read_bytes()) if program.inside else {}
        return Sample(extra.pop("seconds", seconds), used.ru_utime + used.ru_stime, extra)

    def _check(self, program: Program, process: subprocess.Popen[bytes], errors: Any) -> None:
        if process.returncode:
            errors.seek(0)
            message = errors.read().decode(errors="replace").strip()
            raise Failed(f"{program.name}: exit code {process.returncode}: {message[-400:]}")

    def weigh(self, program: Program) -> tuple[int, list[tuple[float, int]]] | None:
        """Return the peak and the series of the memory of all processes together, or None without PSS or samples.

        PSS counts pages shared by forked processes once.
        """
        series: list[tuple[float, int]] = []
        over = threading.Event()
        with open(self.out, "wb") as target, tempfile.TemporaryFile() as errors:
            process = self._start(program.command, program, target, errors)
            top = psutil.Process(process.pid)  # safe: the process is not reaped before wait()
            watcher = threading.Thread(target=watch, args=(top, series, over))
            watcher.start()
            with killed_after(PATIENCE, process):
                process.wait()
            over.set()
            watcher.join()
            self._check(program, process, errors)
        return (max(size for _, size in series), series) if series else None

    def count_calls(self, program: Program) -> int | None:
        """Return the number of system calls of all processes; None without perf or strace."""
        with tempfile.NamedTemporaryFile() as log, open(self.out, "wb") as target, tempfile.TemporaryFile() as errors:
            for counter in (perf, strace):
                command = counter(log.name, program.command)
                if command is None:
                    continue
                process = self._start(command, program, target, errors)
                with killed_after(PATIENCE, process):
                    done = process.wait() == 0
                if done and (count := counted(Path(log.name).read_text())) is not None:
                    return count
        return None

    def shown(self, program: Program, top: str) -> set[bytes]:
        """Return the paths, or lines with paths, that a program prints, without the root and trailing slashes."""
        assert program.shows is not None
        result = subprocess.run(
            program.shows, capture_output=True, check=False, timeout=PATIENCE,
            env=self.environment(program), cwd=self.out.parent,
        )  # fmt: skip
        if result.returncode:
            raise Failed(
                f"{program.name}: exit code {result.returncode}: {result.stderr.decode(errors='replace')[-400:]}"
            )
        root = os.fsencode(top)
        return {line.rstrip(b"/") for line in result.stdout.split(b"\0")} - {root, b""}


@contextlib.contextmanager
def killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process that hangs, so that it counts as failed."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def watch(top: psutil.Process, series: list[tuple[float, int]], over: threading.Event) -> None:
    started = time.perf_counter()
    while not over.wait(SAMPLE_EVERY):
        total = 0
        try:
            for process in (top, *top.children(recursive=True)):
                total += process.memory_full_info().pss
        except (psutil.Error, AttributeError):  # the process ended, or the system has no PSS
            continue
        series.append((round(time.perf_counter() - started, 3), total))


def perf(log: str, command: list[str]) -> list[str] | None:
    if (tool := shutil.which("perf")) is None:
        return None
    return [tool, "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", log, "--", *command]


def strace(log: str, command: list[str]) -> list[str] | None:
    if (tool := shutil.which("strace")) is None:
        return None
    return [tool, "-f", "-c", "-o", log, *command]


def counted(text: str) -> int | None:
    """Return the number of calls from the output of perf or strace."""
    end = 0  # end of the column of calls: other columns may be empty
    for line in text.splitlines():
        if ",raw_syscalls:sys_enter" in line and (first := line.partition(",")[0]).isdigit():
            return int(first)
        if line.startswith("% time"):
            end = line.index(" calls") + len(" calls")
        if end and line.endswith(" total"):
            return int(line[:end].split()[-1])
    return None


def drop_caches() -> None:
    """Drop the kernel's cache of names, and wait until FUSE servers have noticed."""
    with contextlib.suppress(OSError):  # not root: then only what the mount does not cache is cold
        Path("/proc/sys/vm/drop_caches").write_text("2")
        time.sleep(SETTLING)
