"""The result of a night: status, line for a mail, and the `night` part of its report."""

from __future__ import annotations

from typing import Any, NamedTuple

from scanner.nightly.history import History
from scanner.report.data import HARMLESS_KINDS, SCHEMA, iso_time, one_line, path_fields, shown_text
from scanner.report.diffs import finite
from scanner.report.night import unknown_places
from scanner.report.tables import human, signed
from scanner.units import duration

OK, WARNING, FAILED = "OK", "WARNING", "FAILED"
RESULTS = 0, 1, 4
"""Exit codes of nights with a result: all is well, something is unreadable, a rule is broken."""
MOST_LISTED = 1000  # faults, and unknown directories, in the report of a night


class Night(NamedTuple):
    """A night that has ended.

    name      of the tree
    code      exit code
    problems  sentences about what is wrong; of a night that failed: the reason
    report    as docs/report.schema.json describes it; of a night that failed: of the last good one, or None
    seconds   that the night took
    """

    name: str
    code: int
    problems: list[str]
    report: dict[str, Any] | None
    seconds: float

    @property
    def has_result(self) -> bool:
        return self.code in RESULTS

    @property
    def status(self) -> str:
        return OK if not self.code else WARNING if self.has_result else FAILED

    def line(self, page: str) -> str:
        """Return the line of a mail. `page`: path of the page."""
        parts = [*self._sizes(), *self.problems, duration(self.seconds)]
        return f"{self.name}: {self.status} {', '.join(parts)}; page: {shown_text(page)}"

    def _sizes(self) -> list[str]:
        if not self.has_result or self.report is None:
            return []
        night = self.report["night"]
        files, size, grown = night["now"]["files"], night["now"]["bytes"], growth_of(night)
        growth = "" if grown is None else f" ({signed(grown)})"
        return [f"{files:,} file{'' if files == 1 else 's'}", human(size) + growth]

    def failed(self, problem: str, report: dict[str, Any] | None) -> Night:
        """Return the night as one that has failed after all. `report`: that of the last good one."""
        code = 3 if self.has_result else self.code
        problems = [each for each in self.problems if each != one_line(problem)]
        return self._replace(code=code, problems=[*problems, one_line(problem)], report=report)


def night_part(
    name: str, code: int, problems: list[str], history: History, store: str, now: dict[str, Any]
) -> dict[str, Any]:
    """Return the `night` part of a report."""
    return {
        "name": name,
        "status": OK if not code else WARNING,
        "exit_code": code,
        "problems": problems,
        **path_fields(store, "store"),
        "snapshot": history.trend[-1]["snapshot"],
        "now": now,
        "growth": history.growth,
        "unknown": [path_fields(path) for path in history.unknown[:MOST_LISTED]],
        "rules": [
            {"rule": each.rule.text, "value": finite(each.value), "broken": each.is_broken, "message": each.message}
            for each in history.verdicts
        ],
        "trend": history.trend,
        "failure": None,
    }


def report_of_failures(name: str, store: str) -> dict[str, Any]:
    """Return the report of a tree that had no night with a result."""
    return {"schema": SCHEMA, "night": {"name": name, **path_fields(store, "store")}}


def failure_part(night: Night, at: float) -> dict[str, Any]:
    """Return what a page says at its top after a night that failed."""
    return {"at": iso_time(at), "exit_code": night.code, "problems": night.problems}


def growth_of(night: dict[str, Any]) -> int | None:
    """Return the bytes that came since the night before, in places that are known of both nights. None: unknown."""
    grown: int | None = night["growth"][0]["grown"]["bytes"] if night["growth"] else None
    return grown


def unreadable(report: dict[str, Any]) -> list[str]:
    """Return the problem that directories are unreadable, if some are."""
    count = unknown_places(report)
    if not count:
        return []
    faults = [fault for fault in report["faults"] if fault["kind"] not in HARMLESS_KINDS]
    where = f" ({shown_text(faults[0]['path'])})" if len(faults) == 1 else ""
    is_directory = all(fault["operation"] in ("open", "read") for fault in faults)
    one, many = ("directory", "directories") if is_directory else ("path", "paths")
    return [f"{count:,} {one if count == 1 else many} unreadable{where}"]
