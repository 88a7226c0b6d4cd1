"""Messages between coordinator and worker: a length, then that many bytes.

        coordinator                                    worker (a slot for each of its threads)
    --------------- options, crew, Task, reclaim, quit ------------------>  blocks until a message arrives
      Outbox: writes as much as the pipe takes, never blocks
    <------------------ hello (empty), Chunk, failure --------------------  blocks until the pipe takes it
      Inbox: reads as much as has arrived, never blocks

Each worker has two pipes of its own: its death damages no other, and shows as the end of file.
"""

from __future__ import annotations

import marshal
import os
import pickle
import struct
from typing import NamedTuple

from scanner.codec import Piece, chunk_pieces
from scanner.model import Chunk, Task
from scanner.options import ScanOptions

_LENGTH = struct.Struct("<Q")
OPTIONS, CREW, TASK, RECLAIM, QUIT = b"O", b"C", b"T", b"G", b"Q"
FAILURE = b"\xff" * _LENGTH.size  # in the place of the thread number of a Chunk
MOST_PIECES = 512  # for one `writev`: POSIX systems take 1,024


def frame(body: bytes) -> bytes:
    """Return `body` with its length in front."""
    return _LENGTH.pack(len(body)) + body


def send(descriptor: int, *pieces: Piece) -> None:
    """Write one message, in pieces that are not copied; blocks until it is written.

    Raises OSError when the other end is closed.
    """
    left = [memoryview(piece) for piece in (_LENGTH.pack(sum(map(len, pieces))), *pieces) if piece]
    while left:
        written = os.writev(descriptor, left[:MOST_PIECES])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]


def receive(descriptor: int) -> bytes:
    """Read one message; blocks until it is complete. Raises EOFError for QUIT, and when the other end is closed."""
    (length,) = _LENGTH.unpack(_read_exactly(descriptor, _LENGTH.size))
    body = _read_exactly(descriptor, length)
    if body == QUIT:
        raise EOFError
    return body


def _read_exactly(descriptor: int, count: int) -> bytes:
    body = b""
    while len(body) < count:
        piece = os.read(descriptor, count - len(body))
        if not piece:
            raise EOFError
        body += piece
    return body


class Outbox:
    """Sends messages to a descriptor without blocking, even if the receiver stalls or is dead."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._waiting = bytearray()

    def send(self, body: bytes) -> bool:
        """Send one message after the waiting ones. Returns whether all are sent; if not, call `flush` later."""
        self._waiting += frame(body)
        return self.flush()

    def flush(self) -> bool:
        """Send waiting messages as far as possible. Returns whether all are sent."""
        while self._waiting:
            try:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
            except BlockingIOError:
                return False
            except OSError:  # dead: the end of file on the other pipe follows
                self._waiting.clear()
        return True


class Inbox:
    """Receives messages from a descriptor without blocking, even if the sender stalls within a message."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._body = bytearray(_LENGTH.size)
        self._filled = 0
        self._in_header = True

    @property
    def filled(self) -> int:
        """Bytes received of the incomplete message."""
        return self._filled

    def messages(self) -> list[bytearray]:
        """Return the next complete message, if any. Raises EOFError at the end, after the last message."""
        complete: list[bytearray] = []
        while self._fill():
            body, self._filled = self._body, 0
            if self._in_header:
                (length,) = _LENGTH.unpack(body)
                self._body = bytearray(length)
            else:
                complete.append(body)
                self._body = bytearray(_LENGTH.size)
            self._in_header = not self._in_header
            if complete:
                break  # one Chunk at a time bounds the memory here
        return complete

    def _fill(self) -> bool:
        """Read until the current piece is complete (True), or no more bytes are available (False)."""
        while self._filled < len(self._body):
            try:
                count = os.readv(self._descriptor, [memoryview(self._body)[self._filled :]])
            except BlockingIOError:
                return False
            if not count:
                raise EOFError
            self._filled += count
        return True


def pack_options(worker: int, options: ScanOptions) -> bytes:
    """Return the message that begins a scan in the worker of that number."""
    return OPTIONS + pickle.dumps((worker, options))


def pack_task(thread: int, task: Task) -> bytes:
    return TASK + marshal.dumps((thread, *task))


def pack_reclaim(thread: int) -> bytes:
    return RECLAIM + marshal.dumps((thread,))


class ScanBegins(NamedTuple):
    """Message to a worker: its number, and the options of the next scan."""

    worker: int
    options: ScanOptions


class ThreadTask(NamedTuple):
    """Message to a thread of a worker: its next Task. None: return the leftovers of the running one."""

    thread: int
    task: Task | None


def unpack(body: bytes) -> ScanBegins | ThreadTask | None:
    """Return a message of the coordinator. None: the worker has several threads from now on."""
    if body == CREW:
        return None
    if body[:1] == OPTIONS:
        return ScanBegins(*pickle.loads(body[1:]))
    thread, *fields = marshal.loads(body[1:])
    return ThreadTask(thread, Task(*fields) if body[:1] == TASK else None)


def pack_chunk(thread: int, chunk: Chunk) -> list[Piece]:
    """Return the pieces of the message that brings `chunk` from a thread."""
    return [_LENGTH.pack(thread), *chunk_pieces(chunk)]


def unpack_chunk(body: bytearray) -> tuple[int, Chunk]:
    """Return the thread and the Chunk of a message; the output of the Chunk is a view of `body`."""
    return _LENGTH.unpack_from(body)[0], Chunk.from_bytes(memoryview(body)[_LENGTH.size :])
