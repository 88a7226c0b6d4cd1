#!/usr/bin/env python3
"""Put the tables of benchmarks/results into README.md.

    python benchmarks/figures.py

What stands there between `<!-- NAME -->` and `<!-- /NAME -->` is written anew from the results of that name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import foundation, network

RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
    return found


def table_of_foundation() -> str:
    return foundation.markdown(rows("foundation"), {}).lstrip()


def table_of_filters() -> str:
    return foundation.markdown(rows("filters"), {}).lstrip()


def table_of_network() -> str:
    """What has a baseline."""
    return network.markdown([row for row in rows("network") + rows("sshfs") if "against" in row])


def table_of_settings() -> str:
    """Fixed numbers of directories at a time, beside the one that is found: seconds."""
    found = [re.fullmatch(r"nfs, (\S+) ms, (\d+ fixed|found)", row["case"]) for row in rows("network")]
    seconds = {
        (match[1], match[2].removesuffix(" fixed")): row["seconds"]
        for match, row in zip(found, rows("network"), strict=True) if match
    }  # fmt: skip
    latencies = list(dict.fromkeys(latency for latency, _ in seconds))
    settings = ["1", "4", "8", "16", "32", "64", "found"]
    lines = [f"| round trip | {' | '.join(settings)} |", "|---|" + "--:|" * len(settings)]
    for latency in latencies:
        figures = [seconds.get((latency, setting)) for setting in settings]
        lines.append(f"| {latency} ms | " + " | ".join("" if s is None else f"{s:.2f} s" for s in figures) + " |")
    return "\n".join(lines) + "\n"


def table_of_nfs() -> str:
    return (RESULTS / "nfs.md").read_text()


TABLES: dict[str, Callable[[], str]] = {
    "foundation": table_of_foundation,
    "filters": table_of_filters,
    "network": table_of_network,
    "settings": table_of_settings,
    "nfs": table_of_nfs,
}


def filled(text: str) -> str:
    """`text` with the tables of the results."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        assert after, f"README.md has no place for {name}"
        text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
