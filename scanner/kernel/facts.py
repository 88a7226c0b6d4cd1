"""Derive facts from the options of a scan, once for each worker: the reader of directories, the form of results."""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from scanner.fields import COLUMNS, columns_of
from scanner.kernel.descent import are_nested
from scanner.kernel.native import COUNT, JOINED, LINES, LINK_RULES, LIST, WITH_ROWS, LinkRule, Native, native
from scanner.options import ScanOptions

ReaderKind = Literal["python", "single", "many"]
"""The reader of directories: `os.scandir`; the compiled reader, one directory a call; or the compiled walker, many a
call, which leaves unusual directories to one of the others."""
PAYING_RATE = 20_000
"""Requests a second, in `max_rate`: below it, the compiled walker would be no faster."""
LINE_PRODUCERS = ("paths", "text", "table")
"""Producers that take a run as lines, in which a directory that is not selected has no line."""


def by_whole_paths(options: ScanOptions) -> bool:
    """Return whether directories are opened by path, as `os.walk` does: the system then ends a loop of symlinks, after
    40 of them in a path.
    """
    return options.followlinks and not options.detect_loops


def _has_undecodable_root(options: ScanOptions) -> bool:
    return any(not root.isascii() and os.fsdecode(os.fsencode(root)) != os.fsdecode(root) for root in options.roots)


def _counts_from_several_roots(options: ScanOptions) -> bool:
    return (options.max_depth is not None or options.min_depth > 0) and are_nested(options.roots)


def _filters_in_python(options: ScanOptions) -> bool:
    return options.filter is not None and not options.filter.is_native


def _selects_from_store(options: ScanOptions) -> bool:
    spec = options.filter
    return options.known is not None and spec is not None and bool(spec.conditions or spec.empty)


def _needs_place_of_hidden(options: ScanOptions) -> bool:
    kinds = [producer.kind for producer in options.producers or ()]
    if options.filter is None or not kinds:
        return False
    if "ncdu" in kinds and options.filter.hides_entries:
        return True
    return options.filter.hides_directories and not (len(kinds) == 1 and kinds[0] in LINE_PRODUCERS)


def _is_slowed(options: ScanOptions) -> bool:
    return options.max_rate is not None and options.max_rate < PAYING_RATE


READERS: tuple[tuple[Callable[[ScanOptions], bool], ReaderKind, str], ...] = (
    (lambda options: options.pure or native() is None, "python", "SCANNER_PURE=1, or not built"),
    (by_whole_paths, "python", "symlinks are followed by path, as os.walk does"),
    (lambda options: options.followlinks, "single", "each directory is compared with those above it"),
    (lambda options: _is_slowed(options) and options.needs_stat, "python", "`max_rate` spreads `stat` requests"),
    (_is_slowed, "single", "`max_rate` ends a listing anywhere"),
    (_has_undecodable_root, "single", "the encoding of a root does not give its name back"),
    (_counts_from_several_roots, "single", "depth counts from the nearest root above"),
    (lambda options: options.reads_targets, "single", "targets of symlinks are read in Python"),
    (_filters_in_python, "single", "the filter needs more than names, types, depths, and status in 64 bits"),
    (_selects_from_store, "single", "what the filter needs may come from a snapshot store"),
    (_needs_place_of_hidden, "single", "a producer records excluded names, or which directories are shown"),
)
"""The reader of the first row whose condition holds is used, otherwise the compiled walker."""


def reader_for(options: ScanOptions) -> ReaderKind:
    """Return the reader for a scan: see READERS."""
    return next((reader for holds, reader, _ in READERS if holds(options)), "many")


def reader_name(options: ScanOptions) -> str:
    """Return the name of the reader for statistics: compiled or python."""
    return "python" if reader_for(options) == "python" else "compiled"


def runs_unlocked(options: ScanOptions) -> bool:
    """Return whether nearly all of a walk runs without the GIL, so that threads do not wait for each other."""
    return reader_for(options) == "many" and (options.filter is None or options.filter.only_compares)


class ScanFacts(NamedTuple):
    """Facts for reading directories, derived from the options once for each worker."""

    reader: ReaderKind
    native: Native | None  # None: everything is read in Python
    clock: Native | None  # returns when directories were made
    links: LinkRule
    form: int
    by_path: bool
    columns: Sequence[str]
    numbers: bytes  # of the columns, as indices in COLUMNS
    separator: bytes
    needs_entries: bool  # whether the filter needs types or `stat` of entries

    @property
    def rule(self) -> int:
        return LINK_RULES.index(self.links)


def facts_of(options: ScanOptions, *, joined: bool = False, listed: bool = False) -> ScanFacts:
    """Derive the facts from the options.

    joined  Chunks travel to another process, so names are joined.
    listed  names of files are a list, whatever the options say.
    """
    reader = reader_for(options)
    columns = columns_of(options.fields)
    form = LIST if listed else _form_of(options, joined=joined or reader == "many")
    links: LinkRule = "enter" if options.followlinks else "mark" if options.producers is None else "file"
    return ScanFacts(
        reader, native() if reader != "python" else None, None if options.pure else native(), links, form,
        by_whole_paths(options), columns, bytes(map(COLUMNS.index, columns)), options.separator,
        options.filter is not None and options.filter.needs_entries,
    )  # fmt: skip


def _form_of(options: ScanOptions, *, joined: bool) -> int:
    if options.producers is None:
        return WITH_ROWS if options.stat else JOINED if joined else LIST
    if not options.producers and not (options.known is not None and options.stat):
        return COUNT
    return LINES if not options.stat and [producer.kind for producer in options.producers] == ["paths"] else WITH_ROWS
