"""The coordinator's side of worker processes, and of their threads: the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.backends import wire
from scanner.backends.serial import FIRST_POOL_SLOT
from scanner.backends.whereabouts import MOST_THREADS

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
        self._place = worker.process.whereabouts.of(thread)
        self._sign = 0  # of life, when it was looked at last
        self._since = 0.0

    def waits(self, now: float) -> float:
        """Seconds for which nothing has been seen to happen while it was busy."""
        # Outside of a directory, it waits for its turn to send.
        sign = self._place.count or -self.worker.inbox.filled
        if not self.busy or sign != self._sign:
            self._sign, self._since = sign, now
        return now - self._since

    def in_directory(self) -> bool:
        return self._place.count > 0

    def path(self) -> bytes | None:
        """The directory that it reads, or read when it died."""
        return self._place.read() if self.busy else None


class Worker:
    """One worker process."""

    def __init__(self, number: int, slot_process: SlotProcess) -> None:
        self.number = number
        self.process = slot_process
        self.pid = slot_process.known_pid
        self.inbox = wire.Inbox(slot_process.chunk_reader.fileno())
        self.outbox = wire.Outbox(slot_process.task_writer.fileno())
        self.ready = False  # has said hello
        self.is_condemned = False  # one of its threads is stuck: no more Tasks, and an end once the others are idle
        self.slots: dict[int, Slot] = {}  # by thread

    def add_slot(self) -> Slot:
        thread = len(self.slots)
        slot = self.slots[thread] = Slot(self, thread)
        return slot

    @property
    def may_grow(self) -> bool:
        """Whether it can have another slot now: one that is alone listens to nothing new before its Task is done."""
        return len(self.slots) != 1 or not self.busy

    @property
    def busy(self) -> bool:
        return any(slot.busy for slot in self.slots.values())

    def dismiss(self) -> None:
        """Have a living worker end."""
        # Said as well as shown: a process that the caller has forked may hold a copy of the pipe open. Not said to
        # one that is known to be dead: that would end us where SIGPIPE has its default action.
        self.outbox.send(wire.QUIT)
        self.close()

    def close(self) -> None:
        from scanner.backends.start import close_ends

        close_ends(self.process)
        self.slots.clear()  # which lead back here


def slot_number(worker: int, thread: int) -> int:
    return FIRST_POOL_SLOT + worker * MOST_THREADS + thread
