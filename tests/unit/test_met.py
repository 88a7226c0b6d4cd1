"""The set of files that were met: the one in C equals the one in Python, and a file costs few bytes."""

from __future__ import annotations

import struct
import tracemalloc
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.fields import FIRST, LAST, NULL
from scanner.kernel.met import CompiledMetFiles, MetFiles, met_files
from scanner.kernel.native import native

NUMBERS = st.one_of(st.integers(0, 3), st.sampled_from([-1, FIRST, LAST, 1 << 40]))
SIZES = st.one_of(st.integers(0, 5), st.sampled_from([LAST, LAST - 1, 1 << 62]))
FILES = st.lists(st.tuples(NUMBERS, NUMBERS, SIZES, SIZES, st.sampled_from([NULL, -5, 0, 7, LAST])), max_size=20)
BYTES_OF_A_FILE = 100


def compiled() -> CompiledMetFiles:
    module = native()
    if module is None:
        pytest.skip("not built")
    return CompiledMetFiles(module)


def packed(files: list[tuple[int, ...]]) -> bytes:
    return b"".join(struct.pack("5q", *file) for file in files)


@given(parts=st.lists(FILES, max_size=4), keys=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
@settings(deadline=None)
def test_both_sets_are_one(parts: list[list[tuple[int, ...]]], keys: list[tuple[int, int]]) -> None:
    one, other = compiled(), MetFiles()
    for files in parts:
        assert one.first(packed(files)) == other.first(packed(files))
    for key in keys:
        assert (key in one) == (key in other)
        assert one.add(*key) == other.add(*key)
        assert key in one
        assert key in other


@pytest.mark.parametrize("make", [compiled, MetFiles])
def test_a_growing_set_keeps_all_files(make: type[MetFiles]) -> None:
    met = make()
    for start in range(0, 30_000, 1000):
        files = [(1 + inode % 3, inode * 64, 10, 1, inode) for inode in range(start, start + 1000)]
        assert met.first(packed(files)) == (10_000, 1000, 1000, start + 999)
        assert met.first(packed(files[::7])) == (0, 0, 0, NULL)
    assert all((1 + inode % 3, inode * 64) in met for inode in range(30_000))
    assert not any((4, inode * 64) in met or (1, inode * 64 + 1) in met for inode in range(100))


@pytest.mark.parametrize("make", [compiled, pytest.param(MetFiles, marks=pytest.mark.slow)])
def test_a_file_costs_few_bytes(make: type[MetFiles]) -> None:
    """A million files in all, as in one directory."""
    count, part = 1_000_000, 20_000
    parts = []
    for start in range(0, count, part):
        rows = array("q", bytes(40 * part))
        rows[0::5] = array("q", [2051]) * part
        rows[1::5] = array("q", range(10_000_000 + start, 10_000_000 + start + part))
        parts.append(rows.tobytes())
    met = make()
    tracemalloc.start()
    try:
        assert sum(met.first(shared)[2] for shared in parts) == count
        assert tracemalloc.get_traced_memory()[1] < BYTES_OF_A_FILE * count
    finally:
        tracemalloc.stop()


def test_tables_that_do_not_fit_are_refused() -> None:
    module = native()
    if module is None:
        pytest.skip("not built")
    with pytest.raises(ValueError, match="too small"):
        module.meet_files(bytearray(16), b"")
    with pytest.raises(ValueError, match="too small"):
        module.has_met(bytearray(), 1, 1)
    with pytest.raises(ValueError, match="not larger"):
        module.copy_met(bytearray(64), bytearray(64))
    full = bytearray(64)
    assert module.meet_files(full, packed([(1, 1, 0, 0, 0), (1, 2, 0, 0, 0)])) == (0, 0, 2, 0)
    assert module.meet_files(full, packed([(1, 3, 0, 0, 0)])) is None
    for counts, columns in (
        (struct.pack("2i", 1, 0), (0, 1, 2, 3, 4, 5, -1, 6)), (struct.pack("2i", -1, 0), (0, 1, 2, 3, 4, 5, -1, 6)),
        (b"", (0, 1, 2, 3, 4, 6, -1, 6)), (b"", (0, 1, 2, 3, 4, -1, -1, 6)), (b"", (0, 1, 2, 3, 4, 5, -1, 0)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="fit each other"):
            module.sum_sizes(counts, bytes(48), columns, True)


def test_pure_python_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_PURE", "1")
    assert type(met_files()) is MetFiles
