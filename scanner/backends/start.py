"""Starting worker processes for a Pool, with what `multiprocessing` needs to be told.

A context of our own does three things that the standard ones do not:

* each process gets a pipe each way of its own, made when it is made: also the ones with which the Pool replaces
  the dead;
* workers never import the caller's main module, so a script may call `walk` without a `__main__` guard;
* helper interpreters do not have the working directory on `sys.path`: it may well be the tree to scan.

Fork servers are started and stopped with the Pool, so that nothing of ours stays behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from multiprocessing import connection, context, get_context, process, resource_tracker, spawn, util
from typing import Any

from scanner.backends.whereabouts import Whereabouts

PRELOAD = ["scanner.backends.start", "scanner.backends.worker"]
PIPE_BYTES = 1 << 20  # as much as an unprivileged user may ask for
LOCK_PATIENCE = 1.0  # seconds
_launch_lock = threading.Lock()
_fork_lock = threading.Lock()
"""Held over a fork, and while ends of pipes are closed: a child must not inherit an end that is half closed."""
_made_here: weakref.WeakSet[SlotProcess] = weakref.WeakSet()


class SlotProcess(process.BaseProcess):
    """One worker process. It keeps the ends `task_reader` and `chunk_writer`, the coordinator the other two.

    It runs `serve` in the place of the Pool's own loop, so it needs neither that nor the queues that come with it.
    """

    _start_method = None  # in the worker: leave the default start method alone

    def __init__(self, owner: SlotContext, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner: SlotContext | None = owner
        self.task_reader, self.task_writer = connection.Pipe(duplex=False)
        self.chunk_reader, self.chunk_writer = connection.Pipe(duplex=False)
        _widen(self.chunk_writer.fileno())
        self.whereabouts = Whereabouts()
        self.abandoned = False
        self.inherited: list[int] = []  # descriptors of the caller, where it is forked
        self.known_pid = 0  # a process that was closed does not tell its own any more
        _made_here.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """What a new interpreter gets: not the coordinator's side, nor what the Pool would have it run."""
        not_needed = dict.fromkeys(("_owner", "task_writer", "chunk_reader", "_target", "_args", "_kwargs"))
        return {**self.__dict__, **not_needed}

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # multiprocessing's name
        owner = process_obj._owner
        if owner.method == "fork":
            with _fork_lock:
                process_obj.inherited = open_descriptors()
                return owner.standard.Process._Popen(process_obj)
        with _launching(owner):
            return owner.standard.Process._Popen(process_obj)

    def start(self) -> None:
        assert self._owner is not None
        try:
            with self._owner.refilling():
                super().start()
        finally:
            self.task_reader.close()
            self.chunk_writer.close()
            self.whereabouts.close_descriptor()
        self.known_pid = self.pid or 0
        self._owner.started(self)

    def abandon(self) -> None:
        """Let go of a process that even SIGKILL does not end: to the Pool it has ended, so that it is replaced."""
        self.abandoned = True
        let_go(self)

    @property
    def exitcode(self) -> int | None:
        return -signal.SIGKILL if self.abandoned else super().exitcode

    def join(self, timeout: float | None = None) -> None:
        if not self.abandoned:
            super().join(timeout)

    def run(self) -> None:
        if self._owner is not None:  # forked: the coordinator's ends of all pipes, of other scans too, came along
            for slot_process in _made_here:
                slot_process.close_coordinator_ends()
            self._close_inherited()
        from scanner.backends.worker import serve

        serve()

    def _close_inherited(self) -> None:
        """Nobody is to wait for the end of a file, or for a lock, because a worker has a copy of the descriptor."""
        ours = {0, 1, 2, self.task_reader.fileno(), self.chunk_writer.fileno()}
        for descriptor in set(self.inherited) - ours:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def close_coordinator_ends(self) -> None:
        self.task_writer.close()
        self.chunk_reader.close()


def open_descriptors() -> list[int]:
    """Those of this process, where the system tells."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # that of the listing itself
                os.fstat(int(name))
                found.append(int(name))
    return found


def _widen(descriptor: int) -> None:
    """Make a pipe hold a whole Chunk, so that the worker walks on while the coordinator is busy. Where allowed."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # beyond the user's share of pipe memory: 64 KiB it is
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class SlotContext(context.BaseContext):
    """A multiprocessing context whose processes are SlotProcesses.

    `announce` hears of each that has started, `refill_failed` why a dead one could not be replaced.
    """

    def __init__(
        self,
        method: str,
        workers: int,
        announce: Callable[[SlotProcess], None],
        refill_failed: Callable[[Exception], None],
    ) -> None:
        self._name = self.method = method
        self.standard: Any = get_context(method)
        self.made: list[SlotProcess] = []
        self.ended = False  # from then on no process is started
        self.fork_server: Any = None
        self._announce = announce
        self._started = 0
        self._workers = workers
        self.refill_failed = refill_failed
        if method == "forkserver":
            from multiprocessing import forkserver

            self.fork_server = forkserver.ForkServer()
            self.fork_server.set_forkserver_preload(PRELOAD)

    def Process(self, *args: Any, **kwargs: Any) -> SlotProcess:  # noqa: N802  # multiprocessing's name
        with self.refilling():
            return SlotProcess(self, *args, **kwargs)

    @contextlib.contextmanager
    def refilling(self) -> Iterator[None]:
        """What goes wrong here, in the Pool's own thread, ends that thread quietly: it replaces nobody any more.

        While the Pool is still being made its threads do not run yet, and its maker hears of it.
        """
        if self.ended:  # and the Pool, whose maker was interrupted, does not know
            raise SystemExit
        try:
            yield
        except Exception as error:
            if self._started < self._workers:
                raise
            self.refill_failed(error)
            raise SystemExit from error

    def started(self, slot_process: SlotProcess) -> None:
        self._started += 1
        self.made.append(slot_process)
        if self.ended:
            slot_process.kill()
        self._announce(slot_process)

    def forget_dead(self, living: Collection[SlotProcess]) -> None:
        """Give back what dead processes still take, once the Pool does not look at them any more."""
        for slot_process in self.made[:]:
            if slot_process not in living and not slot_process.abandoned and slot_process.exitcode is not None:
                self.made.remove(slot_process)
                slot_process.close()

    def stop(self) -> None:
        """Let go of the processes, and stop the fork server.

        By itself it ends when the last copy of a pipe is closed, and the caller may have forked, so it is made to;
        under its lock, or a start under way in another thread would find it dead and start another.
        """
        self.made.clear()
        server = self.fork_server
        if server is None:
            return
        with server._lock:
            if server._forkserver_pid is not None:
                os.kill(server._forkserver_pid, signal.SIGKILL)
                server._stop_unlocked()


def start_resource_tracker() -> None:
    """Start Python's tracker of semaphores, if it does not run yet.

    Before anything that would start it unasked: like all helper interpreters it must not have the working directory on
    `sys.path`, and starting it unblocks signals.
    """
    with _launch_lock, _safe_path():
        resource_tracker.ensure_running()


@contextlib.contextmanager
def _launching(owner: SlotContext) -> Iterator[None]:
    """What starting a process looks up in `multiprocessing`, changed for this thread for the time of the start."""
    replacements: list[tuple[Any, str, Any]] = [
        (spawn, "get_preparation_data", _without_main_module(spawn.get_preparation_data)),
    ]
    if owner.fork_server is not None:
        from multiprocessing import forkserver

        replacements.append((forkserver, "connect_to_new_process", owner.fork_server.connect_to_new_process))
    with _launch_lock, _safe_path(), contextlib.ExitStack() as stack:
        for module, name, replacement in replacements:
            stack.enter_context(_replaced(module, name, replacement))
        yield


@contextlib.contextmanager
def _replaced(module: Any, name: str, replacement: Any) -> Iterator[None]:
    original, mine = getattr(module, name), threading.get_ident()

    def choose(*args: Any) -> Any:
        return (replacement if threading.get_ident() == mine else original)(*args)

    setattr(module, name, choose)
    try:
        yield
    finally:
        setattr(module, name, original)


def _without_main_module(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def preparation_data(name: str) -> dict[str, Any]:
        data = original(name)
        data.pop("init_main_from_path", None)
        data.pop("init_main_from_name", None)
        return data

    return preparation_data


def _safe_path() -> contextlib.AbstractContextManager[None]:
    """Helper interpreters do not get the working directory on `sys.path`."""
    private: Any = util  # there is no public way
    original = private._args_from_interpreter_flags

    def arguments() -> list[str]:
        flags: list[str] = original()
        return flags if "-P" in flags else [*flags, "-P"]

    return _replaced(util, "_args_from_interpreter_flags", arguments)


def close_ends(slot_process: SlotProcess) -> None:
    """Close the coordinator's ends of the pipes to a process: an idle one ends."""
    # Not for ever: a fork that does not come to an end must not keep a scan from ending.
    alone = _fork_lock.acquire(timeout=LOCK_PATIENCE)
    try:
        slot_process.close_coordinator_ends()
    finally:
        if alone:
            _fork_lock.release()
    slot_process.whereabouts.close()


def reap(processes: list[SlotProcess], patience: float) -> list[SlotProcess]:
    """Wait for processes to end, then make them: SIGTERM, SIGKILL, each after `patience` seconds for all together.

    Returns those that even SIGKILL did not end (they wait in the kernel for a dead disk or mount).
    """
    for make_end in (lambda _: None, process.BaseProcess.terminate, process.BaseProcess.kill):
        deadline = time.monotonic() + patience
        for slot_process in processes:
            make_end(slot_process)
        for slot_process in processes:
            slot_process.join(max(0.0, deadline - time.monotonic()))
        processes = [slot_process for slot_process in processes if slot_process.is_alive()]
        if not processes:
            break
    return processes


def end_pool(pool: Any) -> None:
    """End what a Pool is apart from its processes, which have ended."""
    pool._taskqueue.put(None)  # its thread waits for this, if another has failed
    pool.terminate()
    pool.join()
    for queue in (pool._inqueue, pool._outqueue, pool._change_notifier):
        # Now, not whenever the last reference to the Pool goes: its semaphores are unregistered then, and should the
        # garbage collector do that in a call of the resource tracker, that breaks (since 3.13).
        queue.close()
        queue._rlock = queue._wlock = None


def let_go(slot_process: SlotProcess) -> None:
    """Forget a process that cannot be ended, so that the interpreter's exit does not wait for it."""
    process._children.discard(slot_process)  # type: ignore[attr-defined]  # there is no public way
    popen = slot_process._popen  # type: ignore[attr-defined]
    if getattr(popen, "finalizer", None) is not None:
        popen.finalizer.cancel()
