"""Times outside 64 bits of nanoseconds: exact in text, clamped in columns, on every path through the code."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import scanner
from scanner.fields import FIRST, LAST
from tests.conftest import FULL, OTHERS, READERS
from tests.support.pairwise import in_turn
from tests.support.shell import call

SECOND = 10**9
TIMES = {
    "first": FIRST, "last": LAST, "before-first": FIRST - 1, "below-first": FIRST - 2, "above-last": LAST + 1,
    "in-last-second": 9_223_372_036 * SECOND + 1, "in-first-second": -9_223_372_037 * SECOND + 999_999_999,
    "wraps": (1 << 64) + 5, "year-2300": 10_413_792_000 * SECOND + 123_456_789,
    "year-1600": -11_676_096_000 * SECOND + 1, "year-12000": 316_516_982_399 * SECOND,
    "year-minus-44": -63_549_999_999 * SECOND, "year-999": -30_610_224_001 * SECOND,
    "epoch": 0, "before-epoch": -1, "now": 1_700_000_000_123_456_789,
}  # fmt: skip
WAYS = {"serial": ["--backend", "serial"], "pool": ["--backend", "pool", "--workers", "2"]}
ONE_BY_ONE = ["--newer", "@-999999999999.999999999"]
"""Makes Python read every entry."""


@pytest.fixture(scope="module")
def far() -> Iterator[Path]:
    """Make files with these times, on a file system that stores them, as tmpfs does."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = Path(tempfile.mkdtemp(dir=shared, prefix="scanner-far-"))
    for name, nanoseconds in TIMES.items():
        (top / "in").mkdir(exist_ok=True)
        (top / "in" / name).touch()
        os.utime(top / "in" / name, ns=(nanoseconds, nanoseconds))
        if os.stat(top / "in" / name).st_mtime_ns != nanoseconds:
            shutil.rmtree(top)
            pytest.skip("no file system here stores such times")
    os.utime(top / "in", ns=(TIMES["year-2300"],) * 2)
    yield top
    shutil.rmtree(top)


def exact(top: Path) -> dict[str, int]:
    found = {str(top): os.stat(top).st_mtime_ns, str(top / "in"): TIMES["year-2300"]}
    return found | {str(top / "in" / name): value for name, value in TIMES.items()}


def clamped(top: Path) -> dict[str, int]:
    return {path: min(max(value, FIRST), LAST) for path, value in exact(top).items()}


def count_of_clamped(top: Path) -> int:
    """Count also times equal to the limits: they cannot be distinguished."""
    return sum(value in (FIRST, LAST) for value in clamped(top).values())


@pytest.fixture(params=[f"{way} {reader}" for way in WAYS for reader in READERS])
def command(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    way, reader = request.param.split()
    monkeypatch.setenv("SCANNER_PURE", READERS[reader])
    return ["list", *WAYS[way]]


@pytest.mark.parametrize("selection", [[], ["--type", "f,d"], ONE_BY_ONE], ids=["all", "types", "one by one"])
def test_text_has_exact_times(command: list[str], selection: list[str], far: Path) -> None:
    def listed(*arguments: str) -> str:
        result = call(*command, *selection, *arguments, far)
        assert (result.returncode, result.stderr) == (0, b"")
        return result.stdout.decode()

    right = exact(far)
    lines = [json.loads(line) for line in listed("--format", "ndjson", "--fields", "mtime_ns").splitlines()]
    assert {line["path"]: line["mtime_ns"] for line in lines} == right
    rows = csv.DictReader(io.StringIO(listed("--format", "csv", "--fields", "mtime_ns,atime_ns")))
    assert {row["path"]: int(row["mtime_ns"]) for row in rows} == right
    split = [line.split(" ", 2) for line in listed("--template", "{mtime_ns} {mtime} {path}").splitlines()]
    assert {path: int(value) for value, _, path in split} == right
    assert {path: date for _, date, path in split} == {path: date_of(value) for path, value in right.items()}


def test_a_snapshot_has_the_nearest_time_also_in_text(command: list[str], far: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.snap"
    assert call(*command, "--store", store, "--fields", "mtime_ns", "--format", "csv", far).returncode == 0
    listed = call(*command, "--from", store, "--fields", "mtime_ns", "--format", "ndjson")
    lines = [json.loads(line) for line in listed.stdout.decode().splitlines()]
    assert {line["path"]: line["mtime_ns"] for line in lines} == clamped(far)


def date_of(nanoseconds: int) -> str:
    """Format a time by GNU date."""
    output = subprocess.run(
        ["date", "-u", "-d", f"@{nanoseconds // SECOND}", "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, check=True
    )
    year, rest = output.stdout.decode().strip()[:-16], output.stdout.decode().strip()[-16:]
    return f"{int(year):04d}{rest}"


def test_columns_have_the_nearest_time_and_a_message_counts_them(command: list[str], far: Path, tmp_path: Path) -> None:
    for selection in ([], ONE_BY_ONE):
        for name, read in {"a.sqlite": sqlite_times, "a.parquet": parquet_times}.items():
            result = call(*command, *selection, "--fields", "mtime_ns", "-o", tmp_path / name, far)
            assert result.returncode == 0
            assert read(tmp_path / name) == clamped(far)
            assert f"scanner: {count_of_clamped(far)} times before 1677-09-21" in result.stderr.decode()


def sqlite_times(file: Path) -> dict[str, int]:
    database = sqlite3.connect(file)
    found = dict(database.execute("SELECT path, mtime_ns FROM entries").fetchall())
    database.close()
    return found


def parquet_times(file: Path) -> dict[str, int]:
    table = pyarrow.parquet.read_table(file)
    return {
        path.decode(): value
        for path, value in zip(table["path"].to_pylist(), table["mtime_ns"].cast("int64").to_pylist(), strict=True)
    }


def test_results_have_the_nearest_time_and_count_them(backend: Any, far: Path) -> None:
    right = clamped(far)
    assert {entry.path: entry.mtime_ns for entry in scanner.entries(str(far), stat=["mtime_ns"], **backend)} == right
    result = scanner.scan(str(far), stat=["mtime_ns"], **backend)
    assert {entry.path: entry.mtime_ns for entry in result.entries()} == right
    assert result.stats.clamped_times == result.stats.as_dict()["clamped_times"] == count_of_clamped(far)
    frame = result.to_pandas()
    assert dict(zip(frame["path"], (each.value for each in frame["mtime_ns"]), strict=True)) == right
    assert scanner.scan(str(far), **backend).stats.clamped_times == 0


@pytest.mark.parametrize(
    ("limit", "backend"), in_turn([FIRST - 2, FIRST, -1, 0, LAST, LAST + 1], FULL, OTHERS), indirect=["backend"]
)
def test_filters_compare_exact_times(backend: Any, far: Path, limit: int) -> None:
    seconds, rest = divmod(abs(limit), SECOND)
    text = f"@{'-' if limit < 0 else ''}{seconds}.{rest:09d}"
    for option, holds in (("newer", int.__gt__), ("older", int.__le__)):
        expected = {name for name, value in TIMES.items() if holds(value, limit)}
        found = scanner.scan(str(far), types="f", **{option: text}, **backend)
        assert {name for _, _, files in found for name in files} == expected, option


def test_a_report_has_every_file_in_the_right_class(command: list[str], far: Path) -> None:
    report = json.loads(call("scan", *command[1:], "--sizes", "--json", far).stdout)
    ages = {each["below_days"]: each["files"] for each in report["sizes"]["by_age"]}
    assert sum(ages.values()) == len(TIMES)
    assert ages[None] == sum(value <= TIMES["now"] for value in TIMES.values())


@pytest.mark.parametrize("reader", READERS)
def test_a_huge_directory_with_a_far_time_counts_once(
    reader: str, monkeypatch: pytest.MonkeyPatch, far: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SCANNER_PURE", READERS[reader])
    top = far / "huge"
    top.mkdir()
    try:
        for number in range(25_000):
            os.mknod(top / str(number))
        os.utime(top, ns=(TIMES["year-2300"],) * 2)
        result = scanner.scan(str(top), stat=["mtime_ns"], backend="serial")
        assert len(result[0][2]) == 25_000
        assert result.stats.clamped_times == 1
    finally:
        shutil.rmtree(top)
