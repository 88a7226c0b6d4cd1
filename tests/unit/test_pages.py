"""Rows that are written as pages are those that SQLite inserts, in a sound database."""

from __future__ import annotations

import random
import re
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.export import pages
from scanner.export.output import Output
from scanner.export.pages import PAGE_BYTES, evenly, varint
from scanner.export.sqlite import SqliteWriter
from scanner.fields import FIELDS, NULL, columns_of
from scanner.kernel.native import native
from scanner.model import Chunk

pytestmark = pytest.mark.skipif(native() is None, reason="not built")
EDGES = [sign * (1 << bits) + step for bits in (7, 15, 23, 31, 47) for sign in (1, -1) for step in (-1, 0, 1)]
NUMBERS = [*range(-2, 3), *EDGES, NULL, NULL + 1, (1 << 63) - 1]
NAMES = [b"a", b"\xff", "é".encode(), b"\n", b"\xed\xa0\x80", b"x" * 255, b"/"]
Row = tuple[bytes, Sequence[int]]


def some_rows(count: int, fields: tuple[str, ...], seed: int = 1) -> list[Row]:
    rng = random.Random(seed)
    modes = [NULL, 0o100644, 0o40755, 0o120777, 0o10600, 0]
    numbers = [modes if name == "mode" else NUMBERS for name in columns_of(fields)]
    return [
        (b"".join(rng.choices(NAMES, k=rng.randint(1, 4))), [rng.choice(some) for some in numbers])
        for _ in range(count)
    ]


def written(
    file: Path, fields: tuple[str, ...], chunks: Sequence[Sequence[Row]], *, compiled: bool = True, expected: str = "ok"
) -> list[tuple[Any, ...]]:
    """Write the rows, and return what SQLite reads."""
    with Output(str(file), named=True) as output:
        writer = SqliteWriter(output, output.write, fields, native() if compiled else None)
        for rows in chunks:
            columns = zip(*(values for _, values in rows), strict=True)
            packed = b"".join(struct.pack(f"{len(rows)}q", *column) for column in columns)
            made = len(rows).to_bytes(8, "little") + packed + b"\0".join(path for path, _ in rows)
            writer.write_chunk(Chunk(0, "/"), made)
        writer.finish(lambda: {"roots": [], "unreadable": []})
    database = sqlite3.connect(file)
    try:
        state = "\n".join(text for (text,) in database.execute("PRAGMA integrity_check"))
        assert re.fullmatch(expected, state, re.DOTALL)
        return database.execute("SELECT rowid, typeof(path), * FROM entries ORDER BY rowid").fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("fields", [("size",), ("type",), ("type", "size", "mtime_ns"), FIELDS], ids=len)
@pytest.mark.parametrize("sizes", [[1], [1000, 1, 1000], [3000, 3000]], ids=str)
def test_rows_are_those_that_sqlite_inserts(
    sizes: list[int], fields: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LEAST_ROWS", 1000)
    chunks = [some_rows(size, fields, seed=size) for size in sizes]
    by_pages = written(tmp_path / "pages.db", fields, chunks)
    assert by_pages == written(tmp_path / "rows.db", fields, chunks, compiled=False)
    assert len(by_pages) == sum(sizes)


def test_a_large_table_has_levels_of_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LEAST_ROWS", 1000)
    rows = [(b"%d" % number + b"x" * 8000, (number,)) for number in range(2400)]
    found = written(tmp_path / "a.db", ("size",), [rows])
    assert [(number, size) for number, _, _, size in found] == [(number + 1, number) for number in range(2400)]


@pytest.mark.parametrize("at", [0, 1, 1500, 2999])
def test_from_a_path_that_is_longer_than_a_page_on_sqlite_inserts(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LEAST_ROWS", 1000)
    rows = some_rows(3000, ("size",))
    rows[at] = (b"y" * 40_000, (7,))
    chunks = [rows[:1200], rows[1200:2400], rows[2400:]]
    found = written(tmp_path / "a.db", ("size",), chunks)
    assert found == written(tmp_path / "b.db", ("size",), chunks, compiled=False)
    assert len(found) == 3000


def test_the_file_does_not_depend_on_how_rows_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LEAST_ROWS", 1000)
    rows = some_rows(5000, ("size",))
    for name, step in (("a.db", 5000), ("b.db", 1), ("c.db", 777)):
        written(tmp_path / name, ("size",), [rows[start : start + step] for start in range(0, 5000, step)])
    files = {(tmp_path / name).read_bytes() for name in ("a.db", "b.db", "c.db")}
    assert len(files) == 1


@pytest.mark.parametrize("locked", range(3, 15))
def test_the_locked_page_of_a_file_of_a_gibibyte_holds_no_data(
    locked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LEAST_ROWS", 12)
    monkeypatch.setattr(pages, "LOCKED_PAGE", locked)
    monkeypatch.setattr(pages, "MOST_CHILDREN", 4)
    rows = [(b"%d" % number + b"x" * 4000, (number,)) for number in range(37)]
    found = written(
        tmp_path / "a.db",
        ("size",),
        [rows[:20], rows[20:21], rows[21:]],
        expected=rf".*Page {locked}( is|:) never used",
    )
    assert [(number, size) for number, _, _, size in found] == [(number + 1, number) for number in range(37)]
    page = (tmp_path / "a.db").read_bytes()[PAGE_BYTES * (locked - 1) : PAGE_BYTES * locked]
    assert not any(page)


@given(count=st.integers(2, 10_000))
@settings(deadline=None, max_examples=30)
def test_pages_above_leaves_have_two_children_or_more(count: int) -> None:
    children = [(number, number) for number in range(count)]
    groups = list(evenly(children))
    assert [child for group in groups for child in group] == children
    assert all(2 <= len(group) <= pages.MOST_CHILDREN for group in groups)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "00"), (127, "7f"), (128, "8100"), (16_384, "818000"), (1 << 32, "9080808000")]
)
def test_numbers_as_sqlite_writes_them(value: int, expected: str) -> None:
    assert varint(value).hex() == expected


@pytest.mark.parametrize(
    "arguments",
    [
        (256, 9, (0,), 0, b"a", bytes(8), 1, 3, 1),
        (PAGE_BYTES, 9, (1,), 0, b"a", bytes(8), 1, 3, 1),
        (PAGE_BYTES, 9, (-2,), 0, b"a", bytes(8), 1, 3, 1),
        (PAGE_BYTES, 9, (0,) * 65, 0, b"a", bytes(8), 1, 3, 1),
        (PAGE_BYTES, 9, (0,), 1, b"a", bytes(8), 1, 3, 1),
        (PAGE_BYTES, 9, (0,), 0, b"a", bytes(8), 0, 3, 1),
        (PAGE_BYTES, 9, (0,), 0, b"a", bytes(8), 1, 0, 1),
        (PAGE_BYTES, 9, (0,), 0, b"a", bytes(8), 1, 3, 0),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any) -> None:
    module = native()
    assert module is not None
    with pytest.raises(ValueError, match="do not fit"):
        module.fill_leaves(*arguments)
