"""Messages between processes: whole or not at all, in any number of pieces."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from scanner.backends import wire
from scanner.model import Chunk, Fault, Task
from scanner.options import ScanOptions


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_message_in_pieces_arrives_when_it_is_whole(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    inbox = wire.Inbox(reader)
    raw = (5).to_bytes(8, "little") + b"hello"
    for byte in raw[:-1]:
        os.write(writer, bytes([byte]))
        assert inbox.messages() == []
    os.write(writer, raw[-1:])
    assert inbox.messages() == [b"hello"]


def test_an_empty_message_is_a_message(pipe: tuple[int, int]) -> None:
    wire.send(pipe[1], b"")
    assert wire.Inbox(pipe[0]).messages() == [b""]


def test_a_message_larger_than_the_pipe_comes_through(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    body, bulk = b"a" * 300_000, b"b" * 3_000_000
    sender = threading.Thread(target=wire.send, args=(writer, body, bulk))
    sender.start()
    inbox = wire.Inbox(reader)
    while not (messages := inbox.messages()):
        pass
    sender.join()
    assert messages == [body + bulk]


def test_the_end_of_the_other_side_shows(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, (100).to_bytes(8, "little") + b"half a mess")
    os.close(writer)
    with pytest.raises(EOFError):
        wire.Inbox(reader).messages()


def test_a_worker_sees_the_end_of_the_coordinator(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    with pytest.raises(EOFError):
        wire.receive(pipe[0])


@pytest.mark.parametrize("name", ["é\udcff\n", b"\xff\xfe\n"])
def test_chunks_and_tasks_come_back_as_they_were(name: str | bytes) -> None:
    task = Task(3, [name], 7, 10, 0.5)
    assert wire.unpack(wire.pack_task(5, task)) == (5, task)
    options = ScanOptions(max_workers=3)
    assert wire.unpack(wire.pack_options(options)) == options
    assert wire.unpack(wire.pack_give_up(5)) == (5, None)
    fault = Fault(name, "open", 13, "Permission denied", "denied")
    chunk = Chunk(3, (name, name, name[:0], name), b"output", [name], 5, [fault], 1, 2, 3)
    fields, bulk = wire.pack_chunk(5, chunk)
    thread, again = wire.unpack_chunk(bytearray(fields + bytes(bulk)))
    assert thread == 5
    for field in ("task", "listings", "output", "leftovers", "position", "faults", "directories", "entries", "files"):
        assert getattr(again, field) == getattr(chunk, field)
    assert again.size == len(fields) + len(bulk)
