"""How long directories have taken: percentiles, by mount."""

from __future__ import annotations

import pytest

from scanner.latency import Latencies
from scanner.model import Chunk


def chunk(*slow: float, fast: int = 0, at: str = "/srv") -> Chunk:
    return Chunk(1, at, directories=len(slow) + fast, slow=[(seconds, at) for seconds in slow])


def test_what_is_fast_is_counted_and_no_more() -> None:
    latencies = Latencies(["/srv"])
    latencies.count(chunk(fast=100))
    assert latencies.figures() == [
        {"mount": "/srv", "directories": 100, "p50_seconds": 0.0, "p95_seconds": 0.0, "max_seconds": 0.0}
    ]


def test_percentiles_are_right_within_a_class() -> None:
    latencies = Latencies(["/srv"])
    for number in range(1, 1001):
        latencies.count(chunk(number / 1000))
    (figures,) = latencies.figures()
    assert figures["p50_seconds"] == pytest.approx(0.5, rel=0.1)
    assert figures["p95_seconds"] == pytest.approx(0.95, rel=0.1)
    assert (figures["directories"], figures["max_seconds"]) == (1000, 1.0)


def test_each_mount_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.latency.mounted_below", lambda roots: [("/srv/far", "nfs4"), ("/srv/far/off", "nfs4")])
    latencies = Latencies(["/srv", "/srv2"])
    latencies.count(chunk(fast=5))
    latencies.count(chunk(0.01, 0.01, 0.02, at="/srv/far/x"))
    latencies.count(chunk(0.1, at="/srv/far/off"))
    latencies.count(chunk(fast=3, at="/srv/farther"))
    latencies.count(chunk(fast=2, at="/srv2/x"))
    figures = {each["mount"]: (each["directories"], each["max_seconds"]) for each in latencies.figures()}
    assert figures == {"/srv": (8, 0.0), "/srv/far": (3, 0.02), "/srv/far/off": (1, 0.1), "/srv2": (2, 0.0)}


def test_an_unread_directory_has_taken_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.latency.mounted_below", lambda roots: [("/srv/far", "nfs4")])
    latencies = Latencies(["/srv"])
    latencies.count(chunk(0.01))
    lost = chunk()
    lost.task = 0
    latencies.count(lost)
    assert latencies.figures()[0]["directories"] == 1
