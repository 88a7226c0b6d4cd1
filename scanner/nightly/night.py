"""What a night has come to: its status, its line for a mail, and the `night` part of its report."""

from __future__ import annotations

from typing import Any, NamedTuple

from scanner.nightly.history import History
from scanner.report.data import iso_time, path_fields, shown_text
from scanner.report.diffs import finite
from scanner.report.tables import human, signed

OK, WARNING, FAILED = "OK", "WARNING", "FAILED"
MOST_NAMED = 20  # unknown directories that a page names


class Night(NamedTuple):
    """A night that has ended.

    name      of the trees
    code      exit code
    problems  what is not as it should be, in words; of a night that failed: the reason
    report    as docs/report.schema.json describes it; of a night that failed: of the last good one, or None
    seconds   that the night took
    """

    name: str
    code: int
    problems: list[str]
    report: dict[str, Any] | None
    seconds: float

    @property
    def status(self) -> str:
        return OK if not self.code else WARNING if self.has_result else FAILED

    @property
    def has_result(self) -> bool:
        """Whether there is a result of this night: all is well, something is unreadable, or a rule is broken."""
        return self.code in (0, 1, 4)

    def line(self, page: str) -> str:
        """Return the line of a mail. `page`: where the page is."""
        parts = [*self._sizes(), *self.problems, duration(self.seconds)]
        return f"{shown_text(self.name)}: {self.status} {', '.join(parts)}; page: {shown_text(page)}"

    def _sizes(self) -> list[str]:
        if not self.has_result or self.report is None:
            return []
        night = self.report["night"]
        files = night["now"]["files"]
        sizes = [f"{files:,} file{'' if files == 1 else 's'}"]
        if (size := night["now"]["bytes"]) is not None:
            sizes.append(human(size) + growth_in_brackets(night))
        return sizes


def night_part(
    name: str, code: int, problems: list[str], history: History, store: str, now: dict[str, Any]
) -> dict[str, Any]:
    """Return the `night` part of a report."""
    return {
        "name": shown_text(name),
        "status": OK if not code else WARNING,
        "exit_code": code,
        "problems": problems,
        **path_fields(store, "store"),
        "snapshot": history.trend[-1]["snapshot"],
        "now": now,
        "growth": history.growth,
        "unknown": [path_fields(path) for path in history.unknown],
        "rules": [
            {"rule": each.rule.text, "value": finite(each.value), "broken": each.is_broken, "message": each.message}
            for each in history.verdicts
        ],
        "trend": history.trend,
        "failure": None,
    }


def failure_part(code: int, problems: list[str], at: float) -> dict[str, Any]:
    """Return what a page says at its top after a night that failed."""
    return {"at": iso_time(at), "exit_code": code, "problems": problems}


def growth_in_brackets(night: dict[str, Any]) -> str:
    """Return ` (+23 MiB)`, the growth since the night before; empty if that is unknown."""
    if not night["growth"] or (before := night["growth"][0]["before"]["bytes"]) is None:
        return ""
    return f" ({signed(night['now']['bytes'] - before)})"


def duration(seconds: float) -> str:
    """Format a duration for people: 14 s, 3 min, 1 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def unreadable(report: dict[str, Any]) -> list[str]:
    """Return the problem that directories are unreadable, if some are."""
    count = sum(number for kind, number in report["errors"].items() if kind not in ("vanished", "pattern"))
    if not count:
        return []
    paths = [fault for fault in report["faults"] if fault["kind"] not in ("vanished", "pattern")]
    where = f" ({shown_text(paths[0]['path'])})" if len(paths) == 1 else ""
    lost = "directory" if all(fault["operation"] in ("open", "read") for fault in paths) else "path"
    plural = {"directory": "directories", "path": "paths"}[lost]
    return [f"{count:,} {lost if count == 1 else plural} unreadable{where}"]
