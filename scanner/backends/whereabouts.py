"""Where a worker is: a piece of memory that it shares with the coordinator.

    | count of directories | length of the path | path ... |
      8 bytes                8 bytes

The worker writes before it touches a directory (0.2 us each); the coordinator reads when it has reason to. Whether a
worker gets on shows in the count, so no clock is shared.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

from scanner.model import ENCODING, ERRORS

SIZE = 1 << 16  # bytes: paths that are longer are not told
_HEADER = 16


class Whereabouts:
    """Made by the coordinator, and given to the worker by inheritance or, while it is spawned, by pickling."""

    def __init__(self) -> None:
        self._map(_anonymous_file())

    def _map(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SIZE)
        self._view = memoryview(self._memory)
        self._header = self._view[:_HEADER].cast("Q")
        self._count = 0

    def __getstate__(self) -> dict[str, Any]:
        from multiprocessing.reduction import DupFd

        return {"descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._map(state["descriptor"].detach())

    def at(self, path: str | bytes) -> None:
        """In the worker: `path` comes next."""
        body = path if isinstance(path, bytes) else path.encode(ENCODING, ERRORS)
        header = self._header
        header[1] = 0
        if len(body) <= SIZE - _HEADER:
            self._view[_HEADER : _HEADER + len(body)] = body
        header[1] = len(body)
        self._count += 1
        header[0] = self._count

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
        return bytes(self._view[_HEADER : _HEADER + length]) if 0 < length <= SIZE - _HEADER else None

    def close_descriptor(self) -> None:
        """Once the worker has its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        self.close_descriptor()
        self._header.release()
        self._view.release()
        self._memory.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scanner-whereabouts")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, SIZE)
    return descriptor
