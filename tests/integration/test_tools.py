"""The tools beside the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
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


@pytest.mark.alone
def test_a_profile_of_a_list(trees: dict[str, Path], tmp_path: Path) -> None:
    padded = ("--template", "{path:>4096}{path:>4096}")  # 40 MB: the share of writing them does not round to 0
    result = profile("list", "--backend", "pool", *padded, "--workers", "2", "-o", tmp_path / "out", trees["monorepo"])
    assert result.returncode == 0
    measured = shares(result.stderr)
    assert set(measured) >= {"coordinator", "worker 1"}
    for row in measured.values():
        assert 99 < sum(row.values()) - row["seconds"] - row["threads"] < 101
        assert row["rest"] >= 0
    assert measured["worker 1"]["walk"] > 0
    assert measured["coordinator"]["write"] > 0
    assert (tmp_path / "out").read_bytes().count(b"\n") > 100


@pytest.mark.alone
def test_a_profile_of_tuples(trees: dict[str, Path]) -> None:
    measured = shares(profile("tuples", trees["monorepo"]).stderr)
    assert measured["coordinator"]["merge"] > 0
    assert measured["coordinator"]["walk"] == 0, "that is for the workers"


@pytest.mark.alone
@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_profile_of_a_slow_file_system(tmp_path: Path) -> None:
    """Many threads wait."""
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


def test_without_arguments_profile_scan_prints_its_usage() -> None:
    result = profile()
    assert result.returncode == 2
    assert "tools/profile_scan list" in result.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout without what is built."""
    built = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "*.so", "*.egg-info", ".*_cache")
    copy = Path(shutil.copytree(ROOT, tmp_path / "checkout", ignore=built, symlinks=True))
    for name in ("build", "dist"):
        shutil.rmtree(copy / name, ignore_errors=True)
    return copy


@pytest.fixture
def no_compiler(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH holds every program of this machine but compilers."""
    (tmp_path / "bin").mkdir()
    for directory in reversed(os.environ["PATH"].split(":")):
        for program in Path(directory).glob("*"):
            if not re.search(r"(^|-)(cc|c[89]9|gcc|g\+\+|c\+\+|clang|cpp|tcc)\b", program.name):
                (tmp_path / "bin" / program.name).unlink(missing_ok=True)
                (tmp_path / "bin" / program.name).symlink_to(program)
    return {**os.environ, "PATH": str(tmp_path / "bin")}


def scan_twice(checkout: Path, environment: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    command = [checkout / "tools" / "run", "scan", checkout / "docs"]
    return [
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHON": sys.executable, **environment}
        )
        for _ in "ab"
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="the compiled reader requires Linux")
def test_a_missing_compiler_is_reported_once(checkout: Path, no_compiler: dict[str, str]) -> None:
    first, second = scan_twice(checkout, no_compiler)
    (line,) = (line for line in first.stderr.splitlines() if "slower reader" in line)
    assert "gcc" in line
    assert "python reader" in first.stdout
    assert second.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_package_is_built_and_works_on_each_python(checkout: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [checkout / "tools" / "build", tmp_path / "dist"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (tmp_path / "dist").iterdir()}
    assert {name.partition("-0")[0] for name in names} == {"parallel_scanner"}
    if sys.platform == "linux":
        assert any("-cp311-abi3-linux_" in name for name in names)
    assert any("-py3-none-any" in name for name in names)
    assert result.stdout.count(": ok\n") >= len(names)
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held >= {"CHANGELOG.md", "docs/README.md", "tools/build", "tests/conftest.py", "benchmarks/suite.py"}


def test_build_refuses_a_directory_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "old.whl").touch()
    result = subprocess.run([ROOT / "tools" / "build", tmp_path], capture_output=True, text=True, check=False)
    message = f"build: {tmp_path} is not empty: remove it, or name another directory\n"
    assert (result.returncode, result.stderr) == (2, message)
