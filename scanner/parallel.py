"""`ParallelScanner`: scans from asyncio or from plain code, one after another or at once, with the pool kept warm."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from scanner.model import Fault
from scanner.options import ScanOptions
from scanner.run import ProgressCallback, Run, ScanResult, refuse_nul, refuse_uncallable
from scanner.stats import ScanStats

if TYPE_CHECKING:
    import asyncio
    from typing import Unpack

    from scanner.backends.pool import PoolBackend
    from scanner.options import CommonKeywords

T = TypeVar("T")
AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class ParallelScanner:
    """Scans trees with one set of options.

    As a context manager it keeps its worker processes warm between scans, which saves 50 to 100 ms each; without,
    each scan ends what it has started. Scans at once on one instance do not mix: each has its own statistics, and
    those that find the warm workers taken start workers of their own. So does a process that was forked meanwhile.

    max_workers        worker processes; default: one a processor
    progress_callback  called with (directories done, directories known so far); both only grow, and are equal at
                       the end. From `scan` it is called in the event loop's thread, from `scan_sync` in the
                       caller's. An exception in it is logged once.
    timeout            seconds for each scan (default 300), or text such as "1.5h"; None for no limit
    others             as in `ScanOptions`

    Raises OptionError (a ValueError) for values that cannot be used.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        progress_callback: ProgressCallback | None = None,
        timeout: float | str | None = 300.0,
        *,
        followlinks: bool = False,
        stat: bool | str | Sequence[str] = False,
        **options: Unpack[CommonKeywords],
    ) -> None:
        keywords = {"max_workers": max_workers, "timeout": timeout, "followlinks": bool(followlinks), "stat": stat}
        self.options = ScanOptions.of({**options, **keywords})
        refuse_uncallable(progress_callback)
        self._progress_callback = progress_callback
        self._keeps_pool = False
        self._idle_pools: deque[PoolBackend] = deque()  # at most one; no lock, which a fork might catch held
        self._stats: ScanStats | None = None

    async def scan(self, path: AnyPath) -> ScanResult:
        """Scan without blocking the running event loop. Cancelling the task stops the workers before it ends.

        Returns `list(os.walk(path))` with `.stats` and `.errors`. Raises ScanTimeout with what was found until then.
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        cancelled = threading.Event()
        callback = self._progress_callback
        progress = _in_loop(asyncio.get_running_loop(), callback, cancelled) if callback is not None else None
        # A thread of its own: in the loop's executor a scan might wait for others, and so might its cancellation.
        executor = ThreadPoolExecutor(1, thread_name_prefix="scanner")
        future = asyncio.wrap_future(executor.submit(self._scan, path, progress, cancelled))
        executor.shutdown(wait=False)
        return await _until_ended(future, cancelled.set)

    def __getstate__(self) -> dict[str, Any]:
        """Options only: another process has workers and statistics of its own."""
        return {**self.__dict__, "_idle_pools": deque(), "_keeps_pool": False, "_stats": None}

    def scan_sync(self, path: AnyPath) -> ScanResult:
        """The same from plain code."""
        return self._scan(path, self._progress_callback, None)

    def _scan(self, path: AnyPath, progress: ProgressCallback | None, cancelled: threading.Event | None) -> ScanResult:
        top = os.fspath(path)
        refuse_nul(top)
        pool = self._take_idle_pool()
        keep = self._keeps_pool
        run = Run([top], self.options, progress=progress, cancelled=cancelled, pool=pool, keep_pool=keep)
        self._stats = run.stats
        try:
            with run:
                return run.collect()
        finally:
            self._take_back(run.pool)

    def _take_idle_pool(self) -> PoolBackend | None:
        """The warm workers, if there are any; a forked process leaves those of its parent alone."""
        try:
            pool = self._idle_pools.popleft()
        except IndexError:
            return None
        if pool.is_ours:
            return pool
        pool.stop()
        return None

    def _take_back(self, pool: PoolBackend | None) -> None:
        if pool is None:
            return
        if self._keeps_pool and not self._idle_pools:
            self._idle_pools.append(pool)
        else:
            pool.stop()
        if not self._keeps_pool:  # closed a moment ago, by another thread
            self._stop_idle_pools()

    def _stop_idle_pools(self) -> None:
        while (pool := self._take_idle_pool()) is not None:
            pool.stop()

    def __enter__(self) -> ParallelScanner:
        self._keeps_pool = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> ParallelScanner:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        import asyncio

        await _until_ended(asyncio.ensure_future(asyncio.to_thread(self.close)))

    def close(self) -> None:
        """End the warm workers. Scans under way end theirs when they are done."""
        self._keeps_pool = False
        self._stop_idle_pools()

    def get_stats(self) -> dict[str, Any]:
        """What the scan that was started last has cost; live while it runs, frozen at its end. Empty before the first.

        Each result carries its own as `.stats`.
        """
        return self._stats.as_dict() if self._stats is not None else {}

    def get_errors(self) -> list[Fault]:
        """What that scan could not read: path, operation, errno, message, kind."""
        return list(self._stats.faults) if self._stats is not None else []

    def has_errors(self) -> bool:
        return bool(self.get_errors())

    def get_error_summary(self) -> dict[str, Any]:
        """`total`, and `by_kind`: how many of each kind."""
        faults = self.get_errors()
        by_kind: dict[str, int] = {}
        for fault in faults:
            by_kind[fault.kind] = by_kind.get(fault.kind, 0) + 1
        return {"total": len(faults), "by_kind": by_kind}


async def _until_ended(future: asyncio.Future[T], cancel: Callable[[], object] = lambda: None) -> T:
    """Its result. If this task is cancelled, call `cancel`, and end only when the future has: nothing runs on.

    However often that happens: anyio cancels a task again at every turn of the event loop.
    """
    import asyncio

    interrupted: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])  # which does not cancel it
        except asyncio.CancelledError as error:
            interrupted = interrupted or error
            cancel()
    if interrupted is None:
        return future.result()
    if not future.cancelled():
        future.exception()  # ScanCancelled, which nobody else looks at
    try:
        raise interrupted
    finally:
        interrupted = None  # it knows this frame


def _in_loop(loop: Any, callback: ProgressCallback, cancelled: threading.Event) -> Callable[[int, int], None]:
    """`callback`, called in the event loop's thread, in order; an exception in it is logged once.

    Nobody waits for a scan whose loop is closed: it is `cancelled`.
    """
    from scanner.run import Guarded

    guarded = Guarded(callback)

    def progress(scanned: int, total: int) -> None:
        try:
            loop.call_soon_threadsafe(guarded, scanned, total)
        except RuntimeError:
            cancelled.set()

    return progress


async def scan_parallel(
    path: AnyPath,
    max_workers: int | None = 4,
    progress_callback: ProgressCallback | None = None,
    timeout: float | str | None = 300.0,
    *,
    followlinks: bool = False,
    stat: bool | str | Sequence[str] = False,
    **options: Unpack[CommonKeywords],
) -> ScanResult:
    """Scan one tree from asyncio: as `scan` of a ParallelScanner with these options."""
    scanner = ParallelScanner(max_workers, progress_callback, timeout, followlinks=followlinks, stat=stat, **options)
    return await scanner.scan(path)
