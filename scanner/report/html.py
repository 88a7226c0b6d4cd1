"""The report as a page: one file with all in it, for a screen in light or dark, for a phone, for paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from scanner.report.data import shown_text
from scanner.report.tables import scan_tables, size_tables
from scanner.report.text import facts, fault_detail, faults_by_kind

if TYPE_CHECKING:
    from scanner.report.treemap import Treemap


PAGES = Path(__file__).parent / "pages"


def html_report(data: dict[str, Any], treemap: Treemap | None = None) -> str:
    from scanner.report.pictures import pictures  # with matplotlib, which a treemap does not need

    return page(
        "scan.html.j2",
        data=data,
        facts=list(facts(data)),
        pictures=list(pictures(data)),
        tables=[*scan_tables(data), *(size_tables(data["sizes"]) if "sizes" in data else ())],
        faults=faults_by_kind(data),
        treemap=treemap.svg() if treemap is not None else "",
    )


def html_treemap(treemap: Treemap, heading: str) -> str:
    return page("treemap.html.j2", heading=heading, treemap=treemap.svg())


def page(template: str, *, beside: Path | None = None, **values: Any) -> str:
    """A page of one of our templates, or of those in `beside`. What is put into it is escaped, but for what it calls
    safe.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([PAGES, *([beside] if beside else [])]),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": shown_text, "detail": fault_detail}
    return str(environment.get_template(template).render(**values))
