"""Compare a night with earlier ones, and return the trend over all snapshots of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from scanner.model import directories_above
from scanner.report.changes import Groups, Summary, Sums, grouping_by
from scanner.report.data import iso_time, path_fields
from scanner.report.names import OTHER
from scanner.report.rules import Rule, RuleCheck, Verdict
from scanner.snapshot.diff import Change
from scanner.snapshot.prune import FINISHED
from scanner.snapshot.store import Snapshot, Store

DAY = 86_400
NIGHT, WEEK, MONTH = "the night before", "a week before", "a month before"
PERIODS = {WEEK: (6.5, 10.5), MONTH: (29.5, 45)}
"""Ages in days that a snapshot may have to stand for a period. Nights do not begin at the same second."""
BY = "directory", "owner", "suffix"
MOST = 8  # groups that grew, and groups that shrank, of each kind
MOST_POINTS = 500  # of the trend


class History(NamedTuple):
    """Earlier nights, for a report. `tree_growth`: growth of disk usage since the night before, by path."""

    growth: list[dict[str, Any]]
    trend: list[dict[str, Any]]
    verdicts: list[Verdict]
    unknown: list[str]
    tree_growth: dict[str, int | None] | None


def history_of(
    store: Store, number: int, reported: int | None, rules: Sequence[Rule], drawn: Iterable[str], depth: int
) -> History:  # fmt: skip
    """Compare snapshot `number` with earlier ones.

    reported  number of the snapshot of the last page. It is the night before: what has changed since then was never
              reported, although a later night that failed may have stored it.
    rules  are checked for the changes since the night before. Without such a night there is nothing to check.
    drawn  paths whose growth is returned.
    depth  levels of directories.
    """
    snapshots = [each for each in store.snapshots if each.number <= number]
    finished = [each for each in snapshots if each.state in FINISHED]
    comparisons = {name: Comparison(store, base, finished[-1], depth) for name, base in bases_of(finished, reported)}
    night = comparisons.get(NIGHT)
    tree = None if night is None else TreeGrowth(drawn)
    verdicts: list[Verdict] = []
    for comparison in comparisons.values():
        if comparison is night:
            verdicts = comparison.count(rules, tree)
        else:
            comparison.count()
    return History(
        [comparison.as_dict(name) for name, comparison in comparisons.items()],
        [point(each) for each in thinned(snapshots)],
        verdicts,
        [] if night is None else night.unknown,
        None if night is None or tree is None else tree.result(night.unknown),
    )


def bases_of(finished: Sequence[Snapshot], reported: int | None) -> Iterator[tuple[str, Snapshot]]:
    """Yield the snapshots to compare the last one with, each once."""
    *before, now = finished
    if not before:
        return
    night = next((each for each in before if each.number == reported), before[-1])
    yield NIGHT, night
    for name, (least, most) in PERIODS.items():
        found = [each for each in before if least <= (now.began - each.began) / DAY <= most and each is not night]
        if found:
            yield name, found[-1]


class Comparison:
    """The changes from one snapshot to another, summed up in several ways."""

    def __init__(self, store: Store, before: Snapshot, after: Snapshot, depth: int) -> None:
        self._store, self._before, self._after = store, before, after
        now_ns = int(after.began * 1e9)
        self._summary = Summary()
        self._groups = {by: Groups(grouping_by(by, store.roots, depth=depth, now_ns=now_ns)) for by in BY}
        self._files = self._blocks = 0
        self.unknown: list[str] = []

    def count(self, rules: Sequence[Rule] = (), tree: TreeGrowth | None = None) -> list[Verdict]:
        """Count the changes, also in `tree`. Return what the rules say of them."""
        check = RuleCheck(rules, self._store.roots)
        with self._store.diff(self._before.number, self._after.number) as changes:
            every = changes.changes(every=True)
            for change in check.watched(every) if rules else every:
                self._summary.add(change)
                self._files += (change.size_after is not None) - (change.size_before is not None)
                self._blocks += (change.blocks_after or 0) - (change.blocks_before or 0)
                for groups in self._groups.values():
                    groups.add(change)
                if tree is not None:
                    tree.add(change)
            self.unknown = changes.unknown
        return check.verdicts(self._before.bytes, self.unknown)

    def as_dict(self, since: str) -> dict[str, Any]:
        ends = self._before, self._after
        has_sizes = None not in (end.bytes for end in ends)
        return {
            "since": since,
            "snapshot": self._before.number,
            "began": iso_time(self._before.began),
            "before": totals(self._before),
            "grown": {
                "files": self._files if has_sizes else None,
                "bytes": self._summary.total.growth if has_sizes else None,
                "disk_bytes": None if None in (end.blocks for end in ends) else 512 * self._blocks,
            },
            "changes": self._summary.total.as_dict(has_sizes=has_sizes),
            "unknown": len(self.unknown),
            "by": {
                by: [
                    {**path_fields(name, "name"), **sums.as_dict(has_sizes=has_sizes)} for name, sums in extremes(each)
                ]
                for by, each in self._groups.items()
            },
        }


def extremes(groups: Groups) -> list[tuple[str, Sums]]:
    """Return the groups that grew most, then those that shrank most, in the order of their growth; then all others."""
    ranked = sorted(groups.by_name(), key=lambda item: -item[1].growth)
    grown = [item for item in ranked if item[1].growth > 0][:MOST]
    shrunk = [item for item in ranked if item[1].growth < 0][-MOST:]
    chosen = {name for name, _ in grown + shrunk}
    others = Sums()
    for sums in (sums for name, sums in ranked if name not in chosen):
        others.add(sums)
    return grown + shrunk + ([(OTHER, others)] if others.count or others.growth else [])


class TreeGrowth:
    """Growth of disk usage below each of some paths. Each name of a file counts."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = {path.rstrip("/"): path for path in paths}
        self._blocks = dict.fromkeys(self._paths, 0)

    def add(self, change: Change) -> None:
        self._add(change.source or change.path, -(change.blocks_before or 0))
        self._add(change.path, change.blocks_after or 0)

    def _add(self, path: str, blocks: int) -> None:
        for each in (path, *directories_above(path)) if blocks else ():
            if (bare := each.rstrip("/")) in self._blocks:
                self._blocks[bare] += blocks

    def result(self, unknown: Sequence[str]) -> dict[str, int | None]:
        """Return the growth in bytes by path; None at and below the `unknown` directories."""
        gone = set(unknown)
        return {
            path: None if gone and not gone.isdisjoint([path, *directories_above(path)]) else 512 * self._blocks[bare]
            for bare, path in self._paths.items()
        }


def totals(snapshot: Snapshot) -> dict[str, Any]:
    """Return the size of a snapshot, with what was known of places that are unreadable now.

    Bytes count each name of a file.
    """
    return {
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "disk_bytes": None if snapshot.blocks is None else 512 * snapshot.blocks,
    }


def thinned(snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """Return some of very many snapshots: at equal distances, and the last one."""
    step = -(-len(snapshots) // MOST_POINTS) or 1
    return snapshots[::-1][::step][::-1]


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
