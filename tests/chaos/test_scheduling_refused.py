"""Calls about priorities and processors that the system refuses (seccomp, gVisor): the scan is done all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.seccomp import SCHEDULING
from tests.support.shell import ROOT, SCANNER

pytestmark = pytest.mark.skipif(not SCHEDULING, reason="numbers of system calls are not known here")

PROGRAM = """
import os, sys
import scanner
nice, backend, method = sys.argv[2:]
for _ in range(2):
    result = scanner.scan(sys.argv[1], nice=nice == "nice", backend=backend, start_method=method or None)
    assert result == list(os.walk(sys.argv[1])), "the result"
    assert result.errors == []
"""


def refusing(error: str, *command: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.support.seccomp", error, *map(str, command)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    if "no seccomp" in done.stderr:
        pytest.skip(done.stderr)
    return done


def assert_logged_once(messages: str) -> None:
    lines = messages.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("nice: cannot lower the priority for the processor and the disk (")


@pytest.mark.parametrize("method", ["", "fork", "forkserver", "spawn"])
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_nice_where_priorities_cannot_be_set(error: str, method: str, trees: dict[str, Path]) -> None:
    done = refusing(error, sys.executable, "-c", PROGRAM, trees["odd"], "nice", "pool", method)
    assert done.returncode == 0, done.stderr
    assert_logged_once(done.stderr)


@pytest.mark.parametrize("backend", ["serial", "auto", "pool"])
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_the_number_of_processors_where_it_is_unavailable(error: str, backend: str, trees: dict[str, Path]) -> None:
    done = refusing(error, sys.executable, "-c", PROGRAM, trees["odd"], "", backend, "")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [["list"], ["scan"], ["du"]], ids=str)
@pytest.mark.parametrize("backend", ["serial", "auto", "pool"])
def test_the_command_where_priorities_cannot_be_set(command: list[str], backend: str, trees: dict[str, Path]) -> None:
    done = refusing("ENOSYS", *SCANNER, *command, "--nice", "--backend", backend, trees["skewed"])
    assert done.returncode == 0
    assert os.fspath(trees["skewed"]) in done.stdout
    assert_logged_once(done.stderr)


@pytest.mark.skipif(shutil.which("ionice") is None, reason="no ionice here")
@pytest.mark.parametrize("level", [["-c2", "-n6"], ["-c3"], []], ids=["best effort", "idle", "none"])
def test_the_callers_own_priority_stays_as_it_is(level: list[str], tmp_path: Path) -> None:
    script = """
import psutil, scanner, sys
def priority():
    disk = psutil.Process().ionice()
    return disk.ioclass, disk.ioclass != psutil.IOPRIO_CLASS_IDLE and disk.value, psutil.Process().nice()
before = priority()
scanner.scan(sys.argv[1], nice=True, backend="pool", max_workers=1)
assert priority() == before, (priority(), before)
"""
    prefix = ["ionice", *level] if level else []
    subprocess.run([*prefix, sys.executable, "-c", script, tmp_path], check=True, timeout=60)
