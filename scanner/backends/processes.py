"""The processes of one `multiprocessing.Pool`: start, replacement, end.

caller's thread                        thread "scanner-pool-start"
Processes() -------------------------> imports; unless they are forked: Pool()
attend() <--- fork_next, failure ----- ends
'-> forked: Pool(), beside no other thread of ours
stop() --- waits for the thread, or leaves the undoing to it --> close, reap
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from scanner.backends.serial import replaced_threads
from scanner.options import ScanOptions, may_be_forked

if TYPE_CHECKING:  # multiprocessing takes 20 ms to import: the thread that starts the Pool does it
    from scanner.backends.start import SlotContext, SlotProcess

PATIENCE = 0.25  # seconds for the Pool's thread to end; for workers after QUIT, after SIGTERM, after SIGKILL
START_PATIENCE = 30.0  # seconds for a start to end
THREAD_END_PATIENCE = 0.1  # seconds until the system does not count an ended thread any more


_all: weakref.WeakSet[Processes] = weakref.WeakSet()


def _disown_all() -> None:
    """Release all processes in a new fork. Later, descriptor numbers may belong to other files."""
    for processes in list(_all):
        processes.stop()


os.register_at_fork(after_in_child=_disown_all)


class Owner(Protocol):
    """The interface of the user of the processes."""

    def wake(self) -> None: ...
    def dismiss(self) -> None: ...
    def close(self) -> None: ...


class Processes:
    """Starts the processes at once, as far as possible in a thread.

    `owner`: called from any thread after a change (`wake`), before processes are ended (`dismiss`), and at the end
    (`close`). `failure`: why there are no processes, or None; `no_refill`: why dead ones are not replaced any more.
    """

    def __init__(self, options: ScanOptions, owner: Owner) -> None:
        self.start_method: str = options.method  # chosen now: another thread starts soon
        self.failure: str | None = None
        if (library := replaced_threads()) is not None:
            self.failure = f"{library} has replaced threads by coroutines"
        self.no_refill: str | None = None
        self.stopped = False
        self._options = options
        self._owner: Owner | None = owner
        self._home = os.getpid()
        self._arrivals: deque[SlotProcess] = deque()
        self._context: SlotContext | None = None
        self._pool: Any = None
        self._fork_next = self._starter_undoes = False
        self._stop_lock = threading.Lock()
        _all.add(self)
        self._begin()

    @property
    def are_ours(self) -> bool:
        """Whether this process has started them, and is not a forked copy."""
        return os.getpid() == self._home

    def _begin(self) -> None:
        """Start the Pool, as far as possible in a thread, which sets `_started` at its end."""
        self._starter: threading.Thread | None = None
        self._started = self.failure is not None
        if self._started:
            return
        starter = threading.Thread(target=self._prepare, name="scanner-pool-start", daemon=True)
        try:
            starter.start()
        except RuntimeError as error:  # the system has no more threads
            self.failure, self._started = str(error), True
        else:
            self._starter = starter

    def _prepare(self) -> None:
        try:
            self._import_and_start()
        except Exception as error:  # imports fail where descriptors or memory are short
            self.failure = f"{type(error).__name__}: {error}"
        with self._stop_lock:
            self._started = True
            self._fork_next = self.failure is None and self.start_method == "fork"
            if not self.stopped:
                self._wake()
                return
        if self._starter_undoes:
            self._undo()
            atexit.unregister(self._wait)

    def _wake(self) -> None:
        if (owner := self._owner) is not None:
            owner.wake()

    def _wait(self) -> None:
        """Wait for the thread that starts the Pool.

        `join` returns a moment before the system counts one thread less, and processes are forked only from one thread.
        """
        if self._starter is not None:
            self._starter.join(START_PATIENCE)
            task, deadline = f"/proc/self/task/{self._starter.native_id}", time.monotonic() + THREAD_END_PATIENCE
            while os.path.exists(task) and time.monotonic() < deadline:
                time.sleep(0.0001)

    def _import_and_start(self) -> None:
        """Import what is needed, and unless it is to fork, start the Pool."""
        from multiprocessing import pool, process  # noqa: F401  # now rather than in a forking process

        from scanner.backends import start, worker  # noqa: F401

        atexit.register(self.stop)  # runs before multiprocessing's own, which may wait for ever
        if process.current_process().daemon:
            self.failure = "this process is daemonic, and those may have no children"
        elif self.start_method != "fork":
            self._start()

    def _start(self) -> None:
        """Start the Pool with signals blocked, so that no inherited handler runs in a worker."""
        from multiprocessing.pool import Pool

        from scanner.backends.launch import start_resource_tracker
        from scanner.backends.start import SlotContext

        blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        workers = self._options.workers
        try:
            if self.start_method != "fork":  # forked processes need no named semaphores
                start_resource_tracker()
                signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # again: starting it has unblocked them
            self._context = SlotContext(self.start_method, workers, self._announce, self._refill_failed)
            if not self.stopped:
                self._pool = Pool(workers, context=self._context)
        except Exception as error:  # any error of a system without processes, semaphores or memory
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _announce(self, slot_process: SlotProcess) -> None:
        self._arrivals.append(slot_process)
        self._wake()

    def _refill_failed(self, error: Exception) -> None:
        """Note that dead workers are not replaced any more. The pool fails with its last worker."""
        self.no_refill = f"{type(error).__name__}: {error}"
        self._wake()

    def attend(self) -> None:
        """Fork if due, and detect the end of the Pool's thread that replaces dead workers."""
        if self._fork_next:
            self._fork_next = False
            self._wait()
            self._fork()
        if self._pool is not None and self.no_refill is None and not self._pool._worker_handler.is_alive():
            self.no_refill = "the thread that replaces dead worker processes has ended"

    def _fork(self) -> None:
        """Start the Pool by `fork`, unless `fork` was a default and threads have started since."""
        if self._options.start_method == "fork" or may_be_forked():
            self._start()
            return
        self.start_method = self._options.method
        self._begin()

    def arrived(self) -> Iterator[SlotProcess]:
        """Yield the processes that have started since the last call."""
        if self._arrivals and self._context is not None:
            self._context.forget_dead()
        while self._arrivals:
            yield self._arrivals.popleft()

    def replace_abandoned(self) -> None:
        """Make the Pool replace abandoned processes, which report an exit code."""
        if self._pool is not None:
            self._pool._change_notifier.put(None)

    def stop_refilling(self, failure: str) -> None:
        """Fail, and replace no more dead processes."""
        self.failure = failure
        if self._pool is not None:
            self._pool.close()

    def stop(self, *, wait: bool = True) -> None:
        """End the processes within a bound. A start in progress is awaited and then undone; without `wait` its own
        thread does that later.
        """
        if not self.are_ours:  # without the lock: another thread of the parent may have held it during the fork
            if not self.stopped:
                self.stopped = True
                self._disown()
            return
        with self._stop_lock:
            if self.stopped:
                return
            self.stopped = True
            self._starter_undoes = not (wait or self._started)
            if self._starter_undoes:
                atexit.register(self._wait)
                return
        self._wait()
        self._undo()

    def _undo(self) -> None:
        atexit.unregister(self.stop)
        context, pool = self._context, self._pool
        self._context = self._pool = None  # reference cycles
        if pool is not None:
            pool.close()
            pool._worker_handler.join(PATIENCE)  # it replaces no process from here on
        if context is not None:
            context.ended = True
            if self._owner is not None:
                self._owner.dismiss()
            self._end(context, pool)
        self._release()

    def _disown(self) -> None:
        """Close inherited descriptors in a forked process."""
        if (pool := self._pool) is not None:
            from scanner.backends.start import close_queues

            self._pool = None
            pool._terminate.cancel()
            pool._state = "TERMINATE"  # prevents a ResourceWarning of its finalizer
            close_queues(pool)
        self._release()

    def _release(self) -> None:
        owner, self._owner = self._owner, None  # a reference cycle
        if owner is not None:
            owner.close()

    def _end(self, context: SlotContext, pool: Any) -> None:
        from scanner.backends.start import close_ends, end_pool, reap

        while self._arrivals:
            close_ends(self._arrivals.popleft())
        for slot_process in reap([each for each in context.made if not each.abandoned], PATIENCE):
            slot_process.abandon()
        if pool is not None:
            end_pool(pool)
        for slot_process in context.made:
            close_ends(slot_process)  # also of a process that was started meanwhile, and killed
            if not slot_process.abandoned:
                slot_process.join(PATIENCE)
                with contextlib.suppress(ValueError):  # it has not ended
                    slot_process.close()
        context.stop()
