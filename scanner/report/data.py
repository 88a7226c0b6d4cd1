"""The report as plain values, from which every format is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scanner.encoding import printable, utf8_bytes, utf8_text
from scanner.model import UNEXPECTED, Fault, Path
from scanner.stats import ScanStats

if TYPE_CHECKING:
    from scanner.report.treemap import Row

LONGEST_SHOWN = 300  # characters of a path in text for people; JSON has the whole path
HARMLESS_KINDS = frozenset({"vanished", "pattern"})
"""Kinds of Faults that leave the result complete."""
SCHEMA = 1
"""Version of the report. It grows when a field changes its meaning or is removed, not when one is added."""


def report_data(
    roots: Sequence[Path],
    outcome: str,
    stats: ScanStats,
    filesystems: Sequence[str],
    version: str,
    *,
    names: dict[str, Any] | None = None,
    sizes: dict[str, Any] | None = None,
    treemap: list[Row] | None = None,
) -> dict[str, Any]:
    """Return the report of one scan, as docs/report.schema.json describes it.

    `outcome`: complete, incomplete, timeout, interrupted or failed. `names`, `sizes`,
    `treemap`: optional parts.
    """
    record = scan_record(roots, outcome, stats, version)
    del record["unreadable"]  # `faults` has them
    return {
        "schema": SCHEMA,
        **record,
        "filesystems": [valid_text(filesystem) for filesystem in filesystems],
        **stats.as_dict(),
        "slowest_directories": [{**path_fields(path), "seconds": round(seconds, 6)} for seconds, path in stats.slowest],
        **({"snapshot": stats.snapshot} if stats.snapshot else {}),
        **({} if names is None else {"names": names}),
        **({} if sizes is None else {"sizes": sizes}),
        **({} if treemap is None else {"treemap": treemap}),
        "faults": [fault_fields(fault) for fault in stats.faults],
    }


def scan_record(roots: Sequence[Path], outcome: str, stats: ScanStats, version: str) -> dict[str, Any]:
    """Return what identifies a scan. Comparisons treat everything below an `unreadable` directory as unknown."""
    from datetime import datetime, timedelta  # takes 2 ms, and most scans need no record

    finished_at = datetime.now().astimezone()
    return {
        "scanner": version,
        "host": valid_text(os.uname().nodename),
        "started_at": (finished_at - timedelta(seconds=stats.elapsed_seconds)).isoformat(timespec="seconds"),
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "roots": [{**path_fields(root), **path_fields(_absolute(root), "absolute_path")} for root in roots],
        "outcome": outcome,
        **({"read_from": read_from(stats)} if stats.read_from else {}),
        "unreadable": [
            fault_fields(fault)
            for fault in stats.faults
            if fault.kind == UNEXPECTED or (fault.drops_listing and (fault.kind != "vanished" or fault.path in roots))
        ],
    }


def read_from(stats: ScanStats) -> dict[str, Any]:
    """Return what identifies the snapshot that was read instead of the tree."""
    moments = {name: iso_time(stats.read_from[name]) for name in ("began", "ended")}
    return {**stats.read_from, **moments, **path_fields(stats.read_from["store"], "store")}


def iso_time(seconds: float | None) -> str | None:
    """Format seconds since 1970 as local time, with its offset from UTC."""
    from datetime import datetime  # takes 2 ms: not needed otherwise

    return None if seconds is None else datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _absolute(root: Path) -> Path:
    try:
        return os.path.abspath(root)
    except OSError:  # the working directory was removed
        return root


def fault_fields(fault: Fault) -> dict[str, Any]:
    """Return a fault as plain values."""
    return {
        **path_fields(fault.path),
        "operation": fault.operation,
        "errno": fault.errno,
        "message": one_line(fault.message),
        "kind": fault.kind,
        "attempts": fault.attempts,
        "partial": fault.partial,
    }


def path_fields(path: Path, name: str = "path") -> dict[str, str]:
    """Return the field `name` with the path; if that is not UTF-8, also `name`_b64 with its bytes."""
    raw = os.fsencode(path)
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        import base64  # not needed otherwise

        return {name: raw.decode(errors="replace"), f"{name}_b64": base64.b64encode(raw).decode()}


def valid_text(name: str) -> str:
    """Return text that Python decoded from the system as valid UTF-8: other bytes become U+FFFD."""
    return valid_utf8(utf8_text(name))


def valid_utf8(text: str) -> str:
    """Return a result of `utf8_text` as valid UTF-8: other bytes become U+FFFD."""
    return utf8_bytes(text).decode(errors="replace")


def message_text(message: str) -> str:
    """Decode an error message as UTF-8 if the locale decoded its names; a translated message stays as it is."""
    try:
        return utf8_text(message)
    except UnicodeEncodeError:
        return message


def one_line(message: str) -> str:
    """Format a message on one line, without control characters, and as valid UTF-8."""
    return printable(message_text(message))


def minute(moment: str) -> str:
    """Format the local time of a report: `2026-11-30 02:10`."""
    return moment[:16].replace("T", " ")


def shown(path: Path) -> str:
    """Format a path for people: escape control characters and bytes that are not UTF-8, shorten a long path."""
    return shown_text(utf8_text(path))


def shown_text(text: str) -> str:
    """Format a path of a report, which is text already, as `shown` does."""
    if len(text) > LONGEST_SHOWN:
        text = f"{text[: LONGEST_SHOWN // 2]}[... {len(text):,} characters ...]{text[-LONGEST_SHOWN // 2 :]}"
    return printable(text)
