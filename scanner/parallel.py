"""`ParallelScanner`: scans from asyncio or from plain code, sequential or concurrent, with warm worker processes."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, AnyStr, Self, TypedDict

from scanner.aside import until_ended
from scanner.errors import ErrorMode
from scanner.model import Fault, FaultKind
from scanner.options import UNSET, ScanOptions
from scanner.run import ProgressCallback, Run, ScanResult, concluded, refuse_mode, refuse_nul, refuse_uncallable
from scanner.signature import takes_options
from scanner.stats import ScanStats

if TYPE_CHECKING:
    from scanner.backends.base import Backend

TIMEOUT = 300.0  # seconds


class ErrorSummary(TypedDict):
    """Number of errors of a scan, in all and by kind."""

    total: int
    by_kind: dict[FaultKind, int]


@takes_options(timeout=TIMEOUT)
class ParallelScanner:
    """Scan trees with one set of options, from asyncio or from plain code.

        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        progress_callback: Function that gets the numbers of directories read and known so far.
        timeout: Time limit for each scan in seconds, or text like "1.5h". Default: 300; None means no limit.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    As a context manager it keeps its worker processes between scans, which saves 50 to 100 ms each. Otherwise each
    scan stops the workers that it has started. Concurrent scans of one instance are independent: each has its own
    statistics, and starts its own workers if the warm ones are in use. So does a forked process.

    The numbers of progress only grow, and are equal at the end. `scan` calls `progress_callback` in the thread of the
    event loop, `scan_sync` in the calling thread. Its first exception is logged, and the scan goes on.

    Raises OptionError (a ValueError) for invalid values.
    """

    def __init__(
        self,
        max_workers: int | None = UNSET,
        progress_callback: ProgressCallback | None = None,
        timeout: float | str | None = UNSET,
        *,
        client: object | None = None,
        options: ScanOptions | None = None,
        **keywords: Any,
    ) -> None:
        given = {**keywords, "max_workers": max_workers, "timeout": timeout}
        self.options = ScanOptions.of(given, options, timeout=TIMEOUT)
        refuse_uncallable(progress_callback)
        self._progress_callback = progress_callback
        self._client = client
        if client is not None:
            from scanner.backends.dask_client import refuse_options  # not needed otherwise

            refuse_options(self.options)
        self._keeps_pool = False
        self._idle_pools: deque[Backend] = deque()  # at most one; no lock, which a fork might catch held
        self._stats: ScanStats | None = None

    async def scan(self, path: AnyStr | os.PathLike[AnyStr], *, errors: ErrorMode | None = None) -> ScanResult[AnyStr]:
        """Scan a tree without blocking the event loop. Return `list(os.walk(path))` with statistics and errors.

            errors: As in the function `scan`: "raise", "collect", or None, which warns.

        Cancelling the task stops the workers before the task ends. Raises ScanTimeout with the result so far.
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        refuse_mode(errors)
        cancelled = threading.Event()
        callback = self._progress_callback
        progress = _in_loop(asyncio.get_running_loop(), callback, cancelled) if callback is not None else None
        # Not the executor of the loop: a scan, and its cancellation, might wait for other scans there.
        executor = ThreadPoolExecutor(1, thread_name_prefix="scanner")
        future = asyncio.wrap_future(executor.submit(self._scan, path, progress, cancelled))
        executor.shutdown(wait=False)
        result = await until_ended(future, cancelled.set)
        return concluded(result, errors, 2)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the options only: workers and statistics stay with this process."""
        return {**self.__dict__, "_idle_pools": deque(), "_keeps_pool": False, "_stats": None}

    def scan_sync(self, path: AnyStr | os.PathLike[AnyStr], *, errors: ErrorMode | None = None) -> ScanResult[AnyStr]:
        """Scan a tree in the calling thread. Return and raise the same as `scan`."""
        refuse_mode(errors)
        return concluded(self._scan(path, self._progress_callback, None), errors, 2)

    def _scan(
        self, path: AnyStr | os.PathLike[AnyStr], progress: ProgressCallback | None, cancelled: threading.Event | None
    ) -> ScanResult[AnyStr]:
        top = os.fspath(path)
        refuse_nul(top)
        pool = self._take_idle_pool()
        keep = self._keeps_pool
        run = Run(
            [top], self.options, progress=progress, cancelled=cancelled, pool=pool, keep_pool=keep, client=self._client
        )
        self._stats = run.stats
        try:
            with run:
                return run.collect()
        finally:
            self._take_back(run.pool)

    def _take_idle_pool(self) -> Backend | None:
        """Return the warm workers, if any. In a forked process those of the parent are not used."""
        try:
            pool = self._idle_pools.popleft()
        except IndexError:
            return None
        if pool.is_ours:
            return pool
        pool.stop()
        return None

    def _take_back(self, pool: Backend | None) -> None:
        if pool is None:
            return
        if self._keeps_pool and not self._idle_pools:
            self._idle_pools.append(pool)
        else:
            pool.stop()
        if not self._keeps_pool:  # closed meanwhile by another thread
            self._stop_idle_pools()

    def _stop_idle_pools(self) -> None:
        while (pool := self._take_idle_pool()) is not None:
            pool.stop()

    def __enter__(self) -> Self:
        self._keeps_pool = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        import asyncio

        await until_ended(asyncio.ensure_future(asyncio.to_thread(self.close)))

    def close(self) -> None:
        """Stop the warm workers. Running scans stop their workers when they end."""
        self._keeps_pool = False
        self._stop_idle_pools()

    def get_stats(self) -> dict[str, Any]:
        """Return the statistics of the scan started last, live while it runs. Empty before the first scan.

        Each result has its own statistics as `.stats`.
        """
        return self._stats.as_dict() if self._stats is not None else {}

    def get_errors(self) -> list[Fault[Any]]:
        """Return the errors of the scan started last."""
        return list(self._stats.faults) if self._stats is not None else []

    def has_errors(self) -> bool:
        """Return whether the scan started last has reported errors."""
        return bool(self.get_errors())

    def get_error_summary(self) -> ErrorSummary:
        """Return the number of errors of the scan started last: `total`, and `by_kind`."""
        faults = self.get_errors()
        by_kind: dict[FaultKind, int] = {}
        for fault in faults:
            by_kind[fault.kind] = by_kind.get(fault.kind, 0) + 1
        return {"total": len(faults), "by_kind": by_kind}


def _in_loop(loop: Any, callback: ProgressCallback, cancelled: threading.Event) -> Callable[[int, int], None]:
    """Return a function that calls `callback` in the thread of the event loop, in order.

    The scan is cancelled once the loop is closed.
    """
    from scanner.run import Guarded

    guarded = Guarded(callback)

    def progress(scanned: int, total: int) -> None:
        try:
            loop.call_soon_threadsafe(guarded, scanned, total)
        except RuntimeError:
            cancelled.set()

    return progress


@takes_options(max_workers=4, timeout=TIMEOUT)
async def scan_parallel(
    path: AnyStr | os.PathLike[AnyStr],
    max_workers: int | None = UNSET,
    progress_callback: ProgressCallback | None = None,
    timeout: float | str | None = UNSET,
    *,
    errors: ErrorMode | None = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> ScanResult[AnyStr]:
    """Scan one tree without blocking the event loop. Return `list(os.walk(path))` with statistics and errors.

        path: Root of the tree, str, bytes or path-like.
        max_workers: Number of worker processes or threads, 1 to 256. Default: 4.
        progress_callback: Function that gets the numbers of directories read and known so far.
        timeout: Time limit in seconds, or text like "1.5h". Default: 300; None means no limit.
        errors: As in the function `scan`: "raise", "collect", or None, which warns.
        options: A ScanOptions, which the keywords override.

    Cancelling the task stops the workers before the task ends.

    Raises OptionError (a ValueError), and ScanTimeout (a TimeoutError) with the result so far.
    """
    refuse_mode(errors)
    given = {**keywords, "max_workers": max_workers, "timeout": timeout}
    chosen = ScanOptions.of(given, options, max_workers=4, timeout=TIMEOUT)
    scanner = ParallelScanner(chosen.max_workers, progress_callback, chosen.timeout, options=chosen)
    result = await scanner.scan(path, errors=errors or "collect")
    return concluded(result, errors, 2)
