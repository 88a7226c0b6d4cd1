"""Parallel directory scans with the result of `os.walk`.

    import scanner

    for root, dirs, files in scanner.walk("/srv"): ...
    for entry in scanner.entries("/srv", stat=("size", "mtime_ns")): print(entry.path, entry.size)

    result = scanner.scan("/srv", exclude="node_modules", timeout="1h")
    print(len(result), result.errors, result.stats.as_dict())

    result = await scanner.scan_parallel("/srv")

Functions:

    walk(top)             yields the tuples of `os.walk`; may be pruned like it
    entries(top)          yields an Entry with size, times, owner for each file, link and directory
    scan(path)            returns all tuples as a list, with statistics, errors and entries
    awalk, aentries, scan_parallel
                          the same under asyncio (`awalk` and `aentries` also under trio)
    du(tops)              yields the disk usage of each directory
    why(path, root)       returns whether a scan includes a path, and if not, why
    estimate(path)        returns an Estimate of entries, bytes and the time of a scan, from samples
    diff(old, new)        returns what changed between two snapshots

Classes:

    ParallelScanner       several scans with warm worker processes, also from asyncio
    ScanOptions           all options: the functions take them as keywords, or as `options=`
    ScanResult, ScanStats, Entry, Fault, Total, Answer
                          what these functions return
    Store, Snapshot, Diff, Change
                          what earlier scans have found

Exceptions:

    ScanError             base class of all of them: OptionError (a ValueError), ScanTimeout (a TimeoutError),
                          ScanIncomplete (an OSError), ScanCancelled, ScanForked, PruneError, StoreError, OutputError,
                          ClusterError
    ScanWarning           a result is empty because its root is unreadable, or `prune` failed

`scanner.testing` injects faults for tests. How the package is built: docs/architecture.md.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"

# Names are loaded when they are first used: worker processes need few of them. Type checkers read __init__.pyi.
_HOMES = {
    "aentries": "aio",
    "awalk": "aio",
    "entries": "api",
    "estimate": "estimates",
    "Estimate": "estimates",
    "scan": "api",
    "walk": "api",
    "why": "api",
    "du": "usage",
    "Entry": "entry",
    "ClusterError": "errors",
    "OptionError": "errors",
    "OutputError": "errors",
    "PruneError": "errors",
    "ScanCancelled": "errors",
    "ScanError": "errors",
    "ScanForked": "errors",
    "ScanIncomplete": "errors",
    "ScanTimeout": "errors",
    "ScanWarning": "errors",
    "StoreError": "errors",
    "Fault": "model",
    "ScanOptions": "signature",
    "ParallelScanner": "parallel",
    "scan_parallel": "parallel",
    "ScanResult": "run",
    "ScanStats": "stats",
    "Change": "snapshot.diff",
    "Diff": "snapshot.diff",
    "Snapshot": "snapshot.store",
    "Store": "snapshot.store",
    "diff": "snapshot.store",
    "Answer": "kernel.why",
    "Total": "export.tree",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "testing":
        from importlib import import_module

        return import_module("scanner.testing")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
