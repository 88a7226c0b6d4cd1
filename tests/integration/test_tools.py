"""The tools beside the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.faultfs import FaultFS, unavailable
from tests.support.shell import ROOT


def profile(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """tools/profile_scan, in this environment."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "tools.profiling", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def shares(table: str) -> dict[str, dict[str, float]]:
    head, *rows = table.splitlines()
    names = head.split()
    return {
        row[:14].strip(): dict(zip(names, map(float, re.findall(r"[\d.]+", row[14:])), strict=True)) for row in rows
    }


def test_a_profile_of_a_list(trees: dict[str, Path], tmp_path: Path) -> None:
    result = profile("list", "--backend", "pool", "--workers", "2", "-o", tmp_path / "out", trees["monorepo"])
    assert result.returncode == 0
    measured = shares(result.stderr)
    assert set(measured) >= {"coordinator", "worker 1"}
    for row in measured.values():
        assert 99 < sum(row.values()) - row["seconds"] - row["threads"] < 101
        assert row["rest"] >= 0
    assert measured["worker 1"]["walk"] > 0
    assert measured["coordinator"]["sink"] > 0
    assert (tmp_path / "out").read_bytes().count(b"\n") > 100


def test_a_profile_of_tuples(trees: dict[str, Path]) -> None:
    measured = shares(profile("tuples", trees["monorepo"]).stderr)
    assert measured["coordinator"]["merge"] > 0
    assert measured["coordinator"]["walk"] == 0, "that is for the workers"


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_profile_of_what_waits(tmp_path: Path) -> None:
    """Also where many threads do."""
    (tmp_path / "mount").mkdir()
    with FaultFS(tmp_path / "mount", tree={"$": "synth", "fanout": [10, 10], "files": 3}, preset="nfs") as fs:
        fs.latency(5)
        measured = shares(profile("tuples", tmp_path / "mount").stderr)
    rows = [row for name, row in measured.items() if name != "coordinator"]
    assert max(row["threads"] for row in rows) > 1
    for row in rows:
        assert row["waiting"] > row["walk"] > 0
        assert row["rest"] >= 0


def test_the_readers_are_the_same_on_random_trees() -> None:
    """A few rounds; `tools/fuzz_reader.py --seconds 600 --seed N` for many."""
    command = [sys.executable, "-P", ROOT / "tools" / "fuzz_reader.py", "--seconds", "5", "--seed", "20"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    if "not built" in result.stderr:
        pytest.skip("there is no compiled reader")
    assert result.returncode == 0, result.stdout + result.stderr


def test_without_arguments_it_says_what_it_does() -> None:
    result = profile()
    assert result.returncode == 2
    assert "tools/profile_scan list" in result.stdout
