"""An SFTP server behind a long wire: `sshfs -o directport=PORT` speaks to it without ssh.

    python -m benchmarks.real.delayed_sftp ONE_WAY_MS

Prints its port and serves one connection. Bytes arrive ONE_WAY_MS late in each direction, as on a long wire: concurrent
requests are delayed concurrently, not one after the other as by a slow server.

    client -> queue of (when due, bytes) -> sftp-server
    client <- queue of (when due, bytes) <- sftp-server

One thread serves both directions: a reader and a writer each took a fifth of the processors from the measured program.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections import deque

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
PIECE = 1 << 18

OnTheWay = deque[tuple[float, bytes]]


def take_due(on_the_way: OnTheWay) -> bytes:
    """Remove and return the bytes that are due."""
    now, due = time.monotonic(), []
    while on_the_way and on_the_way[0][0] <= now:
        due.append(on_the_way.popleft()[1])
    return b"".join(due)


def carry(client: socket.socket, server: socket.socket, delay: float) -> None:
    """Forward bytes in both directions, `delay` seconds late, until one side closes."""
    ways: dict[socket.socket, OnTheWay] = {client: deque(), server: deque()}
    while True:
        first_due = min((way[0][0] for way in ways.values() if way), default=None)
        wait = None if first_due is None else max(0.0, first_due - time.monotonic())
        # Not poll or epoll: their timeouts are whole milliseconds.
        for source in select.select(list(ways), [], [], wait)[0]:
            piece = source.recv(PIECE)
            if not piece:
                return
            ways[source].append((time.monotonic() + delay, piece))
        server.sendall(take_due(ways[client]))
        client.sendall(take_due(ways[server]))


def main() -> None:
    delay = float(sys.argv[1]) / 1e3
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours, theirs = socket.socketpair()
    with subprocess.Popen([SFTP_SERVER], stdin=theirs, stdout=theirs):
        theirs.close()
        with ours, contextlib.suppress(ConnectionResetError):
            carry(client, ours, delay)


if __name__ == "__main__":
    main()
