"""The part of a report about a night and the nights before it: for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.report.data import shown_text
from scanner.report.tables import ReportTable, human, signed

MEASURES = {"bytes": "size", "disk_bytes": "disk usage", "files": "files"}


def failure_text(night: dict[str, Any]) -> str:
    """Return the sentence about a later night that failed; empty if none did."""
    failure = night.get("failure")
    if failure is None:
        return ""
    return f"The night of {minute(failure['at'])} failed: {', '.join(failure['problems'])}"


def status_of(night: dict[str, Any]) -> str:
    """Return OK, WARNING or FAILED."""
    return "FAILED" if night.get("failure") is not None else str(night["status"])


def completeness(report: dict[str, Any]) -> str:
    """Return whether the result is complete, in a sentence."""
    errors = {kind: count for kind, count in report["errors"].items() if kind != "vanished"}
    if not errors:
        return "Complete: everything was readable."
    count = sum(errors.values())
    places = "1 place is" if count == 1 else f"{count:,} places are"
    return f"Incomplete: {places} unknown. What earlier nights have found there still counts."


def totals_table(night: dict[str, Any]) -> ReportTable:
    """Return the totals, and how much they grew since earlier nights."""
    known = [measure for measure in MEASURES if night["now"][measure] is not None]
    rows: list[tuple[str, ...]] = [(*(amount(measure, night["now"][measure]) for measure in known), "now")]
    for each in night["growth"]:
        cells = (growth_cell(measure, night["now"][measure], each["before"][measure]) for measure in known)
        rows.append((*cells, f"since {each['since']}"))
    return ReportTable("Total and growth", (*(MEASURES[measure] for measure in known), ""), rows)


def growth_cell(measure: str, now: int, before: int | None) -> str:
    if before is None:
        return ""
    share = f" ({(now - before) / before:+.1%})" if before else ""
    return f"{difference(measure, now - before)}{share}"


def difference(measure: str, number: int) -> str:
    return signed(number) if "bytes" in measure else f"{number:+,}"


def amount(measure: str, number: int) -> str:
    return human(number) if "bytes" in measure else f"{number:,}"


def growth_tables(growth: dict[str, Any]) -> Iterator[ReportTable]:
    """Yield what grew and shrank most since one earlier night, by directory, owner and suffix."""
    for by, groups in growth["by"].items():
        rows: list[tuple[str, ...]] = [
            (
                "" if each["growth"] is None else signed(each["growth"]), f"{each['added']:,}", f"{each['removed']:,}",
                f"{each['changed']:,}", shown_text(each["name"]),
            )
            for each in groups
        ]  # fmt: skip
        if rows:
            yield ReportTable(f"By {by}", ("growth", "added", "removed", "changed", by), rows)


def changes_text(growth: dict[str, Any]) -> str:
    """Return how many entries changed since an earlier night, in a sentence."""
    changes = growth["changes"]
    parts = [f"{changes[name]:,} {name}" for name in ("added", "removed", "changed", "moved")]
    if growth["unknown"]:
        parts.append(f"{growth['unknown']:,} unknown then or now")
    return f"Since {minute(growth['began'])}: {', '.join(parts)}."


def minute(moment: str) -> str:
    """Format the local time of a report: `2026-11-30 02:10`."""
    return moment[:16].replace("T", " ")
