"""An SFTP server behind a long wire: `sshfs -o directport=PORT` speaks to it without ssh.

    python -m benchmarks.real.delayed_sftp ONE_WAY_MS

Prints its port. Each direction of each connection is late by so many milliseconds, like a long wire and not like a
slow server: what is on the way at the same time is late at the same time.

    client -> reader -> queue of (when due, bytes) -> writer -> sftp-server
    client <- writer <- queue of (when due, bytes) <- reader <- sftp-server
"""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
import time
from collections import deque

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
PIECE = 1 << 18
TOGETHER = 1e-4  # seconds: what is due within so long is sent at once, or this program would be what is measured


def pump(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Carry all bytes from one to the other, each late by `delay` seconds."""
    arrived: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def read() -> None:
        piece = b"?"
        while piece:
            piece = source.recv(PIECE)
            arrived.put((time.monotonic() + delay, piece))

    threading.Thread(target=read, daemon=True).start()
    on_the_way: deque[tuple[float, bytes]] = deque()
    while True:
        while not on_the_way or not arrived.empty():
            on_the_way.append(arrived.get())
        time.sleep(max(0.0, on_the_way[0][0] - time.monotonic()))
        now, due = time.monotonic() + TOGETHER, []
        while on_the_way and on_the_way[0][0] <= now:
            due.append(on_the_way.popleft()[1])
        target.sendall(b"".join(due))
        if not due[-1]:
            target.shutdown(socket.SHUT_WR)
            return


def serve(client: socket.socket, delay: float) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours, theirs = socket.socketpair()
    with subprocess.Popen([SFTP_SERVER], stdin=theirs, stdout=theirs):
        theirs.close()
        threading.Thread(target=pump, args=(client, ours, delay), daemon=True).start()
        pump(ours, client, delay)


def main() -> None:
    delay = float(sys.argv[1]) / 1e3
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, delay), daemon=True).start()


if __name__ == "__main__":
    main()
