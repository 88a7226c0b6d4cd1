"""What changed since earlier nights, and the trend over all snapshots of a store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from scanner.report.changes import Summary, Sums, grouping_by
from scanner.report.data import iso_time, path_fields
from scanner.report.rules import Rule, RuleCheck, Verdict
from scanner.snapshot.diff import Change
from scanner.snapshot.prune import FINISHED
from scanner.snapshot.store import Snapshot, Store

DAY = 86_400
PERIODS = {"the night before": 0, "a week before": 7, "a month before": 30}
"""Days. The night before is the snapshot before, whatever its age."""
SLACK = DAY / 2  # seconds: a night does not begin at the same second as the one a week before
BY = "directory", "owner", "suffix"
MOST = 8  # groups that grew, and groups that shrank, of each kind


class History(NamedTuple):
    """What a report says of earlier nights. `tree_growth`: bytes since the night before, by directory and file."""

    growth: list[dict[str, Any]]
    trend: list[dict[str, Any]]
    verdicts: list[Verdict]
    unknown: list[str]
    tree_growth: dict[str, int] | None


def history_of(store: Store, rules: Sequence[Rule], drawn: Iterable[str], depth: int) -> History:
    """Compare the newest snapshot with earlier ones.

    rules  are checked for the changes since the night before. Without one there is nothing to check.
    drawn  paths whose growth is wanted.
    depth  levels of directories.
    """
    snapshots = store.snapshots
    finished = [each for each in snapshots if each.state in FINISHED]
    growth: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    unknown: list[str] = []
    tree_growth: dict[str, int] | None = None
    for name, base in bases_of(finished):
        comparison = Comparison(store, base, finished[-1], rules if not growth else (), depth)
        tree = TreeGrowth(drawn)
        comparison.count(tree)
        if not growth:
            verdicts, unknown, tree_growth = comparison.verdicts(), comparison.unknown, tree.growth
        growth.append(comparison.as_dict(name))
    return History(growth, [point(each) for each in snapshots], verdicts, unknown, tree_growth)


def bases_of(finished: Sequence[Snapshot]) -> Iterator[tuple[str, Snapshot]]:
    """Yield the snapshots to compare the last one with, each once."""
    *before, now = finished
    used: set[int] = set()
    for name, days in PERIODS.items():
        old_enough = [each for each in before if not days or each.began <= now.began - days * DAY + SLACK]
        if old_enough and old_enough[-1].number not in used:
            used.add(old_enough[-1].number)
            yield name, old_enough[-1]


class Comparison:
    """The changes from one snapshot to another, summed up in several ways."""

    def __init__(self, store: Store, before: Snapshot, after: Snapshot, rules: Sequence[Rule], depth: int) -> None:
        self._store, self._before, self._after = store, before, after
        self._check = RuleCheck(rules, store.roots)
        now_ns = int(after.began * 1e9)
        self._summaries = {
            by: Summary(grouping_by(by, store.roots, depth=depth, now_ns=now_ns)) for by in BY
        }  # fmt: skip
        self.unknown: list[str] = []

    def count(self, tree: TreeGrowth) -> None:
        with self._store.diff(self._before.number, self._after.number) as changes:
            for change in self._check.watched(changes.changes(every=True)):
                tree.add(change)
                for summary in self._summaries.values():
                    summary.add(change)
            self.unknown = changes.unknown

    def verdicts(self) -> list[Verdict]:
        return self._check.verdicts(self._before.bytes, self.unknown)

    def as_dict(self, name: str) -> dict[str, Any]:
        has_sizes = None not in (self._before.bytes, self._after.bytes)
        first = next(iter(self._summaries.values()))
        return {
            "since": name,
            "snapshot": self._before.number,
            "began": iso_time(self._before.began),
            "before": totals(self._before),
            "changes": first.total.as_dict(has_sizes=has_sizes),
            "unknown": len(self.unknown),
            "by": {
                by: [
                    {**path_fields(name, "name"), **sums.as_dict(has_sizes=has_sizes)} for name, sums in extremes(each)
                ]
                for by, each in self._summaries.items()
            },
        }


def extremes(summary: Summary) -> list[tuple[str, Sums]]:
    """Return the groups that grew most, then those that shrank most, in the order of their growth."""
    groups = sorted(summary.groups.items(), key=lambda item: -item[1].growth)
    grown = [item for item in groups if item[1].growth > 0]
    shrunk = [item for item in groups if item[1].growth < 0]
    return grown[:MOST] + shrunk[-MOST:]


class TreeGrowth:
    """Bytes that came, below each of some paths."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.growth: dict[str, int] = dict.fromkeys(paths, 0)
        self._paths = {path.rstrip("/"): path for path in self.growth}

    def add(self, change: Change) -> None:
        if change.growth is None:
            return
        self._add(change.source or change.path, -(change.size_before or 0))
        self._add(change.path, change.size_after or 0)

    def _add(self, path: str, growth: int) -> None:
        while growth:
            if (known := self._paths.get(path.rstrip("/"))) is not None:
                self.growth[known] += growth
            above = os.path.dirname(path)
            if above in (path, ""):
                return
            path = above


def totals(snapshot: Snapshot) -> dict[str, Any]:
    """Return the size of a snapshot, with what was known of places that are unreadable now.

    Bytes count each name of a file.
    """
    return {
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "disk_bytes": None if snapshot.blocks is None else 512 * snapshot.blocks,
    }


def point(snapshot: Snapshot) -> dict[str, Any]:
    """Return a point of the trend."""
    return {
        "snapshot": snapshot.number,
        "began": iso_time(snapshot.began),
        "state": snapshot.state,
        "seconds": None if snapshot.seconds is None else round(snapshot.seconds, 3),
        "errors": snapshot.errors,
        **totals(snapshot),
    }
