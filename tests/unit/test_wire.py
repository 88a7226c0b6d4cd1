"""Messages between processes: whole or not at all, in any number of pieces."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import codec
from scanner.backends import wire
from scanner.model import Chunk, Fault, Task, joined, names
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
    assert wire.unpack(wire.pack_options(4, options)) == (4, options)
    assert wire.unpack(wire.pack_reclaim(5)) == (5, None)
    chunk = Chunk(3, name, leftovers=[name], faults=[Fault(name, "open", 13, "Permission denied", "denied")])
    thread, again = wire.unpack_chunk(bytearray(b"".join(wire.pack_chunk(5, chunk))))
    assert (thread, again.task, again.origin, again.leftovers) == (5, 3, name, [name])
    assert again.faults == chunk.faults


# ---- Chunks as bytes, for any machine

KEPT = set(Chunk.__slots__) - {"size", "listings"}
NUMBERS = st.integers(0, 2**63 - 1)
SECONDS = st.floats(0, 1e9)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    """Any Chunk: paths of one type, listings as lists or joined, with or without everything else."""
    any_name: Any = st.binary(min_size=1) if draw(st.booleans()) else st.text(st.characters(), min_size=1)
    name = any_name.filter(lambda each: not set(each) & {"/", "\0", 0, ord("/")})
    directory = st.tuples(name, *[st.lists(name, max_size=4)] * 3)
    listings: Any = tuple(map(list, zip(*draw(st.lists(directory, max_size=4)), strict=True)))
    lines = st.tuples(st.integers(0, 9), st.text(st.characters()), st.binary()).map(lambda line: (line,))
    faults = st.builds(
        Fault, any_name, st.just("open"), st.integers(0, 200), st.text(st.characters()), st.just("io"),
        st.integers(1, 9), st.booleans(),
    )  # fmt: skip
    return Chunk(
        draw(NUMBERS), draw(any_name), worker=draw(NUMBERS),
        listings=joined(listings) if draw(st.booleans()) else listings, output=draw(st.binary()),
        leftovers=draw(st.lists(any_name)), position=draw(NUMBERS), faults=draw(st.lists(faults)),
        directories=draw(st.integers(0, 9)), entries=draw(NUMBERS), files=draw(NUMBERS), retries=draw(NUMBERS),
        seconds=draw(SECONDS), cpu=draw(SECONDS), opening=draw(SECONDS),
        slow=draw(st.lists(st.tuples(SECONDS, any_name))), rules=draw(st.dictionaries(any_name, lines)),
        table=draw(st.lists(st.binary())), clamped=draw(NUMBERS),
    )  # fmt: skip


@given(chunks())
def test_any_chunk_survives_the_way_through_bytes(chunk: Chunk) -> None:
    raw = chunk.to_bytes()
    again = Chunk.from_bytes(raw)
    assert {field: getattr(again, field) for field in KEPT} == {field: getattr(chunk, field) for field in KEPT}
    assert again.size == len(raw)
    listings = [[(path, *map(names, fields)) for path, *fields in each] for each in (again, chunk)]
    assert listings[0] == listings[1]


def test_an_unknown_version_of_the_format_is_refused() -> None:
    raw = bytearray(Chunk(1, "/").to_bytes())
    raw[len(codec.MAGIC)] += 1
    with pytest.raises(ValueError, match="message format 4, but this scanner reads 3: use the same scanner version"):
        Chunk.from_bytes(raw)


def test_the_format_is_that_of_version_3() -> None:
    """Stored Chunks are read by later versions: a change of the layout needs another version number."""
    chunk = Chunk(1, "/a", leftovers=["/b"], table=[b"xyz"], output=b"!", seconds=0.5)
    assert hashlib.sha256(chunk.to_bytes()).hexdigest()[:16] == "e264cdb1cc9abbb1"


@given(chunks(), st.data())
def test_damaged_bytes_raise_nothing_but_value_error(chunk: Chunk, data: st.DataObject) -> None:
    raw = bytearray(chunk.to_bytes())
    with pytest.raises(ValueError, match=r"damaged|message format"):
        Chunk.from_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        Chunk.from_bytes(raw)
