"""The report as plain values: the one source of every form of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from scanner.model import UNEXPECTED, Fault, Path, printable, utf8_bytes, utf8_text
from scanner.stats import ScanStats

LONGEST_SHOWN = 300  # characters of a path; files of results have all of it
SCHEMA = 1
"""Grows when a field changes its meaning or goes; new fields do not count."""


def report_data(
    roots: Sequence[Path],
    outcome: str,
    stats: ScanStats,
    filesystems: Sequence[str],
    version: str,
    *,
    names: dict[str, Any] | None = None,
    sizes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything about one scan, as docs/report.schema.json has it. `outcome`: complete, incomplete, timeout,
    interrupted or failed; `names`, `sizes`: where they were asked for.
    """
    record = scan_record(roots, outcome, stats, version)
    del record["unreadable"]  # they are among the faults
    return {
        "schema": SCHEMA,
        **record,
        "filesystems": [valid_text(filesystem) for filesystem in filesystems],
        **stats.as_dict(),
        "slowest_directories": [{**path_fields(path), "seconds": round(seconds, 6)} for seconds, path in stats.slowest],
        **({} if names is None else {"names": names}),
        **({} if sizes is None else {"sizes": sizes}),
        "faults": [fault_fields(fault) for fault in stats.faults],
    }


def scan_record(roots: Sequence[Path], outcome: str, stats: ScanStats, version: str) -> dict[str, Any]:
    """Return what identifies a scan. In comparisons, all below an `unreadable` directory is unknown."""
    from datetime import datetime, timedelta  # 2 ms: not spent where nobody wants a record

    finished_at = datetime.now().astimezone()
    return {
        "scanner": version,
        "host": valid_text(os.uname().nodename),
        "started_at": (finished_at - timedelta(seconds=stats.elapsed_seconds)).isoformat(timespec="seconds"),
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "roots": [{**path_fields(root), **path_fields(_absolute(root), "absolute_path")} for root in roots],
        "outcome": outcome,
        "unreadable": [
            fault_fields(fault)
            for fault in stats.faults
            if fault.kind == UNEXPECTED or (fault.drops_listing and (fault.kind != "vanished" or fault.path in roots))
        ],
    }


def _absolute(root: Path) -> Path:
    try:
        return os.path.abspath(root)
    except OSError:  # the working directory is gone
        return root


def fault_fields(fault: Fault) -> dict[str, Any]:
    return {
        **path_fields(fault.path),
        "operation": fault.operation,
        "errno": fault.errno,
        "message": printable(message_text(fault.message)),
        "kind": fault.kind,
        "attempts": fault.attempts,
        "partial": fault.partial,
    }


def path_fields(path: Path, name: str = "path") -> dict[str, str]:
    """`path` for people, under `name`; and `path_b64`, where it is no UTF-8."""
    raw = os.fsencode(path)
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        import base64  # seldom needed

        return {name: raw.decode(errors="replace"), f"{name}_b64": base64.b64encode(raw).decode()}


def valid_text(name: str) -> str:
    """Text that the system has decoded, as it is in JSON: bytes that are no UTF-8 become U+FFFD."""
    return valid_utf8(utf8_text(name))


def valid_utf8(text: str) -> str:
    """The same for the result of `utf8_text`."""
    return utf8_bytes(text).decode(errors="replace")


def message_text(message: str) -> str:
    """An error message in which names were decoded by the locale. It may also be a translation that has other text."""
    try:
        return utf8_text(message)
    except UnicodeEncodeError:
        return message


def shown(path: Path) -> str:
    """A path for a terminal: control characters and bytes that are no UTF-8 escaped, a long one without its middle."""
    return shown_text(utf8_text(path))


def shown_text(text: str) -> str:
    """The same for a path of a report, which is text already: the encoding of names need not have its characters."""
    if len(text) > LONGEST_SHOWN:
        text = f"{text[: LONGEST_SHOWN // 2]}[... {len(text):,} characters ...]{text[-LONGEST_SHOWN // 2 :]}"
    return printable(text)


__all__ = ["SCHEMA", "fault_fields", "message_text", "path_fields", "printable", "report_data", "shown", "shown_text"]
