"""Where a worker is: a piece of memory that it shares with the coordinator, with a place for each of its threads.

    | count of directories | length of the path | path ... |   thread 0
      8 bytes                8 bytes
    | count of directories | length of the path | path ... |   thread 1

A thread writes before it touches a directory (0.4 us each); the coordinator reads when it has reason to. Whether a
thread gets on shows in the count, so no clock is shared. Of a place that is never used no memory is taken.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

from scanner.model import ENCODING, ERRORS

MOST_THREADS = 256
SIZE = 1 << 14  # bytes of a place, as in _run.c: paths that are longer are not told
_HEADER = 16


class Place:
    """Where one thread is."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._header = view[:_HEADER].cast("Q")

    def at(self, path: str | bytes) -> None:
        """In the worker: `path` comes next."""
        body = path if isinstance(path, bytes) else path.encode(ENCODING, ERRORS)
        header = self._header
        header[1] = 0
        if len(body) <= SIZE - _HEADER:
            self.view[_HEADER : _HEADER + len(body)] = body
        header[1] = len(body)
        header[0] += 1

    def nowhere(self) -> None:
        """In the worker: no directory is being read."""
        self._header[1] = 0

    @property
    def count(self) -> int:
        """Changes with each directory; 0 while none is being read."""
        return self._header[0] if self._header[1] else 0

    def read(self) -> bytes | None:
        """The directory that is being read, or was when the worker ended; None if there is none, or it is too long."""
        length = self._header[1]
        return bytes(self.view[_HEADER : _HEADER + length]) if 0 < length <= SIZE - _HEADER else None

    def close(self) -> None:
        self._header.release()
        self.view.release()


class Whereabouts:
    """Made by the coordinator, and given to the worker by inheritance or, while it is spawned, by pickling."""

    def __init__(self) -> None:
        self._map(_anonymous_file())

    def _map(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, MOST_THREADS * SIZE)
        self._view = memoryview(self._memory)
        self._places: dict[int, Place] = {}

    def __getstate__(self) -> dict[str, Any]:
        from multiprocessing.reduction import DupFd

        return {"descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._map(state["descriptor"].detach())

    def of(self, thread: int) -> Place:
        """The place of a thread, whose number is below MOST_THREADS."""
        if thread not in self._places:
            self._places[thread] = Place(self._view[thread * SIZE : (thread + 1) * SIZE])
        return self._places[thread]

    def close_descriptor(self) -> None:
        """Once the worker has its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        self.close_descriptor()
        while self._places:
            self._places.popitem()[1].close()
        self._view.release()
        self._memory.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scanner-whereabouts")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, MOST_THREADS * SIZE)
    return descriptor
