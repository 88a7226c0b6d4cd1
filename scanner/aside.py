"""Iterate over something in a thread beside an event loop of asyncio or trio, which it does not block.

loop:    items <- piece <- await         (a turn for other tasks after each piece, and every LONGEST_STEP)
thread:           piece <- iterator      (one piece ahead)
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from scanner.errors import OptionError

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from scanner.plan.merge import OnError

T = TypeVar("T")
PIECE = 1000  # items that the thread hands over at a time
LONGEST_STEP = 0.005  # seconds after which the loop gets a turn, however fast items are consumed

Cancelled = threading.Event


def refuse_batch(batch: object) -> None:
    """Raise OptionError for a `batch` that is not a number of items."""
    if batch is not None and (not isinstance(batch, int) or isinstance(batch, bool) or batch < 1):
        raise OptionError(f"batch must be a whole number of 1 or more, or None for single items, not {batch!r}")


class Aside:
    """One thread beside the running event loop. Its calls run one after the other: SQLite requires one thread.

    The executor of the loop is not used: a walk, and its cancellation, might wait for others there.
    """

    def __init__(self) -> None:
        from concurrent.futures import ThreadPoolExecutor  # with logging

        self.cancelled: Cancelled = threading.Event()
        """Set when the task is cancelled, or the thread is not needed any more."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="scanner")
        self._turn = Turn()

    def start(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call `function` in the thread."""
        return self._executor.submit(function, *arguments)

    async def result(self, future: Future[T]) -> T:
        """Return the result of a call, after other tasks had a turn.

        If the task is cancelled meanwhile, set `cancelled`, and wait for the end of the call.
        """
        result = await self._turn.result(future, self.cancelled.set)
        self._turn.begin()
        return result

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of `function`, called in the thread."""
        return await self.result(self.start(function, *arguments))

    @property
    def is_turn_over(self) -> bool:
        return self._turn.is_over

    async def end_turn(self) -> None:
        """Let other tasks run."""
        await self._turn.end()

    async def end(self, function: Callable[[], object]) -> None:
        """Call `function` last, and end the thread. The call is waited for, even if the task is cancelled."""
        self.cancelled.set()
        try:
            await self.call(function)
        finally:
            self._executor.shutdown(wait=False)


class Turn:
    """What is done between two turns of the event loop."""

    def __init__(self) -> None:
        trio: Any = sys.modules.get("trio")
        self._trio: Any = trio if trio is not None and trio.lowlevel.in_trio_run() else None
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the loop should get a turn now."""
        return time.monotonic() - self._began > LONGEST_STEP

    async def end(self) -> None:
        if self._trio is not None:
            await self._trio.lowlevel.checkpoint()
        else:
            import asyncio  # not needed in trio

            await asyncio.sleep(0)
        self.begin()

    async def result(self, future: Future[T], cancel: Callable[[], object]) -> T:
        if self._trio is not None:
            return await self._trio_result(future, cancel)
        import asyncio  # not needed in trio

        return await until_ended(asyncio.wrap_future(future), cancel)

    async def _trio_result(self, future: Future[T], cancel: Callable[[], object]) -> T:
        trio, ended = self._trio, self._trio.Event()
        token = trio.lowlevel.current_trio_token()
        future.add_done_callback(lambda _: token.run_sync_soon(ended.set))
        try:
            await ended.wait()
        except trio.Cancelled:
            cancel()
            with trio.CancelScope(shield=True):
                await ended.wait()
            raise
        return future.result()


async def until_ended(future: asyncio.Future[T], cancel: Callable[[], object] = lambda: None) -> T:
    """Return the result of `future`. If this task is cancelled, call `cancel`, and end after the future has ended.

    Cancellation may come many times: anyio cancels a task again at every turn of the event loop.
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
        future.exception()  # retrieve ScanCancelled, or asyncio logs it
    try:
        raise interrupted
    finally:
        interrupted = None  # its traceback refers to this frame


@asynccontextmanager
async def aside(stop: Callable[[], object]) -> AsyncIterator[Aside]:
    """Have a thread, in which `stop` is called last."""
    thread = Aside()
    try:
        yield thread
    finally:
        await thread.end(stop)


class Pieces(Generic[T]):
    """Takes pieces of at most `size` items from an iterator, in a thread.

    make  returns the iterator; called in the thread, with a function for errors
    """

    def __init__(self, make: Callable[[OnError, Cancelled], Iterator[T]], size: int, *, collects_errors: bool) -> None:
        self._make = make
        self._size = size
        self._errors: list[OSError] = []
        self._report = self._errors.append if collects_errors else None
        self._items: Any = None

    def take(self, cancelled: Cancelled) -> tuple[list[OSError], list[T], BaseException | None]:
        """Return errors, items, and the exception that came after these items. Fewer than `size` items are the last."""
        items: list[T] = []
        failure = None
        try:
            if self._items is None:
                self._items = self._make(self._report, cancelled)
            items.extend(islice(self._items, self._size))
        except Exception as error:  # ScanTimeout, for example
            failure = error
        errors = self._errors.copy()
        self._errors.clear()
        return errors, items, failure

    def close(self) -> None:
        if self._items is not None:
            self._items.close()


async def in_pieces(
    make: Callable[[OnError, Cancelled], Iterator[T]], batch: int | None, onerror: OnError = None
) -> AsyncGenerator[Any, None]:
    """Yield the items of the generator that `make` returns, or lists of `batch` items. `onerror` runs in the loop."""
    size = batch or PIECE
    pieces = Pieces(make, size, collects_errors=onerror is not None)
    async with aside(pieces.close) as thread:
        ahead = thread.start(pieces.take, thread.cancelled)
        is_last = False
        while not is_last:
            errors, items, failure = await thread.result(ahead)
            is_last = len(items) < size or failure is not None
            if not is_last:
                ahead = thread.start(pieces.take, thread.cancelled)
            for error in errors:
                assert onerror is not None
                onerror(error)
            if batch is None:
                for item in items:
                    yield item
                    if thread.is_turn_over:
                        await thread.end_turn()
            elif items:
                yield items
            if failure is not None:
                raise failure


async def in_turns(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield items that are there already, with turns of the event loop between them."""
    turn = Turn()
    for number, item in enumerate(items, 1):
        yield item
        if turn.is_over or number % PIECE == 0:
            await turn.end()
