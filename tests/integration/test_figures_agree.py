"""Consistency of the figures in a report: relations that hold for every scan, checked on random ones."""

from __future__ import annotations

import json
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest

from scanner.report.text import facts
from tests.support.faultfs import FaultFS, unavailable
from tests.support.shell import run

WAYS = [
    ["--backend", "serial"], [], ["--backend", "pool", "--workers", "2"], ["--backend", "pool", "--workers", "3"],
    ["--max-in-flight", "5"],
]  # fmt: skip
ROUNDING = 2e-6
DAY = 86_400 * 10**9


def report_of(*arguments: Any) -> dict[str, Any]:
    result = run("scan", *arguments, "--json")
    assert result.returncode in (0, 1), result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def check(report: dict[str, Any]) -> None:
    """Check the relations that hold for every scan."""
    unread = sum(fault["operation"] in ("open", "read") and not fault["partial"] for fault in report["faults"])
    partial = sum(fault["partial"] for fault in report["faults"])
    check_work(report)
    check_latencies(report, report["scanned_directories"] + unread + partial)
    check_series(report)
    assert sum(report["errors"].values()) == len(report["faults"])
    names = report["names"]
    assert sum(each["files"] for each in names["by_depth"]) == report["files"]
    assert sum(each["directories"] for each in names["by_depth"]) == report["scanned_directories"] + partial
    assert sum(each["files"] for each in names["by_suffix"]) <= report["files"]
    entries = [each["entries"] for each in names["largest_directories"]]
    assert entries == sorted(entries, reverse=True)
    assert sum(entries) <= report["entries"]
    if "sizes" in report:
        check_sizes(report["sizes"])
    text = dict(facts(report))
    share = re.search(r"waiting (\d+)% of the time", text.get("In flight", ""))
    assert share is None or not (re.search("nearly all|most of it|all of it", text["In flight"]) and int(share[1]) < 90)


def check_work(report: dict[str, Any]) -> None:
    workers, elapsed = report["workers"], report["elapsed_seconds"]
    for name, total in (("entries", "entries"), ("directories", "scanned_directories"), ("tasks", "tasks")):
        did = sum(worker[name] for worker in workers)
        assert did == report[total] or (name == "tasks" and report["worker_deaths"]), name
    for worker in workers:
        assert worker["working_seconds"] <= worker["reading_seconds"] * 1.01 + 0.02
    reading, working = (sum(worker[f"{what}_seconds"] for worker in workers) for what in ("reading", "working"))
    expected = max(0.0, 1 - working / reading) if reading else 0.0
    assert report["waiting_share"] == pytest.approx(expected, abs=2e-3)
    assert report["directories_per_second"] * elapsed == pytest.approx(report["scanned_directories"])
    assert report["entries_per_second"] * elapsed == pytest.approx(report["entries"])
    assert 0 <= report["most_in_flight"] <= report["tasks"]


def check_latencies(report: dict[str, Any], visited: int) -> None:
    assert sum(each["directories"] for each in report["latencies"]) == visited
    for each in report["latencies"]:
        assert (
            0 <= each["p50_seconds"] <= each["p95_seconds"] <= each["max_seconds"] <= report["elapsed_seconds"] + 0.01
        )
    slowest = [each["seconds"] for each in report["slowest_directories"]]
    assert slowest == sorted(slowest, reverse=True)
    assert max(slowest, default=0.0) == max(each["max_seconds"] for each in report["latencies"])


def check_series(report: dict[str, Any]) -> None:
    resources = report["resources"]
    series, processes = resources["series"], resources["processes"]
    assert max(point["in_flight"] for point in series) == report["most_in_flight"]
    assert max(point["rss_sum_bytes"] for point in series) == resources["peak_rss_sum_bytes"]
    last = series[-1]
    assert (last["directories"], last["entries"]) == (report["scanned_directories"], report["entries"])
    assert last["seconds"] <= report["elapsed_seconds"] + 0.01
    for name in ("seconds", "directories", "entries"):
        assert [point[name] for point in series] == sorted(point[name] for point in series)
    for point in series:
        assert point["rss_sum_bytes"] == sum(rss for rss in point["rss_bytes"] if rss is not None)
        assert point["processes"] == sum(rss is not None for rss in point["rss_bytes"])
    for process in processes:
        assert process["mean_rss_bytes"] <= process["peak_rss_bytes"] <= resources["peak_rss_sum_bytes"]


def check_sizes(sizes: dict[str, Any]) -> None:
    files = sizes["types"].get("files", 0)
    size = sum(each["bytes"] for each in sizes["by_size"])
    for part in ("by_size", "by_age", "by_suffix"):
        assert sum(each["files"] for each in sizes[part]) == files, part
        assert sum(each["bytes"] for each in sizes[part]) == size, part
    assert size <= sizes["apparent_bytes"]
    assert sum(each["entries"] for each in sizes["by_owner"]) == sum(sizes["types"].values())
    assert sum(each["disk_bytes"] for each in sizes["by_owner"]) == sizes["disk_bytes"]
    largest = [each["bytes"] for each in sizes["largest_files"]]
    assert largest == sorted(largest, reverse=True)
    assert len(largest) == min(10, files)
    for each in sizes["largest_directories"]:
        assert each["own_disk_bytes"] <= each["disk_bytes"] <= sizes["disk_bytes"]


def grow(rng: random.Random, top: Path) -> None:
    """Make a random tree: directories, files of any age with several names, symbolic links, a huge directory."""
    places, files = [top], []
    top.mkdir()
    for number in range(rng.randrange(1, 150)):
        places.append(rng.choice(places) / f"d{number}")
        places[-1].mkdir()
    for number in range(rng.randrange(400)):
        path = rng.choice(places) / f"f{number}{rng.choice(('', '.a', '.b.c'))}"
        path.write_bytes(b"x" * rng.choice((0, 1, 5000)))
        when = time.time_ns() - rng.choice((0, 5, 400, 4000, -1000)) * DAY
        os.utime(path, ns=(when, when))
        files.append(path)
    for number, path in enumerate(rng.sample(files, len(files) // 4)):
        (rng.choice(places) / f"h{number}.d").hardlink_to(path)
    (top / "link").symlink_to("d0")
    if rng.random() < 0.2:
        flat = rng.choice(places) / "flat"
        flat.mkdir()
        for number in range(rng.randrange(10_000, 25_000)):
            os.mknod(flat / str(number))


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 20))]


@pytest.mark.alone
@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_random_scans_agree(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    grow(rng, tmp_path / "top")
    for way in WAYS:
        sizes = ["--sizes"] if rng.random() < 0.7 else []
        check(report_of(*way, *sizes, tmp_path / "top"))


@pytest.mark.alone
@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
@pytest.mark.parametrize("seed", SEEDS[2:])
def test_figures_of_random_scans_of_slow_mounts_agree(seed: int, tmp_path: Path) -> None:
    """Some directories are much slower than others, some fail, and a huge one is read in parts."""
    rng = random.Random(seed)
    tree = {
        "a": {"$": "synth", "fanout": [rng.randrange(1, 7) for _ in range(3)], "files": 3},
        "b": {f"d{number}": {"f": number} for number in range(rng.randrange(30))},
        "flat": {"$": "flat", "n": rng.choice((5, 25_000)), "dirs": 0},
    }
    rules: list[dict[str, Any]] = [{"path": "/a/*1", "op": "opendir", "delay_ms": rng.choice((0, 30, 150))}]
    if seed % 2:
        rules += [
            {"path": "/b/d3", "op": "opendir", "errno": "EACCES"},
            {"path": "/b/d5", "op": "readdir", "errno": "EIO"},
        ]
    latency = rng.choice((0.2, 1.0, 4.0))
    with FaultFS(tmp_path / "m", tree=tree, rules=rules, latency_ms=latency, preset="nfs") as fs:
        for way in WAYS:
            check(report_of(*way, fs.mnt))


def test_a_file_dated_in_the_future_did_not_change_since_the_scan_began(tmp_path: Path) -> None:
    now = time.time_ns()
    for name, when in {"future": now + 3650 * DAY, "soon": now + 3600 * 10**9, "now": now, "old": 0}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(when, when))
    for way in WAYS:
        report = report_of(*way, "--sizes", tmp_path)
        ages = {each["below_days"]: each["files"] for each in report["sizes"]["by_age"]}
        assert ages == {-1: 2, 1: 1, None: 1}
    assert "dated in the future" in run("scan", "--sizes", tmp_path).stdout.decode()
