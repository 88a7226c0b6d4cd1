"""The current directory of each thread of a worker, in memory that the worker shares with the coordinator.

    | count of directories | length of the path | path ... |   thread 0
      8 bytes                8 bytes
    | count of directories | length of the path | path ... |   thread 1

A thread writes before it opens a directory (0.4 us each). The coordinator reads when necessary. A changed count shows
progress, so no clock is shared. Unused parts occupy no memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

from scanner.encoding import ENCODING, ERRORS
from scanner.kernel.native import PLACE_HEADER as _HEADER

MOST_THREADS = 256
SIZE = 1 << 14  # bytes for each thread, as in the compiled walker; longer paths are not written


class Heartbeat:
    """The current directory of one thread, and a count of directories."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._header = view[:_HEADER].cast("Q")

    def at(self, path: str | bytes) -> None:
        """Write that `path` is read next. Called in the worker."""
        body = path if isinstance(path, bytes) else path.encode(ENCODING, ERRORS)
        header = self._header
        header[1] = 0
        if len(body) <= SIZE - _HEADER:
            self.view[_HEADER : _HEADER + len(body)] = body
        header[1] = len(body)
        header[0] += 1

    def nowhere(self) -> None:
        """Write that no directory is being read. Called in the worker."""
        self._header[1] = 0

    @property
    def count(self) -> int:
        """Changes with each directory; 0 while none is being read."""
        return self._header[0] if self._header[1] else 0

    def read(self) -> bytes | None:
        """Return the directory that is being read, or was when the worker ended; None: none, or too long a path."""
        length = self._header[1]
        return bytes(self.view[_HEADER : _HEADER + length]) if 0 < length <= SIZE - _HEADER else None

    def close(self) -> None:
        self._header.release()
        self.view.release()


class Heartbeats:
    """The heartbeats of all threads of a worker. Inherited by a forked worker, pickled for a spawned one."""

    def __init__(self) -> None:
        self._map(_anonymous_file())

    def _map(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, MOST_THREADS * SIZE)
        self._view = memoryview(self._memory)
        self._each: dict[int, Heartbeat] = {}

    def __getstate__(self) -> dict[str, Any]:
        from multiprocessing.reduction import DupFd

        return {"descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._map(state["descriptor"].detach())

    def of(self, thread: int) -> Heartbeat:
        """Return the heartbeat of a thread, whose number is below MOST_THREADS."""
        if thread not in self._each:
            self._each[thread] = Heartbeat(self._view[thread * SIZE : (thread + 1) * SIZE])
        return self._each[thread]

    def close_descriptor(self) -> None:
        """Close the file descriptor, once the worker has its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        self.close_descriptor()
        while self._each:
            self._each.popitem()[1].close()
        self._view.release()
        self._memory.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scanner-heartbeats")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, MOST_THREADS * SIZE)
    return descriptor
