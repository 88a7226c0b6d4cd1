"""The report as one self-contained HTML file: for screens in light or dark mode, phones and paper."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from scanner.report import night as nights
from scanner.report.data import minute, shown_text
from scanner.report.drawing import DIMENSIONS, treemap_svg
from scanner.report.tables import machine_tables, result_tables
from scanner.report.text import fault_detail, faults_by_kind, machine_facts, result_facts
from scanner.report.treemap import Row

PAGES = Path(__file__).parent / "pages"


def html_report(data: dict[str, Any]) -> str:
    """Return the page of a report, with its plots. A night without a result has only its failure."""
    if "started_at" not in data:
        return page("failed.html.j2", night=data["night"])
    from scanner.report.pictures import machine_pictures, result_pictures  # imports matplotlib

    night = data.get("night")
    return page(
        "scan.html.j2",
        data=data,
        facts=list(result_facts(data)),
        machine_facts=list(machine_facts(data)),
        pictures=list(result_pictures(data)),
        machine_pictures=list(machine_pictures(data)),
        tables=list(result_tables(data)),
        machine_tables=list(machine_tables(data)),
        faults=faults_by_kind(data),
        night=night,
        trend=[] if night is None else trend_of(night),
        **treemap_values(data.get("treemap", [])),
    )


def trend_of(night: dict[str, Any]) -> list[str]:
    from scanner.report.trend import trend_pictures  # imports matplotlib

    return list(trend_pictures(night["trend"]))


def html_treemap(rows: Sequence[Row], heading: str) -> str:
    """Return a page with a treemap only."""
    return page("treemap.html.j2", heading=heading, **treemap_values(rows))


def treemap_values(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the drawing, its data, and the script that lets the reader enter directories; empty without rows."""
    if not rows:
        return {"treemap": "", "treemap_data": "", "script": "", "has_files": False}
    # `</script>` would end the element.
    text = json.dumps({"rows": rows, **DIMENSIONS}, separators=(",", ":")).replace("<", "\\u003c")
    return {
        "treemap": treemap_svg(rows),
        "treemap_data": text,
        "has_files": any(kind == "f" for _, _, _, kind, _ in rows),
        "script": (PAGES / "treemap.js").read_text(encoding="utf-8"),
    }


def hash_of(script: str) -> str:
    """Return what a content security policy needs to allow a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def page(template: str, *, beside: Path | None = None, **values: Any) -> str:
    """Render a template from `pages`, or from the directory `beside`.

    Values are escaped unless the template marks them as safe.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([PAGES, *([beside] if beside else [])]),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": shown_text, "detail": fault_detail, "hash": hash_of, "minute": minute}
    environment.globals["nights"] = nights
    return str(environment.get_template(template).render(**{"script": "", **values}))
