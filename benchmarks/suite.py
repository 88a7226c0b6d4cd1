"""Run cases and collect their results."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS, Case, Site
from benchmarks.corpora import FULL, QUICK, Corpora
from benchmarks.measure import ROOT, Failed, Runner
from benchmarks.programs import NotHere
from benchmarks.verdict import verdict
from scanner.mounts import filesystem_type

SCHEMA = 1
RUNS = {"quick": 5, "full": 7}
TROUBLE = (Failed, OSError, subprocess.SubprocessError)


class Suite:
    """One run of the suite. Progress goes to stderr."""

    def __init__(self, scratch: Path, *, quick: bool, runs: int | None, package: Path = ROOT) -> None:
        self._kind = "quick" if quick else "full"
        self._runs = runs or RUNS[self._kind]
        self._corpora = Corpora(scratch, QUICK if quick else FULL)
        self._site = Site(self._corpora, scratch, quick)
        self._runner = Runner(package, scratch / "out")
        self._compared: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._left_out: list[str] = []
        self._failed: list[str] = []

    def run(self, groups: list[str]) -> dict[str, Any]:
        """Return the results, also after failed cases or Ctrl-C."""
        started, interrupted = time.time(), False
        try:
            for group in groups or GROUPS:
                self._run_group(group)
        except KeyboardInterrupt:  # keep the results so far
            interrupted = True
        return {
            "schema": SCHEMA,
            "suite": self._kind,
            "runs": self._runs,
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
            "took_seconds": round(time.time() - started, 1),
            "command": self._command(groups),
            "machine": machine(self._site.scratch, self._runner.package),
            "corpora": self._corpora.used,
            "interrupted": interrupted,
            "left_out": self._left_out,
            "failed": self._failed,
            "cases": self._rows,
        }

    def _command(self, groups: list[str]) -> str:
        """Return the command that reproduces the results, without directories of this machine."""
        quick = ["--quick"] if self._kind == "quick" else []
        runs = [] if self._runs == RUNS[self._kind] else ["--runs", str(self._runs)]
        return " ".join(["tools/bench", *quick, *runs, *groups])

    def _run_group(self, group: str) -> None:
        say(f"{group}:")
        try:
            for case in GROUPS[group](self._site):
                self._run_case(case)
        except NotHere as reason:
            say(f"  {reason}")
            self._left_out.append(str(reason))
        except TROUBLE as error:  # building a tree, or mounting
            self._fail(f"{group}: {error}")

    def _run_case(self, case: Case) -> None:
        try:
            row = self._measured(case)
        except TROUBLE as error:
            self._fail(str(error))
        else:
            say(f"  {case.name}: {outcome_of(row)}")
            self._rows.append(row)

    def _fail(self, reason: str) -> None:
        say(f"  {reason}")
        self._failed.append(reason)

    def _measured(self, case: Case) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": case.name, "group": case.group, "corpus": case.corpus, "entries": case.entries,
            "candidate": case.candidate.name, "baseline": case.baseline.name, "peer": case.baseline.version,
            "place": case.place,
        }  # fmt: skip
        if case.compared:
            self._compare(case)
        if case.runs:
            row |= self._timed(case)
        for who, program in (("candidate", case.candidate), ("baseline", case.baseline)):
            if case.weighed and (weighed := self._runner.weigh(program)) is not None:
                peak, series = weighed
                row |= {f"{who}_peak_bytes": peak, f"{who}_memory": series_of(series)}
            if case.counted and (calls := self._runner.count_calls(program)) is not None:
                row[f"{who}_system_calls"] = calls
        return row

    def _compare(self, case: Case) -> None:
        """Raise Failed unless both programs find the same entries. Each pair is compared once."""
        top = case.candidate.command[-1] if case.candidate.command[-1] == case.baseline.command[-1] else ""
        top = top or self._corpora.top(case.corpus)
        if case.candidate.shows is None or case.baseline.shows is None:
            return
        two = repr([(program.shows, program.environment) for program in (case.candidate, case.baseline)])
        if two in self._compared:
            return
        ours, theirs = (self._runner.shown(program, top) for program in (case.candidate, case.baseline))
        if ours != theirs:
            examples = sorted(ours ^ theirs)[:3]
            raise Failed(f"{case.name} and {case.baseline.name} differ in {len(ours ^ theirs):,} entries: {examples}")
        self._compared.add(two)

    def _timed(self, case: Case) -> dict[str, Any]:
        both = case.candidate, case.baseline
        for program in both:  # warm
            case.before()
            self._runner.run(program)
        samples = []
        for _ in range(min(case.runs, self._runs)):
            pair = []
            for program in both:
                case.before()
                pair.append(self._runner.run(program))
            samples.append(pair)
        found = verdict([(ours.seconds, theirs.seconds) for ours, theirs in samples])
        return {
            "times_as_fast": round(found.ratio, 3),
            "deviation": round(found.deviation, 3),
            "interval": [round(found.low, 3), round(found.high, 3)],
            "confidence": round(found.confidence, 3),
            "verdict": found.word,
            "candidate_seconds": [round(ours.seconds, 6) for ours, _ in samples],
            "baseline_seconds": [round(theirs.seconds, 6) for _, theirs in samples],
            "candidate_cpu_seconds": round(statistics.median(ours.cpu for ours, _ in samples), 4),
            "baseline_cpu_seconds": round(statistics.median(theirs.cpu for _, theirs in samples), 4),
            **samples[-1][0].extra,
        }


def outcome_of(row: dict[str, Any]) -> str:
    if "times_as_fast" not in row:
        ours, theirs = (row.get(f"{who}_peak_bytes", 0) / 1e6 for who in ("candidate", "baseline"))
        return f"{ours:.1f} MB, {row['baseline']} {theirs:.1f} MB"
    return f"{row['times_as_fast']:.2f}x {row['baseline']}: {row['verdict']}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def series_of(series: list[tuple[float, int]], most: int = 120) -> dict[str, list[float]]:
    some = series[:: -(-len(series) // most) or 1]
    return {"seconds": [at for at, _ in some], "megabytes": [round(size / 1e6, 2) for _, size in some]}


def machine(scratch: Path, package: Path = ROOT) -> dict[str, Any]:
    """Return the properties of the machine on which figures measured in `scratch` depend."""
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "filesystem": filesystem_type(str(scratch)),
        "python": platform.python_version(),
        "reader": reader(package),
        "revision": revision(package),
    }


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def reader(package: Path) -> str:
    """Return the name of the reader that the measured `scanner` uses: compiled or python."""
    code = "import scanner, tempfile\nwith tempfile.TemporaryDirectory() as top: print(scanner.scan(top).stats.reader)"
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(package)},
    )  # fmt: skip
    return result.stdout.strip() or "unknown"


def revision(package: Path) -> str:
    """Return the revision of git, with a + for uncommitted changes."""
    result = subprocess.run(
        ["git", "-C", str(package), "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"
