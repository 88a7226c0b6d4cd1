"""Which reader of directories a scan has, and what links are to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal

from scanner.options import ScanOptions

LinkRule = Literal["mark", "enter", "file"]
"""What a link to a directory is: a directory that is not entered (`os.walk`), one that is entered
(`followlinks`), or no directory at all (`find`: costs no `stat` of the target)."""
LINK_RULES: tuple[LinkRule, ...] = ("mark", "enter", "file")  # in the order of _listing.c
EXPECTED, EXPECTED_RUN, EXPECTED_STATUS = 6, 5, 3  # PROTOCOL in _listing.c, _run.c, _status.c


def by_whole_paths(options: ScanOptions) -> bool:
    """Whether to open as `os.walk` does: what ends a loop of links is then the system, after 40 of them in a path."""
    return options.followlinks and not options.detect_loops


def compiled_reader(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled reader of directories, if it was built and is wanted."""
    if by_whole_paths(options) or options.pure:
        return None
    try:
        from scanner.kernel._listing import PROTOCOL, list_directory
    except ImportError:
        return None
    return list_directory if PROTOCOL == EXPECTED else None  # else it was built from another state of the source


def compiled_walk(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled way to walk many directories at a time."""
    if compiled_reader(options) is None:
        return None
    try:
        from scanner.kernel._run import PROTOCOL, walk_run
    except ImportError:
        return None
    return walk_run if PROTOCOL == EXPECTED_RUN else None


def keep_memory() -> None:
    """In a process of our own: have what is freed kept for the next Task, where that can be done."""
    with contextlib.suppress(ImportError):
        from scanner.kernel import _run

        if _run.PROTOCOL == EXPECTED_RUN:
            _run.keep_memory()


def compiled_status(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled way to ask what entries are."""
    if compiled_reader(options) is None:
        return None
    try:
        from scanner.kernel._status import PROTOCOL, fill_rows
    except ImportError:
        return None
    return fill_rows if PROTOCOL == EXPECTED_STATUS else None


def reader_name(options: ScanOptions) -> str:
    return "python" if compiled_reader(options) is None else "compiled"


def link_rule(options: ScanOptions) -> LinkRule:
    """What links to directories are to this scan: tuples show them as `os.walk` does, sinks as `find` does."""
    if options.followlinks:
        return "enter"
    return "mark" if options.sinks is None else "file"
