"""The report as one self-contained HTML file: for screens in light or dark mode, phones and paper."""

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
    """Return the page of a report, with its plots."""
    from scanner.report.pictures import pictures  # imports matplotlib, which a treemap does not need

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
    """Return a page with a treemap only."""
    return page("treemap.html.j2", heading=heading, treemap=treemap.svg())


def page(template: str, *, beside: Path | None = None, **values: Any) -> str:
    """Render a template from `pages`, or from the directory `beside`.

    Values are escaped unless the template marks them as safe.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([PAGES, *([beside] if beside else [])]),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": shown_text, "detail": fault_detail}
    return str(environment.get_template(template).render(**values))
