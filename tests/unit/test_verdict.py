"""What pairs of runs say, and what two results say about each other."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.compare import Unlike, as_markdown, compare, junit, refuse_unlike
from benchmarks.measure import counted
from benchmarks.verdict import coverage, ends, verdict


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([(1.0, 2.0), (1.1, 2.0), (0.9, 2.1), (1.0, 1.9), (1.0, 2.0)], "faster"),
        ([(2.0, 1.0), (2.0, 1.1), (2.1, 0.9), (1.9, 1.0), (2.0, 1.0)], "slower"),
        ([(1.0, 1.0), (1.01, 1.0), (1.0, 1.01), (1.0, 1.0), (0.99, 1.0)], "same"),
        ([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.5, 1.0), (1.0, 1.5)], "unstable"),
        ([(1.0, 1.0), (1.3, 1.3), (1.0, 1.0), (1.6, 1.6), (1.1, 1.1)], "same"),  # that the clock drifts does not count
        ([(1.0, 2.0), (1.1, 2.0), (0.9, 2.1), (1.0, 1.9)], "unsure"),
        ([(1.0, 1.02)], "unsure"),
    ],
)
def test_words(pairs: list[tuple[float, float]], word: str) -> None:
    assert verdict(pairs).word == word


@pytest.mark.parametrize(("count", "skipped"), [(1, 0), (3, 0), (5, 0), (7, 0), (8, 0), (9, 1), (15, 3), (25, 7)])
def test_the_interval_is_as_narrow_as_its_confidence_allows(count: int, skipped: int) -> None:
    """Of tables of the sign test: the fewest signs of one kind at five per cent are one less."""
    assert ends(count) == (skipped, coverage(count, skipped))
    assert coverage(count, skipped + 1) < 0.95


def test_the_confidence_is_true() -> None:
    """Of medians of lopsided values the interval holds as many as it says."""
    chosen = random.Random(5)
    hits = 0
    for _ in range(4000):
        says = verdict([(1.0, chosen.lognormvariate(0, 1)) for _ in range(9)])
        hits += says.low <= 1 <= says.high
    assert hits / 4000 == pytest.approx(says.confidence, abs=0.02)


HEAD = f"% time     seconds  usecs/call     calls    errors syscall\n{'-' * 56}"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("# started on Mon\n\n12345,,raw_syscalls:sys_enter,530390,100.00,,\n", 12345),
        ("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n", None),
        (f"{HEAD}\n100.00    0.000211           1       145        19 total\n", 145),
        (f"{HEAD}\n100.00    0.000211           1       145           total\n", 145),
        (f"{HEAD}\n100.00    0.000211                   145        19 total\n", 145),
        ("", None),
    ],
)
def test_counts_of_perf_and_strace(text: str, calls: int | None) -> None:
    assert counted(text) == calls


def results(ratio: float, spread: float = 0.05, **changes: Any) -> dict[str, Any]:
    row = {
        "name": "scan(), tree", "group": "walking", "corpus": "tree", "entries": 10, "candidate": "scan()",
        "baseline": "find", "peer": "find 4.9", "place": {}, "times_as_fast": ratio,
        "interval": [ratio - spread, ratio + spread], "deviation": 0.01, "verdict": "faster", "confidence": 0.9375,
    }  # fmt: skip
    machine = {"system": "Linux", "cores": 2, "filesystem": "ext4", "python": "3.11.7", "reader": "compiled"}
    made = {"suite": "quick", "machine": machine, "corpora": {"tree": {"files": 10}}, "cases": [row]}
    made |= {"date": "2026-11-24T03:00:00+0000", "interrupted": False, "failed": []}
    for name, value in changes.items():
        place = made if name in made else machine if name in machine else row
        place[name] = value
    return made


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        (2.0, 2.0, False), (2.0, 1.6, False), (2.0, 1.5, True), (2.0, 1.0, True), (1.0, 2.0, False), (0.5, 0.3, True),
    ],
)  # fmt: skip
def test_slower_by_more_than_is_allowed_fails(old: float, new: float, failed: bool) -> None:
    (change,) = compare(results(old), results(new), 1.3)
    assert change.failed == failed
    assert ("too slow" in as_markdown([change], 1.3)) == failed


def test_what_may_be_chance_does_not_fail() -> None:
    (change,) = compare(results(2.0, spread=0.8), results(1.4, spread=0.5), 1.3)
    assert change.slower > 1.3
    assert not change.failed
    assert "the intervals overlap" in as_markdown([change], 1.3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cores": 8}, "the machines differ: cores 2 and 8"),
        ({"filesystem": "nfs4"}, "the machines differ: filesystem ext4 and nfs4"),
        ({"suite": "full"}, "the suites differ: quick and full"),
        ({"python": "3.13.1"}, "the Pythons differ: 3.11 and 3.13"),
        ({"reader": "python"}, "the machines differ: reader compiled and python"),
        ({"interrupted": True}, "the results of 2026-11-24T03:00:00.0000 are incomplete"),
        ({"cases": []}, "the results have no case in common"),
    ],
)
def test_unlike_results_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Unlike, match=message):
        refuse_unlike(results(2.0), results(2.0, **changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"corpora": {"tree": {"files": 11}}}, "the trees differ"),
        ({"peer": "find 5.0"}, "the baselines differ: find 4.9 and find 5.0"),
    ],
)
def test_unlike_cases_are_excluded(changes: dict[str, Any], reason: str) -> None:
    (change,) = compare(results(2.0), results(0.1, **changes), 1.3)
    assert reason in change.reason
    assert not change.failed


def test_what_comes_of_too_few_pairs_does_not_fail() -> None:
    (change,) = compare(results(2.0), results(1.0, confidence=0.75), 1.3)
    assert not change.failed
    assert "too few pairs" in as_markdown([change], 1.3)


def test_a_case_without_measurement_fails(tmp_path: Path) -> None:
    changes = compare(results(2.0), results(2.0, failed=["scan() differs"]), 1.3)
    assert [change.failed for change in changes] == [True, False]
    assert as_markdown(changes, 1.3).endswith("\n0 of 1 cases more than 1.3 times slower. 1 could not be measured.\n")
    junit(changes, 1.3, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_cases_of_two_groups_are_distinguished() -> None:
    old, new = results(2.0), results(2.0)
    new["cases"].append({**results(1.0)["cases"][0], "group": "sizes"})
    old["cases"].append({**results(2.0)["cases"][0], "group": "sizes"})
    assert [change.failed for change in compare(old, new, 1.3)] == [False, True]


def test_cases_in_only_one_result_are_reported() -> None:
    changes = compare(results(2.0), results(2.0, name="scan(), other"), 1.3)
    assert [change.reason for change in changes] == ["only in the old results", "only in the new results"]
