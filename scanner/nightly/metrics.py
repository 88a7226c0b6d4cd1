"""Metrics of a night for the textfile collector of Prometheus' node_exporter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from scanner.nightly.night import Night, growth_of


class Metric(NamedTuple):
    """A gauge. `value` None: it is not known, and not written."""

    name: str
    help: str
    value: float | None


def metrics_of(night: Night, ended: float) -> Iterator[Metric]:
    """Yield the metrics of a night that ended at `ended`, seconds since 1970."""
    yield Metric("last_run_timestamp_seconds", "End of the last night, good or not.", round(ended))
    yield Metric("exit_code", "Exit code of the last night: 0 complete, 1 incomplete, 4 rule broken.", night.code)
    yield Metric("duration_seconds", "Time that the last night took.", round(night.seconds, 3))
    report = night.report
    if report is None or "now" not in report["night"]:
        return
    now = report["night"]["now"]
    finished = datetime.fromisoformat(report["finished_at"]).timestamp()
    yield Metric("last_success_timestamp_seconds", "End of the last night with a result.", finished)
    yield Metric("files", "Files in the last result, without directories.", now["files"])
    yield Metric("entries", "Entries that were read for the last result.", report["entries"])
    yield Metric("size_bytes", "Bytes of all files in the last result.", now["bytes"])
    yield Metric("disk_usage_bytes", "Disk usage of all names of files in the last result.", now["disk_bytes"])
    yield Metric("growth_bytes", "Bytes that came since the night before the last result.", growth_of(report["night"]))
    yield Metric("errors", "Errors in the last result.", sum(report["errors"].values()))
    broken = sum(rule["broken"] for rule in report["night"]["rules"])
    yield Metric("broken_rules", "Rules of --fail-if that the last result breaks.", broken)


def metrics_text(night: Night, ended: float) -> str:
    """Return the text of a `.prom` file."""
    label = night.name.replace("\\", "\\\\").replace('"', '\\"')
    lines = []
    for metric in metrics_of(night, ended):
        if metric.value is not None:
            name = f"scanner_{metric.name}"
            lines += [
                f"# HELP {name} {metric.help}",
                f"# TYPE {name} gauge",
                f'{name}{{tree="{label}"}} {metric.value}',
            ]
    return "\n".join(lines) + "\n"
