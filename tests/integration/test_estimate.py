"""`scanner estimate`: exact for small trees, an interval for large ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner import estimates
from scanner.errors import OptionError
from scanner.estimates import Estimate, Samples
from scanner.options import ScanOptions
from scanner.sampling import Range
from tests.support.faultfs import FaultFS, unavailable
from tests.support.shell import SCANNER, call, run
from tools.make_tree import make_tree


def truth(top: Path) -> tuple[int, int, int]:
    """Directories, entries and bytes."""
    walked = list(os.walk(top))
    entries = [os.path.join(root, name) for root, dirs, files in walked for name in dirs + files]
    others = [path for path in entries if os.path.islink(path) or not os.path.isdir(path)]
    return len(walked), len(entries), sum(os.lstat(path).st_size for path in others)


def of(estimate: Estimate) -> tuple[Range, Range, Range]:
    return estimate.directories, estimate.entries, estimate.bytes


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With bytes, links, and a directory that is read in several parts."""
    top = tmp_path_factory.mktemp("estimate") / "top"
    make_tree("monorepo", top, 300, 3000)
    for number, path in enumerate(sorted(top.rglob("*.py"))[:50]):
        path.write_bytes(b"x" * number)
    (top / "link").symlink_to(".")
    return top


def test_a_small_tree_is_counted(tree: Path, backend: dict[str, Any]) -> None:
    found = scanner.estimate(tree, **backend)
    assert found.is_exact
    assert of(found) == tuple(Range(count, count, count) for count in truth(tree))
    assert (found.unreadable, found.read) == (0, found.directories.value)
    assert found.seconds.is_exact


def test_single_directories_are_read_as_a_scan_reads_them(
    tree: Path, backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without time for the scan, samples reach all directories, and count the same."""
    monkeypatch.setattr(estimates, "FIRST", 1e-9)
    found = scanner.estimate(str(tree), 60, **backend)
    assert of(found) == tuple(Range(count, count, count) for count in truth(tree))


def test_a_huge_directory_is_one(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"12345")
    options = ScanOptions(stat=("size",), max_rate=5000)  # parts of 500 entries
    with Samples([str(tmp_path)], options._replace(max_rate=100.0), time.monotonic() + 60, None) as samples:
        assert samples.read([str(tmp_path)]) == [estimates.Found(51, 250, [f"{tmp_path}/d"])]


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_tree_without_an_end_has_an_interval_or_a_least(tmp_path: Path) -> None:
    tree = {"$": "synth", "fanout": [30] * 4, "files": 8}
    with FaultFS(tmp_path / "m", tree=tree, preset="nfs") as fs:
        found = scanner.estimate(fs.mnt, 3)
    assert not found.is_exact
    assert 1 <= found.entries.low <= found.entries.value  # how often they hold the truth: test_sampling
    assert found.entries.high is None or found.entries.value <= found.entries.high
    assert found.seconds.low > 1


def test_limits_and_filters_hold(tree: Path) -> None:
    found = scanner.estimate(tree, exclude="*", max_rate=1000)
    assert [each.value for each in of(found)] == [1, 0, 0]


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": True}, {"timeout": 3}, {"stat": True}, {"store": "x"}])
def test_wrong_arguments(tree: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"seconds|timeout"):
        scanner.estimate(tree, **wrong)


def test_in_the_shell(tree: Path) -> None:
    directories, entries, size = truth(tree)
    lines = call("estimate", tree).stdout.decode().splitlines()
    assert lines[1:3] == [f"Directories   {directories:,} (exact)", f"Entries       {entries:,} (exact)"]
    assert lines[-1].startswith("Read          the whole tree in ")
    found = json.loads(call("estimate", "--seconds", "30", "--json", tree).stdout)
    assert (found["exact"], found["root"], found["read"]) == (True, str(tree), directories)
    assert found["bytes"] == {"value": size, "low": size, "high": size}


def test_an_estimate_for_people() -> None:
    from scanner.cli.estimate import lines_of

    some, open_end = Range(1000, 800, 1300), Range(5000, 4000, None)
    lines = list(lines_of("/srv", Estimate(some, open_end, Range(2048, 1024, 4096), Range(600, 500, 900), 7, 2, 60)))
    assert lines == [
        "Root          /srv", "Directories   about 1,000 (800 to 1,300)",
        "Entries       4,000 or more; more --seconds are needed", "Bytes         about 2 KiB (1 KiB to 4 KiB)",
        "Full scan     about 10 min (8 min to 15 min), with sizes", "Read          7 directories in 60 s",
        "Unreadable    2",
    ]  # fmt: skip


def test_the_figures_of_a_snapshot(tree: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.snap"
    call("scan", "--sizes", "--store", store, tree)
    text = call("estimate", "--from", store).stdout.decode()
    assert f"Entries       {truth(tree)[1]:,}\n" in text
    assert json.loads(call("estimate", "--json", "--from", store).stdout)["number"] == 1
    assert call("estimate", "--from", store, tree).returncode == 2


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    result = run("estimate", tmp_path / "nothing")
    assert (result.returncode, result.stdout) == (3, b"")
    assert b"cannot scan" in result.stderr


def test_a_signal_ends_it() -> None:
    with subprocess.Popen([*SCANNER, "estimate", "--max-rate", "50", "/usr"], stdout=subprocess.PIPE) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == b""
    assert process.returncode == -signal.SIGINT
