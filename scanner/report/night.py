"""The part of a report about a night and the nights before it: for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.report.data import HARMLESS_KINDS, minute, shown_text
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


def unknown_places(report: dict[str, Any]) -> int:
    """Return the number of errors that leave something unknown."""
    return sum(count for kind, count in report["errors"].items() if kind not in HARMLESS_KINDS)


def completeness(report: dict[str, Any]) -> str:
    """Return whether the result is complete, in a sentence."""
    count = unknown_places(report)
    if not count:
        return "Complete: everything was readable."
    places = "1 place is" if count == 1 else f"{count:,} places are"
    return f"Incomplete: {places} unknown. Entries that earlier nights found there still count."


def totals_table(night: dict[str, Any]) -> ReportTable:
    """Return the totals, and how much they grew since earlier nights."""
    known = [measure for measure in MEASURES if night["now"][measure] is not None]
    rows: list[tuple[str, ...]] = [(*(amount(measure, night["now"][measure]) for measure in known), "now")]
    for each in night["growth"]:
        cells = (growth_cell(measure, each["grown"][measure], each["before"][measure]) for measure in known)
        rows.append((*cells, f"since {each['since']}"))
    return ReportTable("Total and growth", (*(MEASURES[measure] for measure in known), ""), rows)


def growth_cell(measure: str, grown: int | None, before: int | None) -> str:
    if grown is None:
        return ""
    share = f" ({grown / before:+.1%})" if before else ""
    return f"{signed(grown) if 'bytes' in measure else f'{grown:+,}'}{share}"


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


def changes_text(night: dict[str, Any], growth: dict[str, Any]) -> str:
    """Return how many entries changed since an earlier night, in a sentence or two."""
    changes = growth["changes"]
    parts = [f"{changes[name]:,} {name}" for name in ("added", "removed", "changed", "moved")]
    if growth["unknown"]:
        parts.append(f"{growth['unknown']:,} unknown then or now")
    text = f"Since {minute(growth['began'])}: {', '.join(parts)}."
    now, before, grown = (each["bytes"] for each in (night["now"], growth["before"], growth["grown"]))
    if None not in (now, before, grown) and now != before + grown:
        text += (
            f" Places that were unknown then make a difference of {signed(now - before - grown)}, which is no growth."
        )
    return text
