"""The text of the progress line, over time that is data."""

from __future__ import annotations

import pytest

from scanner.progress import PATIENCE, STILL, WINDOW, Expected, Seen, Speed, figures, where

NIGHT = Expected(1000, "last night's")


def steady(seconds: float, a_second: int = 100) -> Speed:
    """A speed that was measured ten times a second."""
    speed = Speed(0.0)
    for tenth in range(int(10 * seconds) + 1):
        speed.at(tenth / 10, tenth * a_second // 10)
    return speed


def test_the_rate_is_that_of_the_last_seconds() -> None:
    speed = steady(100, 100)
    assert speed.at(100, 10_000) == pytest.approx(100, rel=0.05)
    for tenth in range(1, 60):
        speed.at(100 + tenth / 10, 10_000 + 20 * tenth)
    assert speed.at(106, 11_200) == pytest.approx(200, rel=0.1)


def test_the_rate_falls_to_nothing_when_nothing_comes() -> None:
    speed = steady(10)
    rates = [speed.at(10 + tenth / 10, 1000) for tenth in range(10 * int(WINDOW) + 5)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 90
    assert rates[-1] == 0


def test_what_is_left_is_what_the_last_snapshot_had() -> None:
    assert figures(Seen(7, 9, 710), steady(7.1), 7.1, NIGHT) == "71 % of last night's 1,000 entries, 3 s left  100/s"
    assert figures(Seen(7, 9, 1000), steady(10), 10.0, NIGHT) == "100 % of last night's 1,000 entries, 0 s left  100/s"


def test_a_tree_that_has_grown_has_no_end_in_sight() -> None:
    assert figures(Seen(7, 9, 1100), steady(11), 11.0, NIGHT) == "1,100 entries, more than last night's 1,000  100/s"


def test_nobody_knows_what_is_left_while_nothing_comes() -> None:
    speed = steady(5)
    assert "left" not in figures(Seen(7, 9, 500), speed, 5 + 1.01 * STILL, NIGHT)
    assert "left" not in figures(Seen(7, 9, 500, paused="20:00"), steady(5), 5.0, NIGHT)


def test_without_a_snapshot_there_are_counts() -> None:
    seen = Seen(1234, 5678, 500, memory=87_000_000, place="/srv")
    assert figures(seen, steady(5), 5.0, None) == "1,234 of 5,678+ directories  500 entries  100/s  87 MB"
    assert where(seen) == "/srv"


def test_the_directory_that_all_wait_for_is_named() -> None:
    assert where(Seen(1, 2, 3, place="/srv", waits=(PATIENCE / 2, "/srv/slow"))) == "/srv"
    assert where(Seen(1, 2, 3, place="/srv", waits=(42, "/srv/slow"))) == "waiting 42 s for /srv/slow"
    assert where(Seen(1, 2, 3, waits=(42, "/srv/slow"), paused="20:00")) == "paused until 20:00"
