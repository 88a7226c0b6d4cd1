"""Compare two results case by case: ratios to the baseline of the same run, never seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.verdict import ENOUGH

MACHINE = ("system", "cores", "filesystem", "reader")
"""Properties that must be equal: ratios depend on them."""


class Unlike(Exception):
    """Two results cannot be compared; the message gives the reason."""


class Change(NamedTuple):
    """One case. `slower`: ratio of the old to the new ratio. `sure`: the intervals do not overlap and come from enough
    pairs. `reason`: why the case was not compared, or why it failed.
    """

    name: str
    old: float = 0.0
    new: float = 0.0
    slower: float = 0.0
    sure: bool = False
    failed: bool = False
    reason: str = ""


def refuse_unlike(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise Unlike if the two results cannot be compared."""
    for name in MACHINE:
        ours, theirs = old["machine"].get(name), new["machine"].get(name)
        if ours != theirs:
            raise Unlike(f"the machines differ: {name} {ours} and {theirs}")
    for results in (old, new):
        if results.get("interrupted"):
            raise Unlike(f"the results of {results['date']} are incomplete: the run was interrupted")
    if old["suite"] != new["suite"]:
        raise Unlike(f"the suites differ: {old['suite']} and {new['suite']}")
    if python_of(old) != python_of(new):
        raise Unlike(f"the Pythons differ: {python_of(old)} and {python_of(new)} have different os.walk")
    if not timed(old).keys() & timed(new).keys():
        raise Unlike("the results have no case in common")


def python_of(results: dict[str, Any]) -> str:
    return ".".join(str(results["machine"]["python"]).split(".")[:2])


def timed(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{row['group']}: {row['name']} / {row['baseline']}": row
        for row in results["cases"] if "times_as_fast" in row
    }  # fmt: skip


def compare(old: dict[str, Any], new: dict[str, Any], fail_slower: float) -> list[Change]:
    """Return the cases of both results. A case fails if unmeasured, or surely `fail_slower` times slower."""
    before, after = timed(old), timed(new)
    changes = [Change(error, failed=True, reason="it failed") for error in new["failed"]]
    for name in {**before, **after}:
        if name not in before or name not in after:
            changes.append(Change(name, reason=f"only in the {'new' if name in after else 'old'} results"))
        elif (reason := unlike(before[name], after[name], old, new)) is not None:
            changes.append(Change(name, reason=reason))
        else:
            changes.append(changed(name, before[name], after[name], fail_slower))
    return changes


def unlike(old_row: dict[str, Any], new_row: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> str | None:
    corpora = (old["corpora"].get(old_row["corpus"]), new["corpora"].get(new_row["corpus"]))
    if corpora[0] != corpora[1] or old_row["entries"] != new_row["entries"]:
        return f"the trees differ: {corpora[0]} and {corpora[1]}"
    if old_row["peer"] != new_row["peer"]:
        return f"the baselines differ: {old_row['peer']} and {new_row['peer']}"
    return None


def changed(name: str, old: dict[str, Any], new: dict[str, Any], fail_slower: float) -> Change:
    slower = old["times_as_fast"] / new["times_as_fast"]
    sure = new["interval"][1] < old["interval"][0] and min(old["confidence"], new["confidence"]) >= ENOUGH
    return Change(name, old["times_as_fast"], new["times_as_fast"], slower, sure, sure and slower > fail_slower)


def as_markdown(changes: list[Change], fail_slower: float) -> str:
    """Return a table in Markdown, and a summary."""
    lines = ["| case / baseline | old | new | slower | |", "|---|--:|--:|--:|---|"]
    for change in changes:
        if change.reason:
            lines.append(f"| {change.name} | | | | {'' if change.failed else 'not compared: '}{change.reason} |")
        else:
            figures = f"{change.old:.2f}x | {change.new:.2f}x | {change.slower:.2f}"
            lines.append(f"| {change.name} | {figures} | {word(change, fail_slower)} |")
    compared = [change for change in changes if not change.reason]
    slower = sum(change.failed for change in compared)
    lines += ["", f"{slower} of {len(compared)} cases more than {fail_slower:g} times slower."]
    if broken := sum(change.failed for change in changes) - slower:
        lines[-1] += f" {broken} could not be measured."
    return "\n".join(lines) + "\n"


def word(change: Change, fail_slower: float) -> str:
    if change.failed:
        return "**too slow**"
    if change.slower > fail_slower:
        return "slower perhaps: the intervals overlap, or there are too few pairs"
    return ""


def junit(changes: list[Change], fail_slower: float, file: Path) -> None:
    from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite("benchmarks")
    for change in changes:
        case = TestCase(change.name, "benchmarks")
        if change.failed and change.reason:
            case.result = [Failure(change.reason, "failed")]
        elif change.reason:
            case.result = [Skipped(change.reason)]
        elif change.failed:
            message = f"{change.slower:.2f} times slower: {change.old:.2f}x, now {change.new:.2f}x its baseline"
            case.result = [Failure(f"{message}; at most {fail_slower:g} is allowed", "slower")]
        suite.add_testcase(case)
    xml = JUnitXml("benchmarks")
    xml.add_testsuite(suite)
    xml.write(str(file), pretty=True)
