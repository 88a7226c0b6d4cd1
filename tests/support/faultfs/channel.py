"""Messages between a test and the process that serves its file system: one line of JSON each."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

SECONDS = 10.0  # for one message, there or back


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        self._socket.settimeout(SECONDS)
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """The next message, of which only one is ever under way; None when the other end is gone."""
        deadline = time.monotonic() + SECONDS
        pieces: list[bytes] = []
        while not pieces or not pieces[-1].endswith(b"\n"):
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            pieces.append(self._socket.recv(1 << 16))
            if not pieces[-1]:
                return None
        message: dict[str, Any] = json.loads(b"".join(pieces))
        return message

    def close(self) -> None:
        """The other end notices, even if a forked process has inherited this one."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
