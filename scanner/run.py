"""One scan from start to finish: roots and options in, ordered Chunks, statistics and progress out."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, get_args, overload

from scanner.backends.auto import AutoBackend
from scanner.backends.base import Backend
from scanner.backends.serial import SerialBackend
from scanner.engine import Cancelled, Engine, refuse_outside_of_hours
from scanner.errors import (
    ClusterError,
    ErrorMode,
    OptionError,
    PruneError,
    ScanIncomplete,
    ScanTimeout,
    ScanWarning,
    StoreError,
)
from scanner.garbage import rarer_collections
from scanner.kernel.facts import reader_name
from scanner.latency import Latencies
from scanner.model import UNEXPECTED, Chunk, Fault, Path, PathText, Walked, names
from scanner.options import ScanOptions
from scanner.stats import ScanStats

if TYPE_CHECKING:
    from scanner.entry import Entry, Stated
    from scanner.monitor import Monitor
    from scanner.plan.merge import OnError
    from scanner.snapshot.scan import SnapshotScan

ProgressCallback = Callable[[int, int], object]


class ScanResult(list[Walked[PathText]]):
    """The tuples `(root, dirs, files)` of `list(os.walk(path))`, with statistics, errors and entries.

    stats   a ScanStats
    errors  one Fault for each unreadable directory or entry

    `entries()`, `to_arrow()` and `to_pandas()` require the option `stat`. In asyncio and trio, `async for` takes the
    result itself, and `aentries()`.
    """

    def __init__(self, stats: ScanStats, stated: Stated | None = None) -> None:
        super().__init__()
        self.stats = stats
        self._stated = stated

    def __repr__(self) -> str:
        from scanner.shown import summary  # not needed otherwise

        return f"<ScanResult: {summary(self.stats)}>"

    def _repr_html_(self) -> str:
        """Return tables for a notebook: the first directories, the first errors."""
        from scanner.shown import result_html  # not needed otherwise

        return result_html(self, self.stats)

    def entries(self) -> Iterator[Entry[PathText]]:
        """Yield an Entry for each name, with the fields that the option `stat` selects.

        For each tuple: the directory, its files, then its directories that are not entered. Raises ValueError without
        the option `stat`. Call it before changing any tuple.
        """
        stated = self._require_stated()
        for walked in self:
            yield from stated.entries(walked)

    def __aiter__(self) -> AsyncGenerator[Walked[PathText], None]:
        """Yield the tuples for `async for`. Other tasks get a turn of the event loop every 5 ms at least."""
        from scanner.aside import in_turns  # not needed otherwise

        return in_turns(self)

    @overload
    def aentries(self, *, batch: None = None) -> AsyncGenerator[Entry[PathText], None]: ...
    @overload
    def aentries(self, *, batch: int) -> AsyncGenerator[list[Entry[PathText]], None]: ...
    def aentries(self, *, batch: int | None = None) -> AsyncGenerator[Any, None]:
        """Yield what `entries` yields, for `async for`. A thread makes the entries, so that the event loop goes on.

            batch: Yield lists of this many entries, of which only the last is shorter. Default: None (single entries).

        Raises ValueError without the option `stat`. Do not change the result meanwhile.
        """
        from scanner.aside import in_pieces, refuse_batch  # not needed otherwise

        self._require_stated()
        refuse_batch(batch)
        return in_pieces(lambda *_: self.entries(), batch)

    def to_arrow(self) -> Any:
        """Return the entries as a pyarrow.Table: `path` in bytes, and the fields; times in nanoseconds, UTC.

        Raises ValueError without the option `stat`, and OptionError if pyarrow is not installed.
        """
        from scanner.export.arrow import arrow_table  # not needed otherwise

        return arrow_table(self, self._require_stated())

    def to_pandas(self) -> Any:
        """Return the entries as a pandas.DataFrame; paths are str or bytes as in the tuples.

        Raises ValueError without the option `stat`, and OptionError if pandas is not installed.
        """
        from scanner.export.arrow import pandas_frame  # not needed otherwise

        return pandas_frame(self, self._require_stated())

    def _require_stated(self) -> Stated:
        if self._stated is None:
            raise ValueError("no fields were requested: scan with stat=True, or stat=('size', ...)")
        return self._stated

    @property
    def errors(self) -> list[Fault[PathText]]:
        """The errors of the scan; empty if it has found everything."""
        return self.stats.faults

    def raise_for_errors(self) -> None:
        """Raise an OSError if anything is missing.

        An unreadable root raises its own error, as `os.scandir` does: FileNotFoundError, NotADirectoryError,
        PermissionError. Otherwise ScanIncomplete is raised, which has all errors.
        """
        if (root := _unread_root(self)) is not None:
            raise root.as_error()
        if self.errors:
            raise ScanIncomplete(self.errors, self)


def concluded(result: ScanResult[PathText], errors: ErrorMode | None, depth: int) -> ScanResult[PathText]:
    """Return the result, or raise or warn as `errors` says. `depth`: frames between this call and the user's."""
    if errors == "raise":
        result.raise_for_errors()
    elif errors is None and (message := _lacks(result)):
        import warnings

        warnings.warn(f'{message} (errors="raise" raises, errors="collect" is silent)', ScanWarning, depth + 1)
    return result


def _unread_root(result: ScanResult[PathText]) -> Fault[PathText] | None:
    return None if result else next((fault for fault in result.errors if fault.drops_listing), None)


def _lacks(result: ScanResult[Any]) -> str:
    """Return what a caller may not notice who does not look at the errors."""
    if (root := _unread_root(result)) is not None:
        return f"cannot scan {root.path!r}: {root.message}"
    failed = next((fault for fault in result.errors if fault.operation == "prune"), None)
    return "" if failed is None else f"{failed.message}: {failed.path!r}"


class Run:
    """A running scan; a context manager that ends everything it has started.

    `pool`: worker processes kept warm by an earlier Run; `keep_pool`: leave idle ones running, in the attribute `pool`.
    `client`: a Dask cluster to run on, as in `scan`; `least_workers`: number of its workers without which it waits.
    `unmet`: returns a Fault for each expectation that the finished scan does not meet. Its snapshot has then failed.
    """

    def __init__(
        self,
        roots: list[Path],
        options: ScanOptions,
        *,
        progress: ProgressCallback | None = None,
        cancelled: Cancelled | None = None,
        pool: Backend | None = None,
        keep_pool: bool = False,
        monitored: bool = True,
        unmet: Callable[[ScanStats], Iterable[Fault]] | None = None,
        client: Any = None,
        least_workers: int = 1,
    ) -> None:
        refuse_outside_of_hours(options)
        if client is not None:
            from scanner.backends.dask_client import refuse_options  # not needed otherwise

            refuse_options(options)
        self._client, self._least_workers = client, least_workers
        self._unmet = unmet
        self._end = "interrupted"
        self.snapshot: SnapshotScan | None = None
        if options.store is not None:
            from scanner.snapshot.scan import SnapshotScan  # with sqlite3
            from scanner.snapshot.settings import with_snapshot

            self.snapshot = SnapshotScan(roots, options)
            options = with_snapshot(options, self.snapshot.spec, roots)
        self._roots = roots
        self._fields = options.fields
        self._keep_pool = keep_pool
        self._progress = None if progress is None else Guarded(progress)
        self._last_progress = (-1, -1)
        self.at_each_turn: Callable[[], object] | None = None
        """Called at each turn of the engine, also while nothing comes."""
        try:
            self._start(options, cancelled, pool, monitored=monitored)
        except BaseException:
            if self.snapshot is not None:
                self.snapshot.finish("failed", complete=False)
            raise

    def _start(
        self, options: ScanOptions, cancelled: Cancelled | None, pool: Backend | None, *, monitored: bool
    ) -> None:
        roots = self._roots
        options = options.starting_at(roots)
        if self.snapshot is not None:
            self.snapshot.exclude(options.barred)
        if options.known is not None and self.snapshot is None:
            from scanner.kernel.known import refuse_missing

            refuse_missing(options)
        self.backend = self._new_backend(options, pool)
        self.stats = ScanStats("serial", options.workers, reader_name(options))
        if options.known is not None and options.known.about is not None:
            self.stats.read_from = dict(options.known.about)
        self.latencies = Latencies(roots, None if self.backend.is_local else self.backend.devices)
        deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self.engine = Engine(options, self.backend, ordered=True, cancelled=cancelled, deadline=deadline)
        warm = pool.processes().values() if pool is not None else ()
        self._in_flight = 0  # directories, at most, since the monitor's last sample
        self.monitor = self._monitor(warm) if monitored else None
        self.pool: Backend | None = None

    def _new_backend(self, options: ScanOptions, pool: Backend | None) -> Backend:
        if self._client is None:
            return BACKENDS[options.backend](options, pool)
        from scanner.backends.dask import DaskBackend  # not needed otherwise

        return DaskBackend(options, self._client, self._least_workers)

    def _monitor(self, warm: Collection[int]) -> Monitor:
        from scanner.monitor import Monitor  # loaded only for scans with figures

        stats = self.stats
        return Monitor(self.backend.processes, lambda: (stats.directories, stats.entries, self._peak_in_flight()), warm)

    def _peak_in_flight(self) -> int:
        """Return the most directories read at a time since the last call."""
        peak, self._in_flight = self._in_flight, 0
        return peak

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.finish()

    @property
    def progress(self) -> tuple[int, int]:
        """Numbers of directories read, and known so far."""
        return self.engine.planner.done, self.engine.planner.known

    def chunks(self) -> Iterator[Chunk]:
        """Yield the Chunks of all roots, in walk order. Raises ScanTimeout, ScanCancelled, StoreError (at the end)."""
        for chunk in self.engine.run(self._roots, self._observe):
            if self.snapshot is not None:
                self.snapshot.take(chunk)
            yield chunk
        self._end = "complete"
        self._report_progress()
        self._note_cluster()
        for fault in self._unmet(self.stats) if self._unmet is not None else ():
            self.stats.add(fault)
            self._end = "rejected"
        self._finish_snapshot()
        if self.snapshot is None:
            return
        if self.snapshot.fault is not None:
            self.stats.add(Fault(self._roots[0], "expect", 0, self.snapshot.fault, UNEXPECTED))
        if self.snapshot.failure is not None:
            raise self.snapshot.failure

    def _note_cluster(self) -> None:
        """Note what the report says about the machines of a cluster."""
        if self.backend.is_local:
            return
        stats = self.stats
        stats.cluster = self.backend.figures()
        stats.backend, stats.worker_deaths = self.backend.name, stats.cluster["deaths"]
        stats.max_workers = len(stats.cluster["workers"])

    @property
    def _is_complete(self) -> bool:
        return self._end != "interrupted"

    def _finish_snapshot(self) -> None:
        if self.snapshot is not None:
            self.snapshot.finish(self._end, complete=self._is_complete)
            self.stats.snapshot = self.snapshot.figures

    def collect(self, topdown: bool = True) -> ScanResult:
        """Return all tuples. Raises ScanTimeout with those that have arrived."""
        stated = None
        if self._fields:
            from scanner.entry import Stated  # not needed otherwise

            stated = Stated(self._fields)
        result = ScanResult(self.stats, stated)
        collector = Collector(result, stated)
        try:
            with rarer_collections():
                for chunk in self.chunks():
                    collector.add(chunk)
        except (ScanTimeout, ClusterError) as error:
            for chunk in self.engine.planner.line.waiting():
                collector.add(chunk)
            self.finish()
            error.result, error.stats = result, self.stats
            raise
        except StoreError as error:
            error.result = result
            raise
        finally:
            if not topdown:
                result[:] = post_order(result)
        return result

    def finish(self) -> None:
        """Freeze the statistics, and stop the scan. May be called twice."""
        self.stats.finish()
        monitor, self.monitor = self.monitor, None
        try:
            if monitor is not None:
                monitor.end()
                self.stats.measured(monitor.figures)
                self.stats.latencies, self.stats.slowest = self.latencies.figures(), self.latencies.slowest()
        finally:
            self._note_cluster()
            if self._keep_pool and self.pool is None:
                self.pool = self.backend.detach()
            self.engine.stop(wait=not self._is_complete, keep_backend=self.pool is self.backend)
            self._finish_snapshot()

    def _observe(self, arrived: list[Chunk]) -> None:
        stats, engine = self.stats, self.engine
        for chunk in arrived:
            stats.count(chunk)
            if self.monitor is not None:
                self.latencies.count(chunk)
        if arrived and self.backend.name != "serial":
            stats.backend, stats.start_method = self.backend.name, self.backend.start_method
        planner = engine.planner
        stats.tasks, stats.worker_deaths, stats.hung_directories = planner.tasks, planner.deaths, planner.hung
        stats.abandoned_workers = self.backend.abandoned
        stats.lost_protections = list(self.backend.lost_protections)
        in_flight = engine.in_flight()
        self._in_flight = max(self._in_flight, in_flight)
        if in_flight >= stats.most_in_flight:
            stats.most_in_flight, stats.pace = in_flight, engine.paces.reason
        if self.monitor is not None:
            self.monitor.tick()
        self._report_progress()

    def _report_progress(self) -> None:
        state = self.progress
        if self.at_each_turn is not None:
            self.at_each_turn()
        if self._progress is not None and state != self._last_progress:
            self._last_progress = state
            self._progress(*state)


class Guarded:
    """A progress callback whose exceptions do not end the scan: the first one is logged."""

    def __init__(self, callback: ProgressCallback) -> None:
        refuse_uncallable(callback)
        self._callback = callback
        self._failed = False

    def __call__(self, scanned: int, total: int) -> None:
        try:
            self._callback(scanned, total)
        except Exception:  # any error of the caller's function
            if not self._failed:
                self._failed = True
                import logging

                logging.getLogger("scanner").exception("progress_callback failed; the scan goes on")


def refuse_mode(errors: object) -> None:
    """Raise OptionError for a value that `errors` does not have."""
    if errors not in (None, *get_args(ErrorMode)):
        raise OptionError(f"errors must be {' or '.join(map(repr, get_args(ErrorMode)))}, not {errors!r}")


def notify(fault: Fault, onerror: OnError) -> None:
    """Pass a Fault to the caller. Without `onerror` a failure of the file system is ignored, one of `prune` is not."""
    if not fault.is_error:
        return
    if onerror is not None:
        onerror(fault.as_error())
    elif fault.operation == "prune":
        raise PruneError(f"{fault.message}: {fault.path!r}")


def refuse_uncallable(callback: object) -> None:
    """Raise OptionError now for a progress_callback that is not callable."""
    if callback is not None and not callable(callback):
        raise OptionError(f"progress_callback must be callable, not {callback!r}")


def refuse_nul(path: Path) -> None:
    """Raise the ValueError of `os.walk` for a path with a NUL byte."""
    if 0 in os.fsencode(path):
        raise ValueError(f"embedded null byte in the path {path!r}")


BACKENDS: dict[str, Callable[[ScanOptions, Backend | None], Backend]] = {
    "serial": lambda options, _: SerialBackend(options),
    "auto": lambda options, warm: AutoBackend(options, pool=warm),
    "pool": lambda options, warm: AutoBackend(options, pool=warm),
}
"""Constructors by the value of the option `backend`, with options and the warm part of an earlier scan's backend."""


class Collector:
    """Appends the tuples of ordered Chunks to `result`; parts of a huge directory become one tuple."""

    def __init__(self, result: list[Walked], stated: Stated | None = None) -> None:
        self._result = result
        self._stated = stated
        self._unfinished: Path | None = None

    def add(self, chunk: Chunk) -> None:
        result, unfinished = self._result, self._unfinished
        if self._stated is not None:
            self._stated.add(chunk)
        self._unfinished = chunk.leftovers[0] if chunk.position else None
        if unfinished is not None and any(fault.path == unfinished and not fault.partial for fault in chunk.failed):
            result.pop()  # os.walk yields no tuple for an incomplete listing
        listings = iter(chunk)
        if unfinished is not None and (first := next(listings, None)) is not None:
            path, dirs, _, files = first
            if path == unfinished:
                result[-1][1].extend(names(dirs))
                result[-1][2].extend(names(files))
            else:
                result.append((path, names(dirs), names(files)))
        if chunk.listings and not isinstance(chunk.listings[0], list):
            # names() inlined: two calls for each directory are a tenth of the coordinator's time
            nul = "\0" if isinstance(chunk.listings[0], str) else b"\0"
            result += [
                (path, dirs.split(nul) if dirs else [], files.split(nul) if files else [])
                for path, dirs, _, files in listings
            ]
        else:
            result += [(path, dirs, files) for path, dirs, _, files in listings]


def post_order(walked: list[Walked]) -> list[Walked]:
    """Return the tuples of a bottom-up walk, from those of a top-down walk."""
    ordered: list[Walked] = []
    open_directories: list[tuple[int, Walked]] = []
    for item in walked:
        depth = item[0].count(os.sep if isinstance(item[0], str) else os.sep.encode())
        if not open_directories:
            depth = -1  # the root, which may end with a separator
        while open_directories and open_directories[-1][0] >= depth:
            ordered.append(open_directories.pop()[1])
        open_directories.append((depth, item))
    ordered += [item for _, item in reversed(open_directories)]
    return ordered
