"""The slots of one scan in a process that is not ours: on another machine, started by a cluster.

Nobody outside can see which directory a thread reads, or kill this process. So it watches itself: late directories by
its own clock, and roots that are not mounted any more. It knows frames of bytes, and not how they travel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from scanner.backends import wire
from scanner.backends.crew import Crew
from scanner.backends.heartbeat import Heartbeats
from scanner.backends.sight import DeviceNumbers, Guard, Sight, look
from scanner.model import Chunk
from scanner.mounts import mount_of
from scanner.options import ScanOptions

LONGEST_GAP = 2.0  # seconds between two looks that count: the rest was a pause of this process
Late: TypeAlias = tuple[int, bytes, bytes]
"""A thread, its directory, and the mount of that directory."""


class ForeignCrew:
    """Threads that walk. They call `up` with the frame of each Chunk, `lost` with the reason why this process must not
    go on, and `mistake` with the number of a thread and its unexpected exception.
    """

    def __init__(
        self,
        options: ScanOptions,
        up: Callable[[bytes], object],
        lost: Callable[[str], object],
        mistake: Callable[[int, BaseException], object],
    ) -> None:
        self._options, self._up, self._lost, self._mistake = options, up, lost, mistake
        self._guard = Guard(options.roots)
        self._heartbeats = Heartbeats()
        self._heartbeats.close_descriptor()
        self._stuck: set[int] = set()
        self._since: dict[int, tuple[int, float]] = {}  # by thread: count of directories, and when it was seen first
        self._clock, self._last = 0.0, time.monotonic()
        self._crew: Crew | None = None
        self._used: set[int] = set()

    def look(self) -> Sight:
        """Return what this process sees of the roots. It may hang with them."""
        self._own = look(self._options.roots)
        return self._own

    def begin(self, worker: int, reference: Mapping[bytes, int]) -> None:
        """Begin as the worker of that number. `reference`: device numbers by path, for results."""
        canonical = DeviceNumbers(self._options.roots, self._own, reference)
        options = self._options._replace(canonical=canonical)
        self._crew = Crew(options, worker, self._heartbeats.of, self._deliver)

    def take(self, frame: bytes) -> None:
        """Handle a Task, or the request for the rest of one. Raises RuntimeError if the system has no more threads."""
        message = wire.unpack(frame)
        assert self._crew is not None
        assert isinstance(message, wire.ThreadTask)
        if message.thread in self._stuck:
            return
        if message.task is None:
            self._crew.reclaim(message.thread)
        else:
            self._used.add(message.thread)
            self._crew.walk(message.thread, message.task)

    def _deliver(self, thread: int, chunk: Chunk | BaseException) -> None:
        if isinstance(chunk, BaseException):
            self._heartbeats.of(thread).nowhere()
            self._mistake(thread, chunk)
            return
        loss = self._guard.loss(chunk)  # still in the directory, as far as the clock is concerned: this may hang
        if thread in self._stuck:  # it has answered after all
            return
        self._heartbeats.of(thread).nowhere()
        if loss is not None:
            self._lost(f"{loss} is not mounted any more")
        else:
            self._up(b"".join(wire.pack_chunk(thread, chunk)))

    def late(self) -> Iterator[Late]:
        """Yield the threads that wait too long for a directory, each once. They get no more Tasks."""
        now = time.monotonic()
        self._clock += min(now - self._last, LONGEST_GAP)
        self._last = now
        for thread in sorted(self._used):
            heartbeat = self._heartbeats.of(thread)
            count, path = heartbeat.count, heartbeat.read()
            if not count or self._since.get(thread, (0, 0.0))[0] != count:
                self._since[thread] = count, self._clock
            elif self._is_late(self._clock - self._since[thread][1]) and path is not None:
                yield self._give_up(thread, path)

    def _is_late(self, seconds: float) -> bool:
        return self._options.dir_timeout is not None and seconds >= self._options.dir_timeout

    def _give_up(self, thread: int, path: bytes) -> Late:
        assert self._crew is not None
        self._stuck.add(thread)
        self._used.discard(thread)
        self._crew.abandon(thread)
        roots = [os.fsencode(root) for root in self._options.roots]
        return thread, path, mount_of(path, roots)

    def dismiss(self) -> None:
        """Make all threads end after the directory that they read."""
        if self._crew is not None:
            self._crew.dismiss()
        self._guard.close()


def described(error: BaseException) -> str:
    """Return the text of an unexpected exception, with its traceback."""
    import traceback  # not needed otherwise

    return "".join(traceback.format_exception(error))
