"""Tasks run in the worker processes of a `multiprocessing.Pool`.

                        coordinator                                    workers
    planner -> dispatch -> task pipe 1 --------------------------->  serve() in worker 1, which has a slot or many
                           task pipe 2 --------------------------->  serve() in worker 2
    planner <- events() <- selector <- Inbox 1 <- chunk pipe 1 <---  walk, pack
                                    <- Inbox 2 <- chunk pipe 2 <---  walk, pack
                                    <- wake pipe <- Pool's threads: "a process has started"

The Pool starts the processes and replaces dead ones (see `processes`). Its queues are not used.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time

from scanner.backends import wire
from scanner.backends.base import Backend
from scanner.backends.heartbeat import MOST_THREADS
from scanner.backends.processes import START_PATIENCE, Processes
from scanner.backends.slots import Slot, Worker
from scanner.backends.watch import Watch, stopped
from scanner.model import BackendEvent, ChunkArrived, Path, SlotDown, SlotLost, SlotStuck, SlotUp, Task
from scanner.mounts import mount_of
from scanner.options import ScanOptions


class PoolBackend(Backend):
    """Worker processes, for one scan after another."""

    name = "pool"

    def __init__(self, options: ScanOptions) -> None:
        self.workers = options.workers
        self._options = options
        self._workers: dict[int, Worker] = {}
        self._slots: dict[int, Slot] = {}
        self._last_worker = 0
        self._threads = 1  # of each worker
        self._stillbirths = 0
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._start_deadline = time.monotonic() + START_PATIENCE
        self._watch = Watch(options.dir_timeout)
        self._processes = Processes(options, self)

    @property
    def start_method(self) -> str:
        return self._processes.start_method

    @property
    def failure(self) -> str | None:
        return self._processes.failure

    @property
    def is_ours(self) -> bool:
        """Whether this process has started it, and is not a forked copy."""
        return self._processes.are_ours

    def wake(self) -> None:
        """Make `events` return now. Called from any thread."""
        with contextlib.suppress(OSError):  # full: awake anyway; closed: stopped
            os.write(self._wake_writer, b"!")

    @property
    def ready(self) -> bool:
        """Whether any slot can take a Task."""
        return bool(self._slots)

    @property
    def idle(self) -> bool:
        """Whether no Task is running, so that another scan may use these workers."""
        if self._processes.stopped or self.failure is not None:
            return False
        return not any(slot.busy for slot in self._slots.values())

    @property
    def concurrency(self) -> int:
        return self.workers

    def detach(self) -> PoolBackend | None:
        if not self.idle:
            return None
        self.refresh()
        return self

    def begin(self, options: ScanOptions) -> list[BackendEvent]:
        """Use the workers for another scan. Returns `SlotUp` for the slots that are ready."""
        self._options = options
        self._threads = 1  # as for the first scan: this one need not be slow as well
        for worker in self._workers.values():
            while len(worker.slots) > 1:
                del self._slots[worker.slots.popitem()[1].number]
        self.refresh()
        return [
            SlotUp(slot.number, slot.worker.number) for slot in self._slots.values() if not slot.worker.is_condemned
        ]

    def refresh(self) -> None:
        """Send the current options to the workers, which also close the directories that they hold open."""
        for worker in self._workers.values():
            self._send(worker, wire.pack_options(worker.number, self._options))
            if len(worker.slots) > 1:
                self._send(worker, wire.CREW)

    def grow(self, slots: int) -> list[BackendEvent]:
        self._threads = min(MOST_THREADS, max(self._threads, -(-slots // self.workers)))
        return self._fill_up()

    def _fill_up(self) -> list[BackendEvent]:
        """Add the missing slots, to all workers in turn. Workers that cannot get slots now leave them to the others."""
        news: list[BackendEvent] = []
        ready = [worker for worker in self._workers.values() if worker.ready and not worker.is_condemned]
        able = [worker for worker in ready if worker.may_grow]
        wanted = self._threads * len(ready) - (len(ready) - len(able))
        share = min(MOST_THREADS, -(-wanted // len(able))) if able else 0
        while missing := [worker for worker in able if len(worker.slots) < share]:
            for worker in missing:
                if len(worker.slots) == 1:
                    self._send(worker, wire.CREW)
                slot = worker.add_slot()
                self._slots[slot.number] = slot
                news.append(SlotUp(slot.number, worker.number))
        return news

    def dispatch(self, slot: int, task: Task) -> None:
        place = self._slots[slot]
        place.busy = True
        self._send(place.worker, wire.pack_task(place.thread, task))

    def reclaim(self, slot: int) -> None:
        place = self._slots[slot]
        self._send(place.worker, wire.pack_reclaim(place.thread))

    def _send(self, worker: Worker, body: bytes) -> None:
        descriptor = worker.process.task_writer.fileno()
        if not worker.outbox.send(body) and descriptor not in self._selector.get_map():
            self._selector.register(descriptor, selectors.EVENT_WRITE, worker)

    def _flush(self, worker: Worker) -> None:
        if worker.outbox.flush():
            self._selector.unregister(worker.process.task_writer.fileno())

    def events(self, timeout: float) -> list[BackendEvent]:
        events: list[BackendEvent] = []
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                self._welcome()
            elif key.data.number not in self._workers:  # lost a moment ago
                continue
            elif mask & selectors.EVENT_WRITE:
                self._flush(key.data)
            else:
                self._collect(key.data, events)
        self._look_after_slots(events)
        self._look_after_dead(events)
        self._processes.attend()
        if not self._workers and self.failure is None:
            self._processes.failure = self._processes.no_refill
        if not self.ready and self.failure is None and time.monotonic() > self._start_deadline:
            self._processes.failure = f"no worker process was ready after {START_PATIENCE:.0f} seconds"
        return events

    def _welcome(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 4096)
        for slot_process in self._processes.arrived():
            self._last_worker += 1
            worker = self._workers[self._last_worker] = Worker(self._last_worker, slot_process)
            self._selector.register(worker.process.chunk_reader.fileno(), selectors.EVENT_READ, worker)
            self._send(worker, wire.pack_options(worker.number, self._options))

    def _collect(self, worker: Worker, events: list[BackendEvent]) -> bool:
        """Read the messages of a worker. Returns whether there were any."""
        try:
            messages = worker.inbox.messages()
            for body in messages:
                if body.startswith(wire.FAILURE):
                    report_mistake(body[len(wire.FAILURE) :].decode())
                elif body:
                    self._take_chunk(worker, body, events)
                else:
                    worker.ready = True
                    self._stillbirths = 0
                    events += self._fill_up()
        except (EOFError, OSError):
            self._lose(worker, events)
            return False
        return bool(messages)

    def _lose(self, worker: Worker, events: list[BackendEvent]) -> None:
        events += self._remove(worker)
        if not worker.ready:
            self._stillborn()

    def _look_after_dead(self, events: list[BackendEvent]) -> None:
        """Remove workers that the Pool has dropped: a forked copy of the pipe may hide the end of file."""
        for worker in [worker for worker in self._workers.values() if worker.process.dropped]:
            while self._collect(worker, events):
                pass
            if worker.number in self._workers:
                self._lose(worker, events)

    def _take_chunk(self, worker: Worker, body: bytearray, events: list[BackendEvent]) -> None:
        thread, chunk = wire.unpack_chunk(body)
        slot = worker.slots.get(thread)
        if slot is None:  # the slot was stuck and removed, and has answered after all
            return
        slot.busy = False
        events.append(ChunkArrived(slot.number, chunk))
        if len(worker.slots) < self._threads:
            events += self._fill_up()
        if worker.is_condemned and not worker.busy:
            self._end_worker(worker, events)

    def _path(self, slot: Slot) -> Path | None:
        """Return the directory that the slot reads, or read when it died."""
        path = slot.path()
        return os.fsdecode(path) if path is not None and isinstance(self._options.roots[0], str) else path

    def _remove(self, worker: Worker) -> list[BackendEvent]:
        """Remove a worker that is dead or killed. Returns its lost slots."""
        del self._workers[worker.number]
        lost = [SlotLost(slot.number, self._path(slot)) for slot in worker.slots.values()]
        for slot in worker.slots.values():
            del self._slots[slot.number]
        for pipe in (worker.process.chunk_reader, worker.process.task_writer):
            with contextlib.suppress(KeyError):
                self._selector.unregister(pipe.fileno())
        worker.close()
        self._start_deadline = time.monotonic() + START_PATIENCE  # for its replacement
        return [*lost]

    def _look_after_slots(self, events: list[BackendEvent]) -> None:
        """Remove slots that wait too long for a directory, and abandon workers that cannot be killed."""
        abandoned = self._watch.abandoned
        late = self._watch.late(self._slots)
        if self._watch.abandoned > abandoned:
            self._processes.replace_abandoned()
        for number in late:
            slot = self._slots.get(number)
            if slot is None:  # its worker was ended a moment ago
                continue
            path = None if stopped(slot.process) else self._path(slot)
            if path is None:
                self._end_worker(slot.worker, events)
            else:
                self._abandon_slot(slot, path, events)

    def _abandon_slot(self, slot: Slot, path: Path, events: list[BackendEvent]) -> None:
        """Remove a stuck slot. Its thread cannot be killed, so the worker is, once its other slots are idle."""
        worker = slot.worker
        events.append(SlotStuck(slot.number, path, mount_of(path, self._options.roots), self._watch.message))
        worker.is_condemned = True
        del self._slots[slot.number], worker.slots[slot.thread]
        events += [SlotDown(other.number) for other in worker.slots.values()]
        for other in worker.slots.values():
            if other.busy:
                self.reclaim(other.number)
        if not worker.busy:
            self._end_worker(worker, events)

    def _end_worker(self, worker: Worker, events: list[BackendEvent]) -> None:
        self._watch.kill(worker.process)
        events += self._remove(worker)

    @property
    def abandoned(self) -> int:
        """Number of processes that could not be killed."""
        return self._watch.abandoned

    def _stillborn(self) -> None:
        """Count a worker that died before it was ready. The Pool would replace such workers forever."""
        self._stillbirths += 1
        if self._stillbirths >= 2 * self.workers and not self.ready:
            self._processes.stop_refilling(f"{self._stillbirths} worker processes died while starting")

    def processes(self) -> dict[int, int]:
        return {number: worker.pid for number, worker in self._workers.items()}

    def longest_wait(self) -> tuple[float, Path | None]:
        waits = [(self._watch.waits(slot), slot) for slot in self._slots.values() if slot.busy and slot.in_directory()]
        seconds, slot = max(waits, key=lambda each: each[0], default=(0.0, None))
        return (seconds, self._path(slot)) if slot is not None else (0.0, None)

    def stop(self, *, wait: bool = True) -> None:
        """End idle workers by closing their pipes, kill the others, and abandon those that cannot be killed.

        A start in progress is awaited and then undone. Without `wait` its own thread does that later, so that a scan
        that ends before the start is not delayed.
        """
        self._processes.stop(wait=wait)

    def dismiss(self) -> None:
        """Make all workers end. Idle ones end at once."""
        while self._workers:
            self._workers.popitem()[1].dismiss()
        self._slots.clear()

    def close(self) -> None:
        """Close the file descriptors of this process, except for the pipes of workers."""
        self._workers.clear()
        self._slots.clear()
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)


def report_mistake(text: str) -> None:
    """Log an unexpected exception in a worker."""
    import logging

    logging.getLogger("scanner").error("a worker process has failed; its task runs again elsewhere\n%s", text)
