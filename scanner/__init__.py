"""Parallel directory scans with the result of `os.walk`.

    import scanner

    for root, dirs, files in scanner.walk("/srv"): ...
    for entry in scanner.entries("/srv", stat=("size", "mtime_ns")): print(entry.path, entry.size)

    result = scanner.scan("/srv", exclude="node_modules", timeout="1h")
    print(len(result), result.errors, result.stats.as_dict())

    result = await scanner.scan_parallel("/srv")

`walk` yields tuples, `entries` yields files with their fields, `scan` returns a list with statistics and errors.
`du` yields disk usage, `why` returns whether a scan includes a path.
`ParallelScanner` runs several scans, also from asyncio. `ScanOptions` describes the options that all of them take as
keywords. How the package is built: docs/architecture.md.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

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
