"""`between`: hours in which a scan may read, with a clock of the test, and with the real one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner
from scanner import engine
from scanner.errors import OptionError, ScanTimeout
from scanner.plan.schedule import DAY, Hours
from scanner.units import hours_of
from tests.support.shell import SCANNER, run

minutes = st.integers(0, DAY - 1)
NOON = 12 * 60
CLOSED, OPEN = "20:00-06:00", "06:00-20:00"  # at noon


@given(minutes, minutes.filter(bool))
def test_hours_are_the_minutes_from_their_begin_to_their_end(begin: int, length: int) -> None:
    hours = Hours(begin, (begin + length) % DAY)
    inside = {(begin + minute) % DAY for minute in range(length)}
    assert {minute for minute in range(DAY) if hours.are_open(minute)} == inside


@pytest.mark.parametrize(("text", "hours"), [
    ("20:00-06:00", (1200, 360)), ("6:30-7:00", (390, 420)), ("18:00-24:00", (1080, 0)), ("00:00-06:00", (0, 360)),
    ("20-6", None), ("06:00-06:00", None), ("00:00-24:00", None), ("24:01-06:00", None), ("06:60-07:00", None),
    ("06:00", None), ("", None), ("06:00-07:00 ", None),
])  # fmt: skip
def test_hours_as_text(text: str, hours: tuple[int, int] | None) -> None:
    assert hours_of(text) == hours
    if hours is None:
        with pytest.raises(OptionError, match=r"between must be hours like 20:00-06:00, in local time"):
            scanner.ScanOptions(between=text)


def test_wrong_hours_are_a_wrong_usage(tmp_path: Path) -> None:
    result = run("scan", "--between", "20-6", tmp_path)
    assert result.returncode == 2
    assert b"--between must be hours like 20:00-06:00, in local time, not '20-6'" in result.stderr


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("day", "hours", "minutes_open"), [
    ("2026-03-29", "01:30-02:30", 30),  # the clock jumps from 02:00 to 03:00
    ("2026-03-29", "02:00-03:00", 0),
    ("2026-03-29", "01:00-05:00", 180),
    ("2026-10-25", "01:30-02:30", 90),  # from 03:00 back to 02:00
    ("2026-10-25", "02:00-03:00", 120),
    ("2026-06-01", "01:30-02:30", 60),
])  # fmt: skip
def test_hours_are_those_that_the_clock_shows(
    berlin: None, day: str, hours: str, minutes_open: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = time.mktime(time.strptime(day, "%Y-%m-%d"))
    real, there = time.localtime, Hours(*hours_of(hours) or ())
    opened = 0
    for minute in range(26 * 60):
        now = real(midnight + 60 * minute)
        monkeypatch.setattr(engine.time, "localtime", lambda now=now: now)
        opened += time.strftime("%Y-%m-%d", now) == day and there.are_open(engine.local_minute())
    monkeypatch.undo()
    assert opened == minutes_open


class Clock:
    """Shows noon, and another time once it was looked at so often."""

    def __init__(self, looks: int, then: int) -> None:
        self.looks, self.then = looks, then

    def __call__(self) -> int:
        self.looks -= 1
        return NOON if self.looks > 0 else self.then


Clocked = Callable[[int, str], Clock]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clocked:
    def set_clock(looks: int, then: str) -> Clock:
        made = Clock(looks, Hours(*hours_of(f"{then}-23:59") or ()).begin)
        monkeypatch.setattr(engine, "local_minute", made)
        return made

    return set_clock


def test_a_scan_waits_until_its_hours_begin(trees: dict[str, Path], backend: dict[str, Any], clock: Clocked) -> None:
    shown = clock(20, "20:00")
    assert scanner.scan(trees["odd"], between=CLOSED, **backend) == list(os.walk(trees["odd"]))
    assert shown.looks <= 0


def test_a_walk_waits_as_well(trees: dict[str, Path], clock: Clocked) -> None:
    shown = clock(10, "20:00")
    assert list(scanner.walk(trees["odd"], between=CLOSED)) == list(os.walk(trees["odd"]))
    assert shown.looks <= 0


def test_a_scan_pauses_and_goes_on(
    trees: dict[str, Path], backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def now() -> int:
        nonlocal looks
        looks += 1
        return NOON if looks % 3 else NOON + 9 * 60

    monkeypatch.setattr(engine, "local_minute", now)
    result = scanner.scan(trees["monorepo"], between=OPEN, max_rate=5000, **backend)
    assert result == list(os.walk(trees["monorepo"]))
    assert looks > 6


def test_the_time_limit_goes_on_during_a_pause(trees: dict[str, Path], clock: Clocked) -> None:
    clock(10**9, "20:00")
    with pytest.raises(ScanTimeout, match=r"did not finish within 0\.2 seconds"):
        scanner.scan(trees["odd"], between=CLOSED, timeout=0.2)


def test_with_a_store_the_end_of_the_hours_is_the_end_of_the_scan(
    trees: dict[str, Path], tmp_path: Path, clock: Clocked
) -> None:
    store, expected = tmp_path / "s.snap", list(os.walk(trees["monorepo"]))
    clock(20, "21:00")
    with pytest.raises(ScanTimeout, match="the hours 06:00-20:00 are over, and the next scan continues") as caught:
        scanner.scan(trees["monorepo"], between=OPEN, store=store, max_rate=2000, backend="serial")
    assert caught.value.result is not None
    assert len(caught.value.result) < len(expected)
    clock(10**9, "21:00")
    result = scanner.scan(trees["monorepo"], between=OPEN, store=store)
    assert result == expected
    assert result.stats.snapshot["settled"] > 0


def test_outside_of_the_hours_a_store_is_not_touched(trees: dict[str, Path], tmp_path: Path, clock: Clocked) -> None:
    clock(10**9, "20:00")
    with pytest.raises(ScanTimeout, match="it is not between 20:00-06:00: nothing was read"):
        scanner.scan(trees["odd"], between=CLOSED, store=tmp_path / "s.snap")
    assert list(tmp_path.iterdir()) == []


def zone(shows: str) -> dict[str, str]:
    """An environment in which the clock shows this time now."""
    hours, minutes, seconds = map(int, shows.split(":"))
    offset = (time.time() - 3600 * hours - 60 * minutes - seconds) % 86400
    behind, rest = divmod(round(offset), 3600)
    return {**os.environ, "TZ": f"TEST{behind:02}:{rest // 60:02}:{rest % 60:02}"}


def test_hours_that_begin_in_two_seconds(trees: dict[str, Path]) -> None:
    """By the real clock."""
    command = [*SCANNER, "list", "--between", "20:00-06:00", trees["odd"]]
    started = time.monotonic()
    result = subprocess.run(command, env=zone("19:59:58"), capture_output=True, timeout=60, check=True)
    assert time.monotonic() - started > 0.5
    assert result.stdout == run("list", trees["odd"]).stdout
    assert result.stderr == b"scanner: it is not between 20:00-06:00: paused until 20:00\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_pause(trees: dict[str, Path], number: signal.Signals) -> None:
    command = [*SCANNER, "list", "--between", "20:00-06:00", trees["odd"]]
    with subprocess.Popen(command, env=zone("12:00:00"), stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().endswith(b"paused until 20:00\n")
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == -number


def test_in_the_shell_a_scan_with_a_store_tries_again_later(trees: dict[str, Path], tmp_path: Path) -> None:
    command = [*SCANNER, "scan", "--between", "20:00-06:00", "--store", tmp_path / "s.snap", trees["odd"]]
    result = subprocess.run(command, env=zone("12:00:00"), capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (75, "")
    assert result.stderr == (
        "scanner: it is not between 20:00-06:00: nothing was read, and the next scan begins or continues\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_night_outside_of_its_hours_is_left_to_the_next_one(trees: dict[str, Path], tmp_path: Path) -> None:
    command = [*SCANNER, "nightly", trees["odd"], "--between", "20:00-06:00", "--store", tmp_path / "s.snap"]
    result = subprocess.run(command, env=zone("12:00:00"), capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 75
    assert "it is not between 20:00-06:00" in result.stdout
