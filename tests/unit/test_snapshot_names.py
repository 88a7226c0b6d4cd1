"""Which snapshot a text names, and which snapshots are kept."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from scanner.errors import OptionError
from scanner.snapshot.moments import chosen, ranges, split_store
from scanner.snapshot.prune import to_keep

DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.snap", ("a.snap", "-1")),
        ("a.snap@41", ("a.snap", "41")),
        ("dir@host/a.snap", ("dir@host/a.snap", "-1")),
        ("dir@host/a.snap@-1", ("dir@host/a.snap", "-1")),
        ("a@b@2026-11-28", ("a@b", "2026-11-28")),
    ],
)
def test_the_store_and_the_snapshot_are_told_apart(text: str, parts: tuple[str, str]) -> None:
    assert split_store(text) == parts


def test_numbers_counts_ages_and_dates() -> None:
    now = time.time()
    numbers, began = [3, 4, 7], [now - 8 * DAY, now - 2 * DAY, now - 60]
    day = datetime.fromtimestamp(began[1]).date().isoformat()
    expected = {"-1": 7, "-2": 4, "3": 3, "-1d": 4, "-7d": 3, "-30s": 7, day: 4}
    assert {text: chosen(text, numbers, began) for text in expected} == expected
    assert chosen(-3, numbers, began) == 3


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("5", "there are 3-4, 7"),
        ("-4", "has 3 snapshots"),
        ("-30d", "the first snapshot is of"),
        ("1999-01-01", "the first snapshot is of"),
        ("yesterday", "a snapshot is a number"),
        ("9999-12-31", "a snapshot is a number"),
        ("²", "a snapshot is a number"),
        ("", "a snapshot is a number"),
    ],
)
def test_a_snapshot_that_does_not_exist_is_refused(which: str, message: str) -> None:
    now = time.time()
    with pytest.raises(OptionError, match=message):
        chosen(which, [3, 4, 7], [now - 8 * DAY, now - 2 * DAY, now - 60])


def test_ranges_are_short() -> None:
    assert ranges([1, 2, 3, 5, 8, 9]) == "1-3, 5, 8-9"


def test_the_newest_finished_snapshot_and_an_open_one_always_stay() -> None:
    snapshots = [(1, 0.0, "complete"), (2, 10.0, "failed"), (3, 20.0, "incomplete"), (4, 30.0, "open")]
    assert to_keep(snapshots, keep=1, within=None, now=100.0) == {3, 4}
    assert to_keep(snapshots, keep=2, within=None, now=100.0) == {1, 3, 4}
    assert to_keep(snapshots, keep=None, within=5.0, now=100.0) == {3, 4}
    assert to_keep(snapshots, keep=1, within=95.0, now=100.0) == {2, 3, 4}
    assert to_keep(snapshots, keep=None, within=None, now=100.0) == {1, 2, 3, 4}
