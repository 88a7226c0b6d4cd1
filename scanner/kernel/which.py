"""Which reader of directories a scan has, and what links are to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Literal

from scanner.options import ScanOptions

LinkRule = Literal["mark", "enter", "file"]
"""What a link to a directory is: a directory that is not entered (`os.walk`), one that is entered
(`followlinks`), or no directory at all (`find`: costs no `stat` of the target)."""
LINK_RULES: tuple[LinkRule, ...] = ("mark", "enter", "file")  # in the order of _listing.c
EXPECTED, EXPECTED_RUN, EXPECTED_STATUS = 7, 10, 4  # PROTOCOL in _listing.c, _run.c, _status.c


def by_whole_paths(options: ScanOptions) -> bool:
    """Whether to open as `os.walk` does: what ends a loop of links is then the system, after 40 of them in a path."""
    return options.followlinks and not options.detect_loops


@cache
def _compiled(module: str, protocol: int) -> Any:
    """A compiled module, if it was built, and not from another state of the source."""
    try:
        part: Any = import_module(f"scanner.kernel.{module}")
    except ImportError:
        return None
    return part if protocol == getattr(part, "PROTOCOL", None) else None


def compiled_reader(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled reader of directories, if it was built and is wanted."""
    if by_whole_paths(options) or options.pure:
        return None
    module = _compiled("_listing", EXPECTED)
    return None if module is None else module.list_directory


def compiled_walk(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled way to walk many directories at a time."""
    module = None if compiled_reader(options) is None else _compiled("_run", EXPECTED_RUN)
    return None if module is None else module.walk_run


def compiled_status(options: ScanOptions) -> Callable[..., Any] | None:
    """The compiled way to ask what entries are."""
    module = None if compiled_reader(options) is None else _compiled("_status", EXPECTED_STATUS)
    return None if module is None else module.fill_rows


def keep_memory() -> None:
    """In a process of our own: have what is freed kept for the next Task, where that can be done."""
    module = _compiled("_run", EXPECTED_RUN)
    if module is not None:
        module.keep_memory()


def reader_name(options: ScanOptions) -> str:
    return "python" if compiled_reader(options) is None else "compiled"


def link_rule(options: ScanOptions) -> LinkRule:
    """What links to directories are to this scan: tuples show them as `os.walk` does, sinks as `find` does."""
    if options.followlinks:
        return "enter"
    return "mark" if options.sinks is None else "file"
