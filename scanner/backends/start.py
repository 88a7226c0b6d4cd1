"""Start worker processes for a Pool, through a `multiprocessing` context with processes of our own class.

Each process, replacements included, has two pipes of its own, one for each direction.

A fork server is started and stopped with the Pool, so that no process stays behind.

`fork` is for the first workers only. The Pool replaces dead workers from a thread of its own. A process forked beside
threads may inherit a lock that is never released (import, malloc), so replacements come from a fork server.

A process that the caller forks owns none of these: it closes its copies of our pipes at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing import connection, context, get_all_start_methods, get_context, process, util
from typing import Any

from scanner.backends.heartbeat import Heartbeats
from scanner.backends.launch import launching

PRELOAD = ["scanner.backends.start", "scanner.backends.worker"]
PIPE_BYTES = 1 << 20  # the most that an unprivileged user may request
LOCK_PATIENCE = 1.0  # seconds
_fork_lock = threading.RLock()
"""Held during every fork, and while pipes are closed: a child must not inherit a half-closed pipe."""
_made_here: weakref.WeakSet[SlotProcess] = weakref.WeakSet()
_this_thread = threading.local()
"""`forks`: the SlotProcess that this thread is about to fork."""


class SlotProcess(process.BaseProcess):
    """One worker process. It keeps the ends `task_reader` and `chunk_writer`, the coordinator the other two.

    It runs `serve` instead of the Pool's own loop, and so needs none of the Pool's queues.
    """

    _start_method = None  # in the worker: leave the default start method alone

    def __init__(self, owner: SlotContext, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner: SlotContext | None = owner
        self.task_reader, self.task_writer = connection.Pipe(duplex=False)
        self.chunk_reader, self.chunk_writer = connection.Pipe(duplex=False)
        _widen(self.chunk_writer.fileno())
        self.heartbeats = Heartbeats()
        self.abandoned = False
        self.inherited: list[int] = []  # descriptors of the caller, where it is forked
        self.known_pid = 0  # a closed process does not report its own any more
        self.dropped = False  # by the Pool, which does not look at it any more
        _made_here.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a new interpreter, without the coordinator's side and the Pool's own loop."""
        not_needed = dict.fromkeys(("owner", "task_writer", "chunk_reader", "_target", "_args", "_kwargs"))
        return {**self.__dict__, **not_needed}

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # multiprocessing's name
        owner: SlotContext = process_obj.owner
        method: Any = owner.next_method
        standard: Any = get_context(method).Process
        if method == "fork":
            process_obj.inherited = open_descriptors()
            _this_thread.forks = process_obj
            try:
                return standard._Popen(process_obj)
            finally:
                _this_thread.forks = None
        with launching(owner.fork_server if method == "forkserver" else None):
            return standard._Popen(process_obj)

    def start(self) -> None:
        assert self.owner is not None
        try:
            with self.owner.refilling():
                super().start()
        except BaseException:
            close_ends(self)
            raise
        finally:
            self.close_worker_ends()
            self.heartbeats.close_descriptor()
        self.known_pid = self.pid or 0
        self.owner.started(self)

    def abandon(self) -> None:
        """Abandon a process that SIGKILL does not end. The Pool sees an exit code, and replaces the process."""
        self.abandoned = True
        release(self)

    @property
    def exitcode(self) -> int | None:
        if self.abandoned:
            return -signal.SIGKILL
        code = super().exitcode
        popen = self._popen  # type: ignore[attr-defined]  # there is no public way
        if code is None and popen is not None and (reaped := _exit_code_of_reaped(popen)) is not None:
            code = popen.returncode = reaped
        return code

    def is_alive(self) -> bool:
        return super().is_alive() and self.exitcode is None

    def join(self, timeout: float | None = None) -> None:
        """Wait for the process. Only the Pool calls this without `timeout`, before it drops an ended process."""
        if not self.abandoned:
            super().join(timeout)
        self.dropped = self.dropped or timeout is None

    def close(self) -> None:
        with contextlib.suppress(ValueError):
            _ = self.exitcode  # also notices that other code has waited for the process
        super().close()

    def run(self) -> None:
        if self.owner is not None:  # forked: `_disown` has closed the coordinator's ends of all pipes
            self._close_inherited()
        from scanner.backends.worker import serve

        serve()

    def _close_inherited(self) -> None:
        """Close inherited descriptors: a copy in a worker could delay an end of file, or keep a lock."""
        ours = {0, 1, 2, self.task_reader.fileno(), self.chunk_writer.fileno()}
        for descriptor in set(self.inherited) - ours:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def close_coordinator_ends(self) -> None:
        self.task_writer.close()
        self.chunk_reader.close()

    def close_worker_ends(self) -> None:
        self.task_reader.close()
        self.chunk_writer.close()


def _exit_code_of_reaped(popen: Any) -> int | None:
    """Return the exit code of a child, or None while it runs. 255 if other code has waited for it, or SIGCHLD is
    ignored.
    """
    if popen.returncode is not None or not connection.wait([popen.sentinel], 0):
        return None
    try:
        pid, status = os.waitpid(popen.pid, os.WNOHANG)
    except ChildProcessError:
        return 255
    return os.waitstatus_to_exitcode(status) if pid else None


def _before_fork() -> None:
    _fork_lock.acquire()


def _after_fork() -> None:
    _fork_lock.release()


def _disown() -> None:
    """Release workers, pipes and locks in a new fork: they belong to the parent.

    Otherwise both would read the same pipes, and the exit of this process would end the workers of the parent.
    """
    _fork_lock._at_fork_reinit()  # type: ignore[attr-defined]  # threading's own way
    for slot_process in list(_made_here):
        slot_process.close_coordinator_ends()
        if slot_process is getattr(_this_thread, "forks", None):
            continue  # this process itself
        slot_process.close_worker_ends()
        slot_process.heartbeats.close()
        if slot_process.owner is not None:
            slot_process.owner.disown()
        finalizer: Any = getattr(slot_process._popen, "finalizer", None)  # type: ignore[attr-defined]
        if finalizer is not None and finalizer.still_active():
            util.close_fds(*finalizer._args)  # type: ignore[attr-defined]
        release(slot_process)


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_disown)


def open_descriptors() -> list[int]:
    """Return the file descriptors of this process, where /proc lists them."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the descriptor of the listing itself
                os.fstat(int(name))
                found.append(int(name))
    return found


def _widen(descriptor: int) -> None:
    """Enlarge a pipe to hold a whole Chunk, so that the worker walks on while the coordinator is busy."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # over the user's limit of pipe memory: it stays at 64 KiB
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class SlotContext(context.BaseContext):
    """A multiprocessing context whose processes are SlotProcesses.

    `announce` is called with each started process, `refill_failed` with the error that prevents a replacement.
    """

    def __init__(
        self,
        method: str,
        workers: int,
        announce: Callable[[SlotProcess], None],
        refill_failed: Callable[[Exception], None],
    ) -> None:
        self._name = method
        self.made: list[SlotProcess] = []
        self.ended = False  # from then on no process is started
        self._fork_server: Any = None
        self._announce = announce
        self._started = 0
        self._workers = workers
        self.refill_failed = refill_failed

    @property
    def next_method(self) -> str:
        """The start method of the next process: beside the threads of the Pool, never `fork`."""
        if self._name != "fork" or self._started < self._workers:
            return self._name
        return "forkserver" if "forkserver" in get_all_start_methods() else "spawn"

    @property
    def fork_server(self) -> Any:
        """The fork server of this context, created at first use."""
        if self._fork_server is None:
            from multiprocessing import forkserver

            self._fork_server = forkserver.ForkServer()
            self._fork_server.set_forkserver_preload(PRELOAD)
        return self._fork_server

    def Process(self, *args: Any, **kwargs: Any) -> SlotProcess:  # noqa: N802  # multiprocessing's name
        with self.refilling():
            return SlotProcess(self, *args, **kwargs)

    @contextlib.contextmanager
    def refilling(self) -> Iterator[None]:
        """Report errors in the Pool's thread, and end that thread quietly: it replaces no process any more.

        While the Pool is being created its threads do not run yet, and the error is raised to its creator.
        """
        if self.ended:  # the creation of the Pool was interrupted
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

    def forget_dead(self) -> None:
        """Release dead processes that the Pool has dropped.

        No sooner: a process is announced before the Pool lists it, and one that was closed meanwhile would end the
        Pool's thread.
        """
        for slot_process in self.made[:]:
            if slot_process.dropped and not slot_process.abandoned:
                self.made.remove(slot_process)
                slot_process.close()

    def disown(self) -> None:
        """Close the copy of a pipe in a forked process, so that the fork server ends with its parent."""
        server, self._fork_server = self._fork_server, None
        if server is not None and server._forkserver_alive_fd is not None:
            with contextlib.suppress(OSError):
                os.close(server._forkserver_alive_fd)

    def stop(self) -> None:
        """Release the processes, and stop the fork server.

        The fork server would end by itself only when the last copy of a pipe is closed, and a fork of the caller may
        hold one: so it is killed. Its lock is held meanwhile, because another thread that starts a process would
        otherwise find it dead and start a second one.
        """
        self.made.clear()
        server = self._fork_server
        if server is None:
            return
        with server._lock:
            if server._forkserver_pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(server._forkserver_pid, signal.SIGKILL)
            try:
                server._stop_unlocked()
            except ChildProcessError:  # SIGCHLD is ignored, or other code has waited for it
                server._forkserver_pid = None
                with contextlib.suppress(OSError):
                    os.unlink(server._forkserver_address)


def close_ends(slot_process: SlotProcess) -> None:
    """Close the coordinator's ends of the pipes of a process. An idle process then ends."""
    # With a timeout: a fork that never returns must not prevent the end of a scan.
    alone = _fork_lock.acquire(timeout=LOCK_PATIENCE)
    try:
        slot_process.close_coordinator_ends()
    finally:
        if alone:
            _fork_lock.release()
    slot_process.heartbeats.close()


def reap(processes: list[SlotProcess], patience: float) -> list[SlotProcess]:
    """Wait for processes to end, then send SIGTERM, then SIGKILL, each after `patience` seconds in all.

    Returns the processes that SIGKILL did not end (they wait in the kernel for a dead disk or mount).
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
    """End the threads and queues of a Pool whose processes have ended."""
    pool._taskqueue.put(None)  # its thread waits for this, if another has failed
    pool.terminate()
    pool.join()
    close_queues(pool)


def close_queues(pool: Any) -> None:
    for queue in (pool._inqueue, pool._outqueue, pool._change_notifier):
        # Now, not when the last reference to the Pool is dropped: its semaphores are unregistered then, and the
        # resource tracker fails if the garbage collector does that during one of its calls (since 3.13).
        queue.close()
        queue._rlock = queue._wlock = None


def release(slot_process: SlotProcess) -> None:
    """Remove a process that cannot be ended, so that the exit of the interpreter does not wait for it."""
    process._children.discard(slot_process)  # type: ignore[attr-defined]  # there is no public way
    popen = slot_process._popen  # type: ignore[attr-defined]
    if getattr(popen, "finalizer", None) is not None:
        popen.finalizer.cancel()
