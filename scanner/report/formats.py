"""Reports in files. The suffix of a file name selects the format."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from scanner.errors import OptionError
from scanner.export.formats import require_extra
from scanner.kernel.producers.base import json_escaped
from scanner.report.text import markdown_report

ReportFunction = Callable[[dict[str, Any]], str]


def takes_longest(path: str) -> bool:
    """Return whether a format is slow. Slow reports are written last, so that an interruption costs no others."""
    return path.lower().endswith(".html")


def json_report(data: dict[str, Any]) -> str:
    return json_escaped(json.dumps(data, indent=2, ensure_ascii=False)) + "\n"


def report_function(path: str) -> ReportFunction:
    """Return the function that makes the report for a file name.

    Raises OptionError if the suffix is unknown, or if a required package is missing.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".html":
        require_extra("report", "a report in HTML", "matplotlib", "jinja2")
    if suffix not in FORMATS:
        raise OptionError(f"--report {path!r}: the suffix selects the format, and must be one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _html(data: dict[str, Any]) -> str:
    from scanner.report.html import html_report  # its libraries take a second and memory: only after the scan

    return html_report(data)


FORMATS: dict[str, ReportFunction] = {
    ".json": json_report,
    ".md": markdown_report,
    ".html": _html,
}
