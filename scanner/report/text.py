"""The report as text for terminals of 80 columns and log files, and as Markdown for CI pages."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from scanner.encoding import printable
from scanner.report.data import minute, shown_text
from scanner.report.tables import ReportTable, human, machine_tables, megabytes, result_tables, size_tables, table_lines

MOST_WORKERS = 8  # of a cluster, by name
FIRST_FAULTS = 5  # of each kind in text
MOST_FAULTS = 100  # of each kind in HTML
NAME_WIDTH, LINE_WIDTH = 20, 80


def text_report(data: dict[str, Any]) -> str:
    """Return the report as text, without the tables about the cost of the scan."""
    lines = [line for name, value in facts(data) for line in _fact_lines(name, value)]
    for table in size_tables(data["sizes"]) if "sizes" in data else ():
        lines += table_lines(table)
    if data["faults"]:
        lines += ["", "Errors:", *(f"  {line}" for line in fault_lines(data))]
    return "\n".join(lines) + "\n"


def _fact_lines(name: str, value: str) -> list[str]:
    """Wrap a fact to 80 columns. Paths are not wrapped."""
    head, room = f"{name:<{NAME_WIDTH}}", LINE_WIDTH - NAME_WIDTH
    if name == "Scanned":
        return [head + value]
    first, *rest = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [head + first, *(" " * NAME_WIDTH + line for line in rest)]


def markdown_report(data: dict[str, Any]) -> str:
    """Return the report as Markdown, with all tables. A night without a result has only its failure."""
    night = data.get("night")
    lines = [] if night is None else list(_night_lines(data, night))
    if "started_at" not in data:
        return "\n".join(lines) + "\n"
    lines += [f"## Scan report, {minute(data['started_at'])}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {markdown_text(value)} |" for name, value in facts(data)]
    if data["faults"]:
        lines += ["", "### Errors", "", *(f"- {markdown_text(line)}" for line in fault_lines(data))]
    for table in (*result_tables(data), *machine_tables(data)):
        lines += _markdown_table(table)
    return "\n".join(lines) + "\n"


def _night_lines(data: dict[str, Any], night: dict[str, Any]) -> Iterator[str]:
    """Yield the beginning of the report of a night."""
    from scanner.report import night as nights  # not needed by other reports

    yield f"# {markdown_text(night['name'])}: {nights.status_of(night)}"
    yield ""
    if failure := nights.failure_text(night):
        yield from (f"**{markdown_text(failure)}**", "")
    if "now" not in night:
        return
    yield from (f"- {markdown_text(line)}" for line in (nights.completeness(data), *night["problems"]))
    yield from _markdown_table(nights.totals_table(night))
    for growth in night["growth"]:
        yield from ("", f"### Since {growth['since']}", "", markdown_text(nights.changes_text(night, growth)))
        for table in nights.growth_tables(growth):
            yield from _markdown_table(table)
    yield ""


def _markdown_table(table: ReportTable) -> list[str]:
    return ["", f"### {table.title}", "", *markdown_rows(table.heads, table.rows)]


def markdown_rows(heads: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table: columns of numbers, then one of text."""
    yield f"| {' | '.join(heads)} |"
    yield "|" + "--:|" * (len(heads) - 1) + "---|"
    yield from (f"| {' | '.join(map(markdown_text, row))} |" for row in rows)


def facts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line at the top of a report."""
    yield from result_facts(data)
    yield from machine_facts(data)


def result_facts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Scanned", ", ".join(shown_text(root["path"]) for root in data["roots"])
    if "read_from" in data:
        source = data["read_from"]
        store, host = shown_text(source["store"]), shown_text(source["host"])
        yield "Read from", f"snapshot {source['number']:,} of {store}, {source['began']}, {host}"
    yield "Outcome", data["outcome"]
    yield "Directories", f"{data['scanned_directories']:,}"
    yield "Files", f"{data['files']:,}"
    if "sizes" in data:
        yield "Disk usage", human(data["sizes"]["disk_bytes"])
        yield "Apparent size", human(data["sizes"]["apparent_bytes"])
    yield "Errors", _errors(data["errors"])
    if incidents := ", ".join(_incidents(data)):
        yield "Incidents", incidents
    yield from _snapshot_facts(data.get("snapshot"))


def machine_facts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Elapsed", f"{data['elapsed_seconds']:.2f} s"
    yield (
        "Rate",
        f"{data['directories_per_second']:,.0f} directories/s, {data['entries_per_second']:,.0f} entries/s",
    )
    yield from _resource_facts(data["resources"])
    yield "Backend", _backend(data)
    for worker in _shares(data):
        yield "Worker", worker
    if data["most_in_flight"]:
        yield "In flight", _in_flight(data)
    for latency in _latencies(data["latencies"]):
        yield "Latency", latency
    yield "File system", ", ".join(data["filesystems"])


def _errors(errors: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(errors.items())) or "none"


def _incidents(data: dict[str, Any]) -> Iterator[str]:
    """Yield failures that the scan recovered from or worked around."""
    for name, one, many in (
        ("retries", "retry", "retries"),
        ("worker_deaths", "worker died and was replaced", "workers died and were replaced"),
        ("hung_directories", "directory did not answer", "directories did not answer"),
        ("abandoned_workers", "worker could not be killed", "workers could not be killed"),
    ):
        if data[name]:
            yield f"{data[name]:,} {one if data[name] == 1 else many}"
    for name, text in (("retired", "left in order"), ("excluded", "excluded: other tree, unmounted or silent")):
        if count := data.get("cluster", {}).get(name):
            yield f"{count:,} worker{'s' if count != 1 else ''} {text}"
    for option in data["lost_protections"]:
        yield f"no {option}: it requires worker processes"


def _snapshot_facts(snapshot: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if not snapshot:
        return
    yield "Snapshot", f"{snapshot['number']:,}: {snapshot['read']:,} directories read, {snapshot['kept']:,} unchanged"
    reasons = [
        f"{snapshot[name]:,} {why}"
        for name, why in (
            ("racy", "modified just before they were read"),
            ("unreliable", "on file systems with unreliable directory times"),
            ("damaged", "damaged in the store"),
            ("rechecked", "to check their times"),
        )
        if snapshot[name]
    ]
    if reasons:
        yield "Read again", ", ".join(reasons)
    if snapshot["rechecked"]:
        yield "Outdated", _staleness(snapshot["stale"], snapshot["rechecked"])
    if len(snapshot["parts"]) > 1:
        yield "Read in parts", "; ".join(map(_part, snapshot["parts"]))


def _staleness(stale: int, checked: int) -> str:
    """Return the bound on the share of outdated directories: by the rule of three, if none was found."""
    if stale:
        return f"{stale:,} of {checked:,} checked directories"
    return f"none of {checked:,} checked directories: below {min(1.0, 3 / checked):.1%} at 95 % confidence"


def _part(part: dict[str, Any]) -> str:
    from datetime import datetime  # takes 2 ms: not needed otherwise

    began, ended = (
        datetime.fromtimestamp(part[name]).strftime("%H:%M:%S") if part[name] else "?" for name in ("began", "ended")
    )
    if part["cursor"] is None:
        return f"{began} to {ended} nothing"
    where = "the rest" if part["outcome"] == "complete" else f"up to {shown_text(part['cursor'] or 'the root')}"
    return f"{began} to {ended} {where}"


def _resource_facts(resources: dict[str, Any]) -> Iterator[tuple[str, str]]:
    processes = resources.get("processes", [])
    workers = [process for process in processes if process["process"] != "coordinator"]
    for process in processes:
        if process["process"] == "coordinator":
            yield "Coordinator", _usage([process])
    if workers:
        yield f"Workers ({len(workers)})", _usage(workers)
    if processes:
        yield "Peak memory", f"{megabytes(resources['peak_rss_sum_bytes'])} in all processes"


def _usage(processes: list[dict[str, Any]]) -> str:
    peak = max(process["peak_rss_bytes"] for process in processes)
    user = sum(process["cpu_user_seconds"] for process in processes)
    system = sum(process["cpu_system_seconds"] for process in processes)
    percent = sum(process["cpu_percent"] for process in processes)
    memory = megabytes(peak) if len(processes) == 1 else f"at most {megabytes(peak)} each"
    return f"{memory}, CPU {user:.2f} s user, {system:.2f} s system ({percent:.0f}%)"


def _backend(data: dict[str, Any]) -> str:
    tasks = f"{data['tasks']:,} task{'s' if data['tasks'] != 1 else ''}"
    reader = f"{data['reader']} reader"
    if data["backend"] == "serial":
        threads = data["most_in_flight"]
        where = f"this process, {threads} threads" if threads > 1 else "serial"
        return f"{where}, {tasks}, {reader}"
    workers = data["max_workers"]
    if "cluster" in data:
        hosts = data["cluster"]["hosts"]
        machines = f"{hosts:,} host{'s' if hosts != 1 else ''}"
        return f"Dask, {workers:,} worker{'s' if workers != 1 else ''} on {machines}, {tasks}, {reader}"
    return f"pool, {workers} worker{'s' if workers != 1 else ''} by {data['start_method']}, {tasks}, {reader}"


def _shares(data: dict[str, Any]) -> Iterator[str]:
    """Yield the shares of the workers of a cluster, the largest first, and the bytes that have come from them."""
    if "cluster" not in data:
        return
    done = {each["process"]: each["entries"] for each in data["workers"]}
    total = sum(done.values()) or 1
    workers = sorted(data["cluster"]["workers"], key=lambda each: -done.get(each["process"], 0))
    for each in workers[:MOST_WORKERS]:
        entries = done.get(each["process"], 0)
        yield f"{entries:,} entries ({entries / total:.0%}) by {printable(each['name'])} on {each['host']}"
    if len(workers) > MOST_WORKERS:
        rest = sum(done.get(each["process"], 0) for each in workers[MOST_WORKERS:])
        yield f"{rest:,} entries ({rest / total:.0%}) by {len(workers) - MOST_WORKERS:,} others"
    yield f"{human(data['bytes_received'])} received from all"


def _latencies(latencies: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the latencies of each mount on which a directory took half a millisecond or more."""
    for each in latencies:
        if each["max_seconds"]:
            figures = (f"{name} {_milliseconds(each[f'{name}_seconds'])}" for name in ("p50", "p95", "max"))
            where = f", in {shown_text(each['mount'])}" if len(latencies) > 1 else ""
            yield f"{', '.join(figures)} a directory{where}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds else "under 0.5 ms"


def _in_flight(data: dict[str, Any]) -> str:
    most, share = data["most_in_flight"], data["waiting_share"]
    return f"at most {most:,}, waiting {share:.0%} of the time: {data['pace']}"


def fault_lines(data: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each of the first faults of each kind."""
    for kind, some, total in faults_by_kind(data, FIRST_FAULTS):
        for fault in some:
            yield f"{kind}: {shown_text(fault['path'])}: {fault['message']} ({fault_detail(fault)})"
        if total > len(some):
            yield f"{kind}: and {total - len(some):,} more"


def faults_by_kind(data: dict[str, Any], most: int = MOST_FAULTS) -> list[tuple[str, list[dict[str, Any]], int]]:
    """Return each kind of fault, its first `most` faults, and its number of faults."""
    return [
        (kind, list(islice((fault for fault in data["faults"] if fault["kind"] == kind), most)), total)
        for kind, total in sorted(data["errors"].items())
    ]


def fault_detail(fault: dict[str, Any]) -> str:
    """Describe the operation that failed, the attempts, and whether names are kept."""
    detail = str(fault["operation"])
    if fault["attempts"] > 1:
        detail += f", {fault['attempts']} attempts"
    return detail + (", names read before are kept" if fault["partial"] else "")


def markdown_text(text: str) -> str:
    """Escape text for Markdown: markup, entities, formulas, addresses that would become links, and spaces."""
    text = "".join(f"\\{char}" if char in "\\`*_<>|[]~$&" else char for char in text)
    text = re.sub(r"^ +| {2,}| +$", lambda found: "&nbsp;" * len(found[0]), text)
    return re.sub(r"(?i)(https?|ftp)(://)|(www)(\.)|(@)", lambda found: _apart(*filter(None, found.groups())), text)


def _apart(*parts: str) -> str:
    """Insert an empty comment, so that GitHub sees no address. The text looks the same."""
    return "<!-- -->".join(parts) if len(parts) > 1 else f"{parts[0]}<!-- -->"
