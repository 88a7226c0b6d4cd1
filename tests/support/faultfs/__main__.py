"""The process that serves a file system. By hand: `python -m PACKAGE MOUNTPOINT SPEC.json`, until ^C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

from .channel import Channel
from .mount import mount, unmount
from .server import Server


def serve() -> None:
    """For a test, which is at the other end of standard input and sends the specification first."""
    channel = Channel(socket.socket(fileno=0))
    spec = channel.receive()
    if spec is None:
        return
    try:
        server = Server(spec)
        fd = mount(sys.argv[1])
    except Exception as error:
        channel.send({"error": f"{type(error).__name__}: {error}"})
        return
    _serve(server, fd, channel)


def serve_by_hand() -> None:
    server = Server(json.loads(Path(sys.argv[2]).read_text()))
    _serve(server, mount(os.path.abspath(sys.argv[1])))


def _serve(server: Server, fd: int, channel: Channel | None = None) -> None:
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit())
    try:
        if channel is not None:
            channel.send({"answer": None})
        with contextlib.suppress(KeyboardInterrupt):
            server.serve(fd, channel)
    finally:
        server.release("ENOTCONN")
        unmount(sys.argv[1])
        os.close(fd)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    serve_by_hand()
