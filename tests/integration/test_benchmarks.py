"""Run the benchmark suite on tiny trees: other programs read its results, and it detects a slower scanner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from benchmarks import cases, corpora, measure, suite
from benchmarks.__main__ import main
from benchmarks.corpora import Corpus
from benchmarks.measure import Runner
from benchmarks.outputs import markdown
from benchmarks.programs import Program, listers, listing, scan
from tests.integration.test_reports import Page
from tests.support.shell import ROOT

RUNS = 2
SMALL = {name: Corpus("monorepo", 30, 300) for name in corpora.QUICK} | {"ruled": Corpus("monorepo", 30, 300, True)}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "QUICK", SMALL)


def measured(tmp_path: Path, *arguments: str, runs: int = 5) -> Path:
    out = tmp_path / f"report{len(list(tmp_path.iterdir()))}"
    scratch = tmp_path / "scratch"
    assert main(["run", "--quick", "--runs", str(runs), "--scratch", str(scratch), "-o", str(out), *arguments]) == 0
    return out


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of one run of the whole suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite, "QUICK", SMALL)
        patch.setattr(cases, "drop_caches", lambda: None)
        return measured(tmp_path_factory.mktemp("bench"), runs=RUNS)


@pytest.mark.timeout(180)
def test_every_group_is_measured(report: Path) -> None:
    results = json.loads((report / "results.json").read_text())
    excluded = " ".join(results["left_out"])
    assert {row["group"] for row in results["cases"]} >= {group for group in cases.GROUPS if group not in excluded}
    for row in results["cases"]:
        if row["group"] != "memory":
            assert len(row["candidate_seconds"]) == RUNS, row["name"]
            assert row["interval"][0] <= row["times_as_fast"] <= row["interval"][1]
    machine = results["machine"]
    assert machine["reader"] in ("compiled", "python")
    assert all(machine.values())
    assert results["corpora"]["monorepo"]["seed"] == corpora.SEED


@pytest.mark.timeout(180)
def test_github_action_benchmark_reads_it(report: Path) -> None:
    """As its README describes the two custom tools: name, unit and value; range and extra are text."""
    for name in ("github-smaller-is-better.json", "github-bigger-is-better.json"):
        entries = json.loads((report / name).read_text())
        assert entries
        for entry in entries:
            assert set(entry) <= {"name", "unit", "value", "range", "extra"}
            assert isinstance(entry["value"], int | float)
            assert all(isinstance(entry[key], str) for key in set(entry) - {"value"})
        assert len({entry["name"] for entry in entries}) == len(entries), "the name is the key"


@pytest.mark.timeout(180)
def test_pyperf_reads_it(report: Path) -> None:
    import pyperf

    read = pyperf.BenchmarkSuite.load(str(report / "pyperf.json"))
    results = json.loads((report / "results.json").read_text())
    by_name = {benchmark.get_name(): benchmark for benchmark in read}
    row = results["cases"][0]
    assert list(by_name[f"{row['group']}: {row['name']} / {row['baseline']}"].get_values()) == row["candidate_seconds"]


@pytest.mark.timeout(180)
def test_the_page_is_whole_by_itself(report: Path) -> None:
    page = Page((report / "results.html").read_text())
    assert not page.open
    assert all(target.startswith("#") for target in page.loads)
    assert len(page.labels) >= 3
    assert all(page.labels)


@pytest.mark.timeout(180)
def test_the_reports_can_be_made_once_more(report: Path, tmp_path: Path) -> None:
    assert main(["report", str(report / "results.json"), "-o", str(tmp_path)]) == 0
    for file in report.iterdir():
        if file.name != "pyperf.json":  # says when it was written
            assert (tmp_path / file.name).read_text() == file.read_text()


SLOWER = """

def slower(walk):
    def walk_slower(self, task, *arguments):
        chunk = walk(self, task, *arguments)
        time.sleep(0.0005 * chunk.directories)
        return chunk

    return walk_slower


Walker.walk = slower(Walker.walk)
"""


@pytest.mark.slow  # whether a difference is certain depends on what else runs
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("report")  # its plots have opened fonts by then, which stay open
def test_a_slower_scanner_is_detected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the package that takes half a millisecond longer for each directory."""
    slowed = tmp_path / "slowed"
    shutil.copytree(ROOT / "scanner", slowed / "scanner", ignore=shutil.ignore_patterns("__pycache__"))
    with (slowed / "scanner" / "kernel" / "walk.py").open("a") as module:
        module.write(SLOWER)
    old, new = measured(tmp_path, "sizes"), measured(tmp_path, "--package", str(slowed), "sizes")
    junit = tmp_path / "junit.xml"
    assert main(["compare", str(old / "results.json"), str(new / "results.json"), "--junit", str(junit)]) == 1
    assert "**too slow**" in capsys.readouterr().out
    xml = JUnitXml.fromfile(str(junit))
    assert (xml.tests, xml.failures) == (3, 3)
    assert main(["compare", str(old / "results.json"), str(old / "results.json"), "--junit", str(junit)]) == 0
    assert JUnitXml.fromfile(str(junit)).failures == 0


def test_a_peer_that_finds_something_else_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(site: Any) -> Any:
        top = site.corpora.top("monorepo")
        blind = Program("blind", ["true"], shows=["printf", "/nothing"])
        yield cases.Case("peers", "monorepo", 330, scan(top), blind)

    monkeypatch.setitem(cases.GROUPS, "peers", wrong)
    results = suite.Suite(tmp_path, quick=True, runs=1).run(["peers"])
    assert results["cases"] == []
    assert "and blind differ in 331 entries" in results["failed"][0]
    assert "Failed:\n\n- scan(), monorepo and blind differ" in markdown(results)


def test_it_does_not_count_the_second_time_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(site: Any) -> Any:
        top = site.corpora.top("monorepo")
        blind = Program("blind", ["true"], shows=["printf", "/nothing"])
        for _ in range(2):
            yield cases.Case("peers", "monorepo", 330, scan(top), blind)

    monkeypatch.setitem(cases.GROUPS, "peers", twice)
    results = suite.Suite(tmp_path, quick=True, runs=1).run(["peers"])
    assert (len(results["failed"]), results["cases"]) == (2, [])


def test_one_that_hangs_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(site: Any) -> Any:
        top = site.corpora.top("monorepo")
        yield cases.Case("peers", "monorepo", 330, scan(top), Program("sleepy", ["sleep", "60"]))
        yield cases.Case("peers", "monorepo", 330, scan(top), next(listers(top)))

    monkeypatch.setattr(measure, "PATIENCE", 2)
    monkeypatch.setitem(cases.GROUPS, "peers", hanging)
    results = suite.Suite(tmp_path, quick=True, runs=1).run(["peers"])
    assert "sleepy: exit code -9" in results["failed"][0]
    assert [row["baseline"] for row in results["cases"]] == ["find > FILE"]


def test_an_interruption_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(site: Any) -> Any:
        top = site.corpora.top("monorepo")
        yield cases.Case("peers", "monorepo", 330, scan(top), next(listers(top)))
        raise KeyboardInterrupt

    monkeypatch.setitem(cases.GROUPS, "peers", impatient)
    assert main(["run", "--quick", "--runs", "1", "--scratch", str(tmp_path), "-o", str(tmp_path), "peers"]) == 130
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["interrupted"], len(results["cases"])) == (True, 1)
    assert "Interrupted:" in (tmp_path / "results.md").read_text()


def test_all_listers_show_the_same(tmp_path: Path) -> None:
    site = cases.Site(corpora.Corpora(tmp_path, SMALL), tmp_path, quick=True)
    top = site.corpora.top("monorepo")
    runner = Runner(ROOT, tmp_path / "out")
    ours = runner.shown(listing(top, site.out("list")), top)
    assert len(ours) == 330
    for lister in listers(top):
        assert runner.shown(lister, top) == ours, lister.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing"], "unknown group nothing: choose from walking, peers,"),
        (["run", "--package", "/nowhere"], "--package /nowhere: no package scanner in this directory"),
        (["compare", "/nowhere", "/nowhere"], "No such file or directory: '/nowhere'"),
        (["compare", __file__, __file__], "invalid JSON"),
        (["report", str(ROOT / "docs" / "report.schema.json")], "not benchmark results of schema 1"),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
