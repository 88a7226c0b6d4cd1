"""The functions `walk`, `entries`, `scan` and `why`. (`ParallelScanner` is in `parallel`, `du` in `usage`.)"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, AnyStr

from scanner.backends.auto import AutoBackend, Growth, report, start_pool
from scanner.engine import Cancelled, Engine, too_late
from scanner.errors import ErrorMode, OptionError, ScanCancelled, ScanTimeout
from scanner.fields import Columns
from scanner.kernel.read import Reader
from scanner.model import Fault, Listing, Path, Walked
from scanner.options import UNSET, ProducerSpec, ScanOptions
from scanner.plan.merge import Lookahead, OnError, bottom_up, top_down
from scanner.run import ProgressCallback, Run, ScanResult, concluded, notify, refuse_mode, refuse_nul
from scanner.signature import takes_options

if TYPE_CHECKING:
    from scanner.backends.base import Backend
    from scanner.entry import Entry
    from scanner.kernel.why import Answer

CAUTION = 4
"""Factor on the work before threads start, compared with `scan`: a caller that stops early would wait for their first
Tasks."""

__all__ = ["ProgressCallback", "ScanResult", "entries", "scan", "walk", "why"]


@takes_options("stat", "partial_listings")
def walk(
    top: AnyStr | os.PathLike[AnyStr],
    topdown: bool = True,
    onerror: OnError = None,
    followlinks: bool = UNSET,
    *,
    client: object | None = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> Iterator[Walked[AnyStr]]:
    """Yield the tuples `(root, dirs, files)` of `os.walk`, in its order, reading ahead in threads or processes.

        top: Root of the tree, str, bytes or path-like.
        topdown: Whether to yield a directory before its subdirectories. Changing `dirs` then prunes as in `os.walk`.
        onerror: Function that gets the OSError of each unreadable directory. Default: these are ignored. It also gets
            failures of `prune` and of files with patterns, as soon as they are known.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    Symbolic links to directories are in `dirs`. Nothing below the root is read before the second tuple is requested.
    Closing the iterator stops all threads and processes of the walk.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), ClusterError, exceptions of `onerror`, and without
    it PruneError.
    """
    path = os.fspath(top)
    return walk_lazily(path, topdown, onerror, walk_options(followlinks, options, keywords, client), client=client)


def walk_options(
    followlinks: bool, options: ScanOptions | None, keywords: dict[str, Any], client: object | None = None
) -> ScanOptions:
    """Return the options of a walk."""
    os_walk = {"followlinks": followlinks, "partial_listings": False}  # it drops listings that break off
    chosen = ScanOptions.of({**keywords, **os_walk}, options)
    if chosen.stat:
        raise OptionError("stat is for scan and entries: walk gives names only")
    if client is not None:
        from scanner.backends.dask_client import refuse_options  # not needed otherwise

        refuse_options(chosen)
    return chosen


def walk_lazily(
    top: Path, topdown: bool, onerror: OnError, options: ScanOptions, cancelled: Cancelled | None = None,
    client: object | None = None,
) -> Iterator[Walked]:  # fmt: skip
    source = source_of(top, options, partial(notify, onerror=onerror), cancelled, client)
    try:
        if topdown:
            yield from top_down(top, source, onerror, options.followlinks)
        else:
            yield from bottom_up(top, source, onerror)
        source.stop(wait=False)
    finally:
        source.stop()


def source_of(
    top: Path, options: ScanOptions, notify: Callable[[Fault], object], cancelled: Cancelled | None,
    client: object | None = None,
) -> AutoSource:  # fmt: skip
    """Return the source of a walk. `notify` is called with Faults of filters."""
    refuse_nul(top)
    if options.store is not None:
        from scanner.snapshot.scan import reading_ahead  # not needed otherwise

        options = reading_ahead(options, top)
    return AutoSource(options.starting_at([top]), notify, cancelled, client)


class AutoSource:
    """Reads listings one by one until the tree proves large; then threads or workers read ahead. `client`: a cluster
    that reads all of them.
    """

    def __init__(
        self, options: ScanOptions, notify: Callable[[Fault], object], cancelled: Cancelled | None,
        client: object | None = None,
    ) -> None:  # fmt: skip
        self._options = options
        self._notify = notify
        self._cancelled = cancelled
        self._reader = Reader(options)
        self._reader.threads = 1 if options.backend == "serial" else options.max_in_flight
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self._growth = Growth(options, CAUTION)
        self._earliest = self._growth.earliest
        self._may_grow = options.backend == "auto"
        self._work = 0.0  # seconds
        self._pool: Backend | None = None
        self._engine: Engine | None = None
        self._lookahead: Lookahead | None = None
        limited = options.max_rate is not None or options.between is not None
        if client is not None:
            from scanner.backends.dask import DaskBackend  # not needed otherwise

            self._read_ahead(DaskBackend(options, client), alone=True)
        elif self._growth.starts_in_processes or limited or self._growth.may_hang:
            self._read_ahead(AutoBackend(options), alone=True)

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        if self._pool is not None:
            self._look_at_pool(self._pool)
        if self._lookahead is not None:  # the pool has just become ready
            return self._lookahead.take(path, ahead)
        started = time.monotonic()
        if self._deadline is not None and started >= self._deadline:
            raise ScanTimeout(too_late(self._options))
        if self._cancelled is not None and self._cancelled.is_set():
            raise ScanCancelled("the walk was cancelled")
        dirs, links, files, _, faults, more, position = self._reader.read(path, sys.maxsize)
        while more:  # memory was short: the listing comes in parts
            part, _ = self._reader.resume(path, position, sys.maxsize)
            more_dirs, more_links, more_files, _, faults, more, read = part
            dirs, links, files = dirs + more_dirs, links + more_links, files + more_files
            position += read
        self._work += time.monotonic() - started
        if self._work >= self._earliest and self._may_grow and self._growth.kind(self._work) != "here":
            self._grow()
        for fault in faults:
            if fault.is_of_filter:
                self._notify(fault)
        return faults[-1] if faults and faults[-1].drops_listing else (dirs, links, files)

    def _grow(self) -> None:
        if not self._growth.processes_gain:
            self._may_grow = False
        elif self._growth.threads_gain:
            self._read_ahead(AutoBackend(self._options, eager=False, in_threads=True), alone=False)
        else:
            self._may_grow = False
            self._pool = start_pool(self._options)

    def prune(self, path: Path) -> None:
        if self._lookahead is not None:
            self._lookahead.prune(path)

    def _look_at_pool(self, pool: Backend) -> None:
        """Use the pool once it is ready. Until then, and if it fails or belongs to the parent of a fork, read here."""
        if not pool.is_ours:
            self._pool = None
            pool.stop()
            return
        pool.events(0)
        if pool.failure is not None:
            report(pool.failure)
            self._pool = None
            pool.stop()
        elif pool.ready:
            self._pool = None
            self._read_ahead(AutoBackend(self._options, eager=True, pool=pool), alone=False)

    def _read_ahead(self, backend: Backend, *, alone: bool) -> None:
        self._reader.close()
        self._engine = Engine(self._options, backend, ordered=False, cancelled=self._cancelled, deadline=self._deadline)
        if self._reader.sifter is not None:
            self._engine.planner.rules.add(self._reader.sifter.filter.found)
        self._lookahead = Lookahead(self._engine.poll, self._notify, alone=alone)
        self.take = self._lookahead.take  # type: ignore[method-assign]  # saves a call for each directory

    def stop(self, *, wait: bool = True) -> None:
        self._reader.close()
        if self._pool is not None:
            self._pool.stop(wait=wait)
        if self._engine is not None:
            self._engine.stop(wait=wait)


@takes_options(stat=True, partial_listings=True)
def entries(
    top: AnyStr | os.PathLike[AnyStr],
    *,
    onerror: OnError = None,
    client: object | None = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> Iterator[Entry[AnyStr]]:
    """Yield an Entry with its fields for each directory, file and symbolic link of a tree, lazily, in walk order.

        top: Root of the tree, str, bytes or path-like.
        onerror: Function that gets an OSError for each unreadable directory and entry. Default: these are ignored.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    The root comes first. The files of a directory follow it, then its subdirectories, each with all entries below it.
    Directories that are not entered, or are unreadable, are included. Fewer fields take less time.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), ClusterError, exceptions of `onerror`, and without
    it PruneError.
    """
    path = os.fspath(top)
    chosen = ScanOptions.of(keywords, options, stat=True, partial_listings=True)
    return entries_lazily(path, onerror, chosen, client=client)


def entries_lazily(
    top: Path, onerror: OnError, options: ScanOptions, cancelled: Cancelled | None = None, client: object | None = None
) -> Iterator[Entry]:
    from scanner.entry import entries_of  # not needed otherwise

    refuse_nul(top)
    columns = Columns(options.fields)
    if not columns.width:
        raise OptionError("stat must name the fields to fetch: True, or size, mtime_ns, ...")
    table = options._replace(producers=(ProducerSpec("table", (options.fields,)),))
    with Run([top], table, monitored=False, cancelled=cancelled, client=client) as run:
        for chunk in run.chunks():
            for fault in chunk.faults:
                notify(fault, onerror)
            yield from entries_of(columns, chunk.output, isinstance(top, bytes))


@takes_options()
def scan(
    path: AnyStr | os.PathLike[AnyStr],
    topdown: bool = True,
    *,
    progress_callback: ProgressCallback | None = None,
    errors: ErrorMode | None = None,
    client: object | None = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> ScanResult[AnyStr]:
    """Scan a whole tree and return `list(os.walk(path, topdown))` with statistics and errors.

        path: Root of the tree, str, bytes or path-like.
        topdown: Whether a directory precedes its subdirectories.
        progress_callback: Function that gets the numbers of directories read and known so far.
        errors: "raise" raises an OSError if anything was unreadable, as `.raise_for_errors()` of the result does;
            "collect" only collects. Default: collect, with a ScanWarning if the root is unreadable or `prune` failed.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    Unreadable directories, also the root, are in `.errors` of the result. With `stat`, `.entries()` yields the fields
    of each entry. The numbers of progress only grow, and are equal at the end. The first exception of
    `progress_callback` is logged, and the scan goes on.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError) and ClusterError with the result so far, and with
    `errors="raise"` FileNotFoundError and others for the root, ScanIncomplete (an OSError) with the result for anything
    else.
    """
    top = os.fspath(path)
    refuse_nul(top)
    refuse_mode(errors)
    with Run([top], ScanOptions.of(keywords, options), progress=progress_callback, client=client) as run:
        result = run.collect(topdown)
    return concluded(result, errors, 2)


@takes_options("stat", detect_loops=True, partial_listings=True)
def why(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    root: str | bytes | os.PathLike[str] | os.PathLike[bytes] = ".",
    *,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> Answer:
    """Return whether a scan of `root` with these options includes `path`, and if not, why.

        path: Path of an entry, relative to the working directory or to the root.
        root: Root of the scan. Default: the working directory.
        options: A ScanOptions, which the keywords override.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    Only directories between the root and the path are read.

    Raises OptionError (a ValueError).
    """
    from scanner.kernel.why import why as answer_of  # not needed otherwise

    chosen = ScanOptions.of(keywords, options, detect_loops=True, partial_listings=True)
    return answer_of(os.fsdecode(root), os.fsdecode(path), chosen)
