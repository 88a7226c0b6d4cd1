"""The format of rows in a snapshot store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.kernel import native, record
from scanner.kernel.record import (
    Head,
    Update,
    directories_in,
    inodes_in,
    names_in,
    names_of,
    pack_columns,
    pack_record,
    pack_update,
    record_at,
    rows_in,
    updates_in,
)

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
SUFFIXES = st.sampled_from(["", "/", "/l", "/L", "/p", "/?", "/f!", "/!", "/l!"])
HEAD, UPDATE = Head(*range(12)), Update(*range(7))


def test_the_compiled_reader_knows_the_format() -> None:
    assert (record.HEAD.size, record.UPDATE.size) == (native.HEAD_BYTES, native.UPDATE_BYTES)
    assert len(record.Counts._fields) == native.KNOWN_COUNTS
    assert record.READ_DAMAGED == native.HOWS - 1


@given(st.lists(st.tuples(NAMES, SUFFIXES)))
def test_names_come_back_in_their_order(entries: list[tuple[bytes, str]]) -> None:
    names = names_of(entries)
    assert names_in(names) == entries
    assert directories_in(names) == [name for name, suffix in entries if suffix == "/"]
    assert directories_in(names, links=True) == [name for name, suffix in entries if suffix in ("/", "/L")]


@given(st.data(), st.integers(0, 20), st.integers(0, 4))
def test_columns_come_back(data: st.DataObject, count: int, width: int) -> None:
    inodes = data.draw(st.lists(st.integers(0, (1 << 64) - 1), min_size=count, max_size=count))
    row = st.none() | st.tuples(*[NUMBERS] * width)
    rows = data.draw(st.lists(row, min_size=count + 1, max_size=count + 1)) if width else []
    columns = pack_columns(inodes, rows)
    assert inodes_in(columns, count) == inodes
    if width:
        assert rows_in(columns, count, width) == rows


@given(st.lists(st.tuples(NAMES, NAMES, st.binary(max_size=30))))
def test_records_and_updates_come_back(parts: list[tuple[bytes, bytes, bytes]]) -> None:
    packed = [pack_record(HEAD, *part) for part in parts]
    updates = list(updates_in(b"".join(pack_update(UPDATE, each) for each in packed)))
    assert [data[start - 64 : start - 64 + numbers[7]] for numbers, data, start in updates] == packed
    found = [record_at(b"before" + each, 6) for each in packed]
    assert [(each.path, each.names, each.columns, each.is_intact) for each in found] == [
        (*part, True) for part in parts
    ]
    assert [each.head[4:] for each in found] == [HEAD[4:]] * len(parts)


@given(st.data())
def test_a_damaged_record_is_not_intact(data: st.DataObject) -> None:
    packed = bytearray(pack_record(HEAD, b"a" * 20, b"b" * 20, b"c" * 20))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        assert not record_at(bytes(packed)).is_intact
    except ValueError:
        assert 4 <= place < 16  # a length


@pytest.mark.parametrize("names", [b".", b"..", b"a\0\0b", b"/", b"a/xy", b"a/b/c", b"\0"])
def test_names_that_no_directory_holds_are_refused(names: bytes) -> None:
    with pytest.raises(ValueError, match="damaged record"):
        names_in(names)


@given(st.binary(max_size=60), st.integers(0, 5), st.integers(1, 3))
def test_damaged_columns_are_refused_or_numbers(columns: bytes, count: int, width: int) -> None:
    try:
        rows = rows_in(columns, count, width)
    except ValueError:
        return
    assert len(rows) == count + 1


@given(st.integers(0, 200))
def test_records_that_are_cut_off_are_refused(length: int) -> None:
    record = pack_record(HEAD, b"a" * 20, b"b" * 20, b"c" * 20)
    with pytest.raises(ValueError, match="cut off"):
        record_at(record[: length % len(record)])
    update = pack_update(UPDATE, record)
    with pytest.raises(ValueError, match="cut off"):
        list(updates_in(update[: 1 + length % (len(update) - 1)]))


@pytest.mark.skipif(native.native() is None, reason="requires the compiled reader")
@given(st.binary(max_size=80), st.integers(0, 80), st.integers(0, 12))
def test_both_readers_read_the_same_columns(packed: bytes, start: int, count: int) -> None:
    compiled: Any = native.native()
    found: list[Any] = []
    for read in (record.column_at, compiled.column_at):
        try:
            found.append(read(packed, min(start, len(packed)), count))
        except ValueError as error:
            found.append(str(error))
    assert found[0] == found[1]
