"""Parallel directory scans with the result of `os.walk`.

    import scanner
    for root, dirs, files in scanner.walk("/srv"): ...
    for entry in scanner.entries("/srv", stat=("size", "mtime_ns")): ...
    result = scanner.scan("/srv"); print(result.stats.as_dict(), result.errors)

The house, in the order in which a scan passes its rooms:

    cli/            arguments -> options -> report, exit code
    api, parallel   walk, scan, entries; ParallelScanner, scan_parallel
    options         ScanOptions: everything a caller may choose
    run             one scan from start to finish
    engine          the loop between planner and backend
    plan/           planner (which Task runs where and when), merge (os.walk's loop over what has arrived)
    backends/       serial, pool, auto; how worker processes start, how they are talked to
    kernel/         in the workers: walking Tasks, many directories at a time (_run.c) or one by one (_listing.c, or in
                    Python), asking what entries are (_status.c), packing Chunks; sinks/: what is made of entries there,
                    bytes for each format, sums
    filters/        what is left out: rules of git, files of them, selection by type, size and time
    model, errors   the nouns: Task, Chunk, Listing, Fault; the exceptions
    fields, entry   what `stat` tells: columns, and entries made of them
    units           durations and sizes, as people write them
    stats, latency, monitor  what a scan has cost
    export/         what becomes of Chunks: outputs in every format, whole or not at all; sums of sizes
    report/         what becomes of statistics: text, JSON, Markdown
    progress        the line on the terminal

Names are loaded when they are first used: a worker process needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from scanner.api import entries, scan, walk
    from scanner.entry import Entry
    from scanner.errors import OptionError, OutputError, ScanCancelled, ScanError, ScanForked, ScanTimeout
    from scanner.model import Fault
    from scanner.options import ScanOptions
    from scanner.parallel import ParallelScanner, scan_parallel
    from scanner.run import ScanResult
    from scanner.stats import ScanStats

__all__ = [
    "Entry",
    "Fault",
    "OptionError",
    "OutputError",
    "ParallelScanner",
    "ScanCancelled",
    "ScanError",
    "ScanForked",
    "ScanOptions",
    "ScanResult",
    "ScanStats",
    "ScanTimeout",
    "__version__",
    "entries",
    "scan",
    "scan_parallel",
    "walk",
]

_HOMES = {
    "entries": "api",
    "scan": "api",
    "walk": "api",
    "Entry": "entry",
    "OptionError": "errors",
    "OutputError": "errors",
    "ScanCancelled": "errors",
    "ScanError": "errors",
    "ScanForked": "errors",
    "ScanTimeout": "errors",
    "Fault": "model",
    "ScanOptions": "options",
    "ParallelScanner": "parallel",
    "scan_parallel": "parallel",
    "ScanResult": "run",
    "ScanStats": "stats",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
