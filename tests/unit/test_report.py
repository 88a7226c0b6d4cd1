"""Formatting of names and figures for people."""

from __future__ import annotations

import pytest

from scanner.model import Fault
from scanner.mounts import filesystem_type
from scanner.report.data import LONGEST_SHOWN, fault_fields, report_data, shown
from scanner.report.text import facts, markdown_report, text_report
from scanner.stats import ScanStats


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/plain/é/🗂️".replace("\ufe0f", ""), "/plain/é/🗂"),
        ("/a\nb\tc\x1b[31m", "/a\\nb\\tc\\x1b[31m"),
        (b"/\xff\xfe", "/\\xff\\xfe"),
        ("/right\u202eleft", "/right\\u202eleft"),
    ],
)
def test_names_are_safe_on_a_terminal(path: str | bytes, expected: str) -> None:
    assert shown(path) == expected


def test_a_long_path_shows_both_ends() -> None:
    text = shown("/start" + "x" * 5000 + "end")
    assert text.startswith("/start")
    assert text.endswith("end")
    assert "5,009 characters" in text
    assert len(text) < LONGEST_SHOWN + 40


def test_a_fault_in_json_keeps_the_bytes_of_its_path() -> None:
    fields = fault_fields(Fault(b"/\xff", "open", 13, "Permission denied", "denied"))
    assert fields == {
        "path": "/\ufffd", "path_b64": "L/8=", "operation": "open", "errno": 13,
        "message": "Permission denied", "kind": "denied", "attempts": 1, "partial": False,
    }  # fmt: skip


def test_a_report_of_an_empty_scan() -> None:
    stats = ScanStats("serial", 2, "python")
    stats.finish()
    data = report_data([b"/x"], "failed", stats, ["ext4"], "1.0")
    assert "Errors              none" in text_report(data)
    assert "| Directories | 0 |" in markdown_report(data)


def test_facts_of_a_scan_with_incidents_and_sizes() -> None:
    data = report_data([b"/x"], "complete", ScanStats("serial", 2, "python"), ["ext4"], "1.0")
    assert {"Incidents", "Disk usage", "Apparent size"}.isdisjoint(dict(facts(data)))
    data |= {"retries": 2, "worker_deaths": 1, "sizes": {"disk_bytes": 4096, "apparent_bytes": 10}}
    found = dict(facts(data))
    assert found["Incidents"] == "2 retries, 1 worker died and was replaced"
    assert (found["Disk usage"], found["Apparent size"]) == ("4 KiB", "10 B")


def test_markdown_escapes_names() -> None:
    stats = ScanStats("serial", 2, "python")
    data = report_data([b"/a|b<script>"], "complete", stats, ["ext4"], "1.0")
    assert "/a\\|b\\<script\\>" in markdown_report(data)


def test_the_file_system_of_a_path() -> None:
    assert filesystem_type("/proc/self") == "proc"
    assert filesystem_type(b"/") not in ("", "unknown")
