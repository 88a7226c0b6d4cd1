"""The changes between two snapshots as text, Markdown, JSON, NDJSON, CSV, Parquet and JUnit."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.encoding import printable, utf8_text
from scanner.export.arrow import ROW_GROUP, WriteStream, load_pyarrow
from scanner.report.changes import Summary, Sums
from scanner.report.data import path_fields, shown
from scanner.report.rules import Verdict
from scanner.report.tables import aligned, signed
from scanner.report.text import markdown_rows, markdown_text

if TYPE_CHECKING:
    from scanner.snapshot.diff import Change
    from scanner.snapshot.store import Snapshot

SCHEMA = 1
"""Version of the JSON document. It grows when a field changes its meaning or is removed, not when one is added."""
FIELDS = (
    "kind", "path", "type", "source", "entries", "growth", "size_before", "size_after", "blocks_before", "blocks_after",
    "uid_before", "uid_after", "gid_before", "gid_after", "mtime_ns_before", "mtime_ns_after",
)  # fmt: skip


class DiffReport(NamedTuple):
    """What is reported about the changes. `by`: what the groups of the summary are."""

    roots: Sequence[str]
    before: Snapshot
    after: Snapshot
    summary: Summary
    by: str
    rows: list[tuple[str, Sums]]
    unknown: list[str]
    verdicts: list[Verdict]

    @property
    def has_sizes(self) -> bool:
        return self.summary.has_sizes or None not in (self.before.bytes, self.after.bytes)

    @property
    def broken(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.is_broken]


def headline(report: DiffReport) -> str:
    """Return one line, for the subject of a mail."""
    total, parts = report.summary.total, []
    if report.has_sizes:
        share = f" ({total.growth / report.before.bytes:+.1%})" if report.before.bytes else ""
        parts.append(f"{signed(total.growth)}{share}")
    parts += [f"{getattr(total, name):,} {name}" for name in ("added", "removed", "changed", "moved")]
    if report.unknown:
        parts.append(f"{len(report.unknown):,} unknown")
    return f"{', '.join(map(shown, report.roots))}: {', '.join(parts)} since {moment(report.before.began)}"


def moment(seconds: float) -> str:
    from datetime import datetime  # takes 2 ms: not needed otherwise

    return datetime.fromtimestamp(seconds).strftime("%a %Y-%m-%d %H:%M")


def text_lines(report: DiffReport, changes: Iterable[Change] | None) -> Iterator[str]:
    """Yield the lines of the text: headline, groups or `changes`, what is unknown, and broken rules."""
    yield headline(report)
    if changes is not None:
        yield from (line_of(change) for change in changes)
    elif report.rows:
        yield from aligned([(*HEADS, report.by), *table(report)])
    yield from unknown_lines(report)
    yield from (verdict.message for verdict in report.broken)


def unknown_lines(report: DiffReport, most: int = 10) -> Iterator[str]:
    for path in report.unknown[:most]:
        yield f"unknown: {shown(path)} was unreadable, or not entered"
    if len(report.unknown) > most:
        yield f"unknown: and {len(report.unknown) - most:,} more"


def line_of(change: Change) -> str:
    """Return one change as a line: kind, growth, path."""
    growth = "" if not change.growth else f"  ({signed(change.growth)})"
    slash = "/" if change.type == "d" else ""
    source = "" if change.source is None else f"{shown(change.source)}{slash} -> "
    below = f"  {change.entries:,} entries" if change.entries else ""
    return f"{change.kind} {source}{shown(change.path)}{slash}{below}{growth}"


HEADS = ("growth", "added", "removed", "changed", "moved")


def cells(report: DiffReport, sums: Sums) -> tuple[str, ...]:
    growth = signed(sums.growth) if report.has_sizes else ""
    return (growth, f"{sums.added:,}", f"{sums.removed:,}", f"{sums.changed:,}", f"{sums.moved:,}")


def table(report: DiffReport) -> list[tuple[str, ...]]:
    return [(*cells(report, sums), shown(name)) for name, sums in report.rows]


def markdown(report: DiffReport) -> str:
    lines = [f"**{markdown_text(headline(report))}**", ""]
    if report.rows:
        lines += [*markdown_rows((*HEADS, report.by), table(report)), ""]
    lines += [f"- {markdown_text(line)}" for line in unknown_lines(report)]
    lines += [f"- **{markdown_text(verdict.message)}**" for verdict in report.broken]
    return "\n".join(lines).rstrip() + "\n"


def as_json(report: DiffReport, changes: Iterable[Change]) -> str:
    """Return the document that docs/diff.schema.json describes."""
    return json.dumps({
        "schema": SCHEMA,
        "roots": [path_fields(root) for root in report.roots],
        "before": identity(report.before), "after": identity(report.after),
        "headline": headline(report),
        "total": report.summary.total.as_dict(has_sizes=report.has_sizes),
        "by": report.by,
        "groups": [
            {**path_fields(name, "name"), **sums.as_dict(has_sizes=report.has_sizes)} for name, sums in report.rows
        ],
        "unknown": [path_fields(path) for path in report.unknown],
        "rules": [
            {"rule": verdict.rule.text, "value": finite(verdict.value), "broken": verdict.is_broken}
            for verdict in report.verdicts
        ],
        "changes": [fields_of(change) for change in changes],
    }, indent=1) + "\n"  # fmt: skip


def finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def identity(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in ("number", "state", "began", "ended", "entries", "bytes", "host")}


def fields_of(change: Change) -> dict[str, Any]:
    """Return a change as plain values."""
    values = {name: getattr(change, name) for name in FIELDS if name not in ("path", "source")}
    source = {} if change.source is None else path_fields(change.source, "source")
    return {**values, **path_fields(change.path), **source}


def ndjson_lines(changes: Iterable[Change]) -> Iterator[str]:
    return (json.dumps(fields_of(change)) for change in changes)


def csv_rows(changes: Iterable[Change]) -> Iterator[Sequence[Any]]:
    yield FIELDS
    for change in changes:
        yield [
            utf8_text(value) if name in ("path", "source") and value is not None else value
            for name, value in ((name, getattr(change, name)) for name in FIELDS)
        ]


def write_parquet(changes: Iterable[Change], write: Callable[[memoryview], object]) -> None:
    """Write a Parquet file. Paths are binary, because names need not be text. Raises OptionError without pyarrow."""
    arrow = load_pyarrow("-o FILE.parquet")
    import pyarrow.parquet

    kinds = {"kind": arrow.string(), "path": arrow.binary(), "type": arrow.string(), "source": arrow.binary()}
    schema = arrow.schema([(name, kinds.get(name, arrow.int64())) for name in FIELDS])
    file = arrow.PythonFile(WriteStream(write), mode="w")
    rest = iter(changes)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(rest, ROW_GROUP)):
            columns = {name: [getattr(change, name) for change in some] for name in FIELDS}
            for name in ("path", "source"):
                columns[name] = [None if value is None else os.fsencode(value) for value in columns[name]]
            writer.write_table(arrow.Table.from_pydict(columns, schema=schema))
    file.close()


def junit(report: DiffReport) -> str:
    """Return a test case for each rule, and one for what is unknown."""
    from xml.sax.saxutils import escape, quoteattr  # not needed otherwise

    cases = [(verdict.rule.text, verdict.message if verdict.is_broken else None) for verdict in report.verdicts]
    cases.append(("everything is readable", "; ".join(unknown_lines(report)) or None))
    failures = sum(message is not None for _, message in cases)
    lines = [f'<testsuite name="scanner diff" tests="{len(cases)}" failures="{failures}">']
    for name, message in cases:
        lines.append(
            f"<testcase classname={quoteattr(', '.join(map(shown, report.roots)))} name={quoteattr(printable(name))}>"
        )
        if message is not None:
            lines.append(f"<failure message={quoteattr(printable(message))}>{escape(headline(report))}</failure>")
        lines.append("</testcase>")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + "\n".join([*lines, "</testsuite>"]) + "\n"
