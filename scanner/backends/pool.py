"""Tasks run in the worker processes of a `multiprocessing.Pool`.

                        coordinator                                    workers
    planner -> dispatch -> task pipe 1 --------------------------->  serve() in slot 1
                           task pipe 2 --------------------------->  serve() in slot 2
    planner <- events() <- selector <- Inbox 1 <- chunk pipe 1 <---  walk, pack
                                    <- Inbox 2 <- chunk pipe 2 <---  walk, pack
                                    <- wake pipe <- Pool's threads: "a process has started"

The Pool starts the processes and replaces the dead; nothing travels on its queues. Its start takes tens of
milliseconds, so it happens in a thread. With `fork` only the imports do: threads are what endangers a fork, so that
follows in `events`, when the thread has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from scanner.backends import wire
from scanner.backends.watch import Watch, stopped
from scanner.model import BackendEvent, ChunkArrived, Path, SlotLost, SlotStuck, SlotUp, Task
from scanner.mounts import mount_of
from scanner.options import ScanOptions

if TYPE_CHECKING:  # multiprocessing takes 20 ms to import, which the thread does that starts the Pool
    from multiprocessing.pool import Pool

    from scanner.backends.start import SlotContext, SlotProcess

PATIENCE = 0.25  # seconds for workers to end when asked, again after SIGTERM, again after SIGKILL
START_PATIENCE = 30.0  # seconds after which a Pool without a single worker has failed


class Slot:
    """The coordinator's side of one worker process."""

    def __init__(self, slot_process: SlotProcess) -> None:
        self.process = slot_process
        self.inbox = wire.Inbox(slot_process.chunk_reader.fileno())
        self.outbox = wire.Outbox(slot_process.task_writer.fileno())
        self.ready = False  # has said hello
        self.busy = False
        self._sign = (0, 0)  # of life, when it was looked at last
        self._since = 0.0

    def waits(self, now: float) -> float:
        """Seconds for which nothing has been seen to happen while it was busy."""
        sign = (self.process.whereabouts.count, self.inbox.filled)
        if not self.busy or sign != self._sign:
            self._sign, self._since = sign, now
        return now - self._since

    def in_directory(self) -> bool:
        return self.process.whereabouts.count > 0

    def dismiss(self) -> None:
        """Have a living worker end."""
        # Said as well as shown: a process that the caller has forked may hold a copy of the pipe open. Never said to
        # a dead one, which would end us where SIGPIPE has its default action.
        self.outbox.send(wire.QUIT)
        self.close()

    def close(self) -> None:
        from scanner.backends.start import close_ends

        close_ends(self.process)


class PoolBackend:
    """Worker processes for one scan after another. `failure` says why no process could be started, if so."""

    name = "pool"

    def __init__(self, options: ScanOptions) -> None:
        self.start_method: str | None = options.method
        self.workers = options.workers
        self.failure: str | None = None
        self._options = options
        self._slots: dict[int, Slot] = {}
        self._last_slot = 0
        self._stillbirths = 0
        self._no_refill: str | None = None
        self._arrivals: deque[SlotProcess] = deque()
        self._pool: Pool | None = None
        self._stopped = False
        self._home = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._context: SlotContext | None = None
        self._start_deadline = time.monotonic() + START_PATIENCE
        self._fork_next = False
        self._stop_lock = threading.Lock()
        self._started = False  # as far as the thread does it
        self._starter_undoes = False
        self._watch = Watch(options.dir_timeout, self._replace_abandoned)
        self._starter = threading.Thread(target=self._prepare, name="scanner-pool-start", daemon=True)
        self._starter.start()

    def _prepare(self) -> None:
        """Import what is needed, and unless it is to fork, start the Pool."""
        from multiprocessing import pool, process  # noqa: F401  # now rather than in a forking process

        from scanner.backends import start, worker  # noqa: F401

        atexit.register(self.stop)  # runs before multiprocessing's own, which may wait for ever
        if process.current_process().daemon:
            self.failure = "this process is daemonic, and those may have no children"
        elif self._options.method != "fork":
            self._start()
        with self._stop_lock:
            self._started = True
            self._fork_next = self.failure is None and self._options.method == "fork"
            if not self._stopped:
                self.wake()
                return
        if self._starter_undoes:
            self._undo()

    def _start(self) -> None:
        """Start the Pool. Signals are blocked meanwhile, so that workers inherit no handler that may run in them."""
        from multiprocessing.pool import Pool

        from scanner.backends.start import SlotContext, start_resource_tracker

        blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            start_resource_tracker()
            signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # again: starting it has unblocked them
            self._context = SlotContext(self._options.method, self.workers, self._announce, self._refill_failed)
            if not self._stopped:
                self._pool = Pool(self.workers, context=self._context)
        except Exception as error:  # whatever a system without processes, semaphores or memory comes up with
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _refill_failed(self, error: Exception) -> None:
        """No dead worker is replaced any more: when the last is gone, so is the pool."""
        self._no_refill = f"{type(error).__name__}: {error}"
        self.wake()

    def _announce(self, slot_process: SlotProcess) -> None:
        self._arrivals.append(slot_process)
        self.wake()

    def wake(self) -> None:
        """Make `events` return now; from any thread."""
        with contextlib.suppress(OSError):  # full: awake anyway; closed: stopped
            os.write(self._wake_writer, b"!")

    @property
    def ready(self) -> bool:
        """Whether some slot can take a Task."""
        return any(slot.ready for slot in self._slots.values())

    @property
    def idle(self) -> bool:
        """Whether no Task is under way, so that another scan may have these workers."""
        return not self._stopped and self.failure is None and not any(slot.busy for slot in self._slots.values())

    def begin(self, options: ScanOptions) -> list[BackendEvent]:
        """Use the workers for another scan: the slots that are ready for it."""
        self._options = options
        self.refresh()
        return [SlotUp(number) for number, slot in self._slots.items() if slot.ready]

    def refresh(self) -> None:
        """Have the workers begin anew: with the options of now, and without the directories that they hold open."""
        for number in self._slots:
            self._send(number, wire.pack_options(self._options))

    def dispatch(self, slot: int, task: Task) -> None:
        self._slots[slot].busy = True
        self._send(slot, wire.pack_task(task))

    def give_up(self, slot: int) -> None:
        self._send(slot, wire.GIVE_UP)

    def _send(self, number: int, body: bytes) -> None:
        slot = self._slots[number]
        descriptor = slot.process.task_writer.fileno()
        if not slot.outbox.send(body) and descriptor not in self._selector.get_map():
            self._selector.register(descriptor, selectors.EVENT_WRITE, number)

    def _flush(self, number: int) -> None:
        slot = self._slots[number]
        if slot.outbox.flush():
            self._selector.unregister(slot.process.task_writer.fileno())

    def events(self, timeout: float) -> list[BackendEvent]:
        events: list[BackendEvent] = []
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                self._welcome()
            elif key.data not in self._slots:  # lost a moment ago
                continue
            elif mask & selectors.EVENT_WRITE:
                self._flush(key.data)
            else:
                self._collect(key.data, events)
        self._look_after_slots(events)
        if self._fork_next:
            self._fork_next = False
            self._starter.join()
            self._start()
        if not self._slots and self.failure is None:
            self.failure = self._no_refill
        if not self.ready and self.failure is None and time.monotonic() > self._start_deadline:
            self.failure = f"no worker process was ready after {START_PATIENCE:.0f} seconds"
        return events

    def _welcome(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 4096)
        if self._arrivals and self._context is not None and self._pool is not None:
            self._context.forget_dead(self._pool._pool)  # type: ignore[attr-defined]  # whom it still looks after
        while self._arrivals:
            self._last_slot += 1
            slot = self._slots[self._last_slot] = Slot(self._arrivals.popleft())
            self._selector.register(slot.process.chunk_reader.fileno(), selectors.EVENT_READ, self._last_slot)
            self._send(self._last_slot, wire.pack_options(self._options))

    def _collect(self, number: int, events: list[BackendEvent]) -> None:
        slot = self._slots[number]
        try:
            for body in slot.inbox.messages():
                if body.startswith(wire.FAILURE):
                    report_mistake(body[len(wire.FAILURE) :].decode())
                elif body:
                    slot.busy = False
                    events.append(ChunkArrived(number, wire.unpack_chunk(body)))
                else:
                    slot.ready = True
                    self._stillbirths = 0
                    events.append(SlotUp(number))
        except (EOFError, OSError):
            where = self._path(slot)
            self._remove(number)
            if slot.ready:
                events.append(SlotLost(number, where))
            else:
                self._stillborn()

    def _path(self, slot: Slot) -> Path | None:
        """The directory that it reads, or read when it died."""
        path = slot.process.whereabouts.read() if slot.busy else None
        return os.fsdecode(path) if path is not None and isinstance(self._options.roots[0], str) else path

    def _remove(self, number: int) -> None:
        """Forget a slot that is dead or killed."""
        slot = self._slots.pop(number)
        for pipe in (slot.process.chunk_reader, slot.process.task_writer):
            with contextlib.suppress(KeyError):
                self._selector.unregister(pipe.fileno())
        slot.close()
        self._start_deadline = time.monotonic() + START_PATIENCE  # for whoever replaces it

    def _look_after_slots(self, events: list[BackendEvent]) -> None:
        """Give up the slots that wait too long for a directory, and let go of those that cannot be killed."""
        for number in self._watch.late(self._slots):
            slot = self._slots[number]
            path = None if stopped(slot.process) else self._path(slot)
            self._watch.kill(slot.process)
            self._remove(number)
            if path is None:
                events.append(SlotLost(number))
            else:
                events.append(SlotStuck(number, path, mount_of(path, self._options.roots), self._watch.message))

    def _replace_abandoned(self) -> None:
        if self._pool is not None:
            self._pool._change_notifier.put(None)  # type: ignore[attr-defined]  # have the Pool look for the dead

    @property
    def abandoned(self) -> int:
        """How many processes could not be killed."""
        return self._watch.abandoned

    def _stillborn(self) -> None:
        """A worker has died before it was ready. The Pool would go on replacing it for ever."""
        self._stillbirths += 1
        if self._stillbirths >= 2 * self.workers and not self.ready:
            self.failure = f"{self._stillbirths} worker processes died while starting"
            if self._pool is not None:
                self._pool.close()

    def processes(self) -> dict[int, int]:
        return {number: slot.process.pid for number, slot in self._slots.items() if slot.process.pid is not None}

    def stop(self, *, wait: bool = True) -> None:
        """Close the pipes, so that idle workers end at once; make the others end; forget those that cannot.

        A start that is under way is waited for, and then undone; without `wait` its own thread does that, a little
        later: a tree that has ended before it was needed must not be slower for it.
        """
        with self._stop_lock:
            if self._stopped or os.getpid() != self._home:  # a forked copy of us owns none of it
                return
            self._stopped = True
            self._starter_undoes = not (wait or self._started)
            if self._starter_undoes:
                atexit.register(self._starter.join, START_PATIENCE)
                return
        self._starter.join(START_PATIENCE)
        self._undo()

    def _undo(self) -> None:
        atexit.unregister(self.stop)
        if self._context is not None:
            self._end(self._context, self._pool)
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _end(self, context: SlotContext, pool: Pool | None) -> None:
        from scanner.backends.start import close_ends, reap

        if pool is not None:
            pool.close()
            pool._worker_handler.join(PATIENCE)  # type: ignore[attr-defined]  # from here on it replaces nobody
        for number in list(self._slots):
            self._slots.pop(number).dismiss()
        for slot_process in self._arrivals:
            close_ends(slot_process)
        for slot_process in reap([each for each in context.made if not each.abandoned], PATIENCE):
            slot_process.abandon()
        if pool is not None:
            pool._taskqueue.put(None)  # type: ignore[attr-defined]  # its thread waits for this, if another has failed
            pool.terminate()
            pool.join()
            for queue in (pool._inqueue, pool._outqueue, pool._change_notifier):  # type: ignore[attr-defined]
                # Now, not whenever the last reference to the Pool goes: its semaphores are unregistered then, and
                # should the garbage collector do that in a call of the resource tracker, that breaks (since 3.13).
                queue.close()
                queue._rlock = queue._wlock = None
        for slot_process in context.made:
            if not slot_process.abandoned:
                slot_process.close()
        context.stop()


def report_mistake(text: str) -> None:
    """An exception in a worker that nothing has foreseen."""
    import logging

    logging.getLogger("scanner").error("a worker process has failed; its task runs again elsewhere\n%s", text)
