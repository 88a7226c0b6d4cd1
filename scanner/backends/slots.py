"""Worker processes and their threads, the slots, as the coordinator sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.backends import wire
from scanner.backends.heartbeat import MOST_THREADS
from scanner.backends.serial import FIRST_POOL_SLOT

if TYPE_CHECKING:
    from scanner.backends.start import SlotProcess


class Slot:
    """One thread of a worker."""

    def __init__(self, worker: Worker, thread: int) -> None:
        self.worker = worker
        self.thread = thread
        self.number = slot_number(worker.number, thread)
        self.process = worker.process
        self.busy = False
        self._heartbeat = worker.process.heartbeats.of(thread)
        self._sign = 0  # of progress, at the last check
        self._since = 0.0

    def waits(self, now: float) -> float:
        """Return the seconds since the last sign of progress while it was busy."""
        # Outside of a directory, it waits to send its Chunk.
        sign = self._heartbeat.count or -self.worker.inbox.filled
        if not self.busy or sign != self._sign:
            self._sign, self._since = sign, now
        return now - self._since

    def in_directory(self) -> bool:
        return self._heartbeat.count > 0

    def path(self) -> bytes | None:
        """Return the directory that it reads, or read when it died."""
        return self._heartbeat.read() if self.busy else None


class Worker:
    """One worker process."""

    def __init__(self, number: int, slot_process: SlotProcess) -> None:
        self.number = number
        self.process = slot_process
        self.pid = slot_process.known_pid
        self.inbox = wire.Inbox(slot_process.chunk_reader.fileno())
        self.outbox = wire.Outbox(slot_process.task_writer.fileno())
        self.ready = False  # whether its first message has arrived
        self.is_condemned = False  # one of its threads is stuck: no more Tasks, and an end once it is idle
        self.slots: dict[int, Slot] = {}  # by thread

    def add_slot(self) -> Slot:
        thread = len(self.slots)
        slot = self.slots[thread] = Slot(self, thread)
        return slot

    @property
    def may_grow(self) -> bool:
        """Whether it can get another slot now: a worker with a single slot reads no message during a Task."""
        return len(self.slots) != 1 or not self.busy

    @property
    def busy(self) -> bool:
        return any(slot.busy for slot in self.slots.values())

    def dismiss(self) -> None:
        """End a living worker."""
        # A message besides the closed pipe, because a process forked by the caller may hold a copy of the pipe open.
        # Never to a worker known to be dead: where SIGPIPE has its default action, that would end this process.
        self.outbox.send(wire.QUIT)
        self.close()

    def close(self) -> None:
        from scanner.backends.start import close_ends

        close_ends(self.process)
        self.slots.clear()  # reference cycles


def slot_number(worker: int, thread: int) -> int:
    return FIRST_POOL_SLOT + worker * MOST_THREADS + thread
