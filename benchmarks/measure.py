"""One run of a program in a fresh process: time, processor, memory, system calls."""

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
PATIENCE = 900  # seconds for one run
SETTLING = 0.2  # seconds after caches were emptied


class Failed(Exception):
    """A program could not be run, or what it says is wrong."""


class Sample(NamedTuple):
    """`seconds` of what is compared; `cpu` of the whole process and those it has waited for."""

    seconds: float
    cpu: float
    told: dict[str, Any]


class Runner:
    """`package`: the directory whose `scanner` is measured; `out`: a file for what programs print."""

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
        told = json.loads(self.out.read_bytes()) if program.inside else {}
        return Sample(told.pop("seconds", seconds), used.ru_utime + used.ru_stime, told)

    def _check(self, program: Program, process: subprocess.Popen[bytes], errors: Any) -> None:
        if process.returncode:
            errors.seek(0)
            message = errors.read().decode(errors="replace").strip()
            raise Failed(f"{program.name}: exit code {process.returncode}: {message[-400:]}")

    def weigh(self, program: Program) -> tuple[int, list[tuple[float, int]]] | None:
        """Peak of the memory of all its processes together, and how it went. What forked processes share with each
        other counts once (PSS, not RSS). None where that cannot be told, or it was over too soon.
        """
        series: list[tuple[float, int]] = []
        over = threading.Event()
        with open(self.out, "wb") as target, tempfile.TemporaryFile() as errors:
            process = self._start(program.command, program, target, errors)
            top = psutil.Process(process.pid)  # here, where it cannot be gone: nobody has waited for it yet
            watcher = threading.Thread(target=watch, args=(top, series, over))
            watcher.start()
            with killed_after(PATIENCE, process):
                process.wait()
            over.set()
            watcher.join()
            self._check(program, process, errors)
        return (max(size for _, size in series), series) if series else None

    def count_calls(self, program: Program) -> int | None:
        """System calls of all its processes; None where nothing counts them."""
        with tempfile.NamedTemporaryFile() as told, open(self.out, "wb") as target, tempfile.TemporaryFile() as errors:
            for counter in (perf, strace):
                command = counter(told.name, program.command)
                if command is None:
                    continue
                process = self._start(command, program, target, errors)
                with killed_after(PATIENCE, process):
                    done = process.wait() == 0
                if done and (count := counted(Path(told.name).read_text())) is not None:
                    return count
        return None

    def shown(self, program: Program, top: str) -> set[bytes]:
        """What it finds: paths, or lines with them. Without the root itself and without slashes at the end, which some
        print.
        """
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
    """So that one that hangs is a failure, and no more."""
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
        except (psutil.Error, AttributeError):  # it ends; or a system without PSS
            continue
        series.append((round(time.perf_counter() - started, 3), total))


def perf(told: str, command: list[str]) -> list[str] | None:
    if (tool := shutil.which("perf")) is None:
        return None
    return [tool, "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", told, "--", *command]


def strace(told: str, command: list[str]) -> list[str] | None:
    if (tool := shutil.which("strace")) is None:
        return None
    return [tool, "-f", "-c", "-o", told, *command]


def counted(text: str) -> int | None:
    """The number in what perf or strace have written."""
    end = 0  # of the column of calls: another one may be empty
    for line in text.splitlines():
        if ",raw_syscalls:sys_enter" in line and (first := line.partition(",")[0]).isdigit():
            return int(first)
        if line.startswith("% time"):
            end = line.index(" calls") + len(" calls")
        if end and line.endswith(" total"):
            return int(line[:end].split()[-1])
    return None


def drop_caches() -> None:
    """Have the kernel forget names, and servers of slow file systems take note of that before anything is timed."""
    with contextlib.suppress(OSError):  # not root: what the mount itself does not cache is cold anyway
        Path("/proc/sys/vm/drop_caches").write_text("2")
        time.sleep(SETTLING)
