"""Sums of a run in C equal those in Python."""

from __future__ import annotations

import marshal
import struct
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.fields import FIRST, LAST, NULL, columns_of
from scanner.kernel.native import WalkedRun, native
from scanner.kernel.producers.profile import Profile
from scanner.kernel.producers.sizes import DirectorySizes
from scanner.kernel.producers.summary import DAY, SUMMARY_FIELDS, Summary
from scanner.options import ProducerSpec, ScanOptions

pytestmark = pytest.mark.skipif(native() is None, reason="not built")
FIELDS = (*SUMMARY_FIELDS, "gid")
COLUMNS = columns_of(FIELDS)
NOW = time.time_ns()
FUTURE = NOW + 10**18
MODES = st.sampled_from([0o100644, 0o100600, 0o40755, 0o120777, 0o10644, 0o140755, 0o20600, 0, NULL])
SIZES = st.one_of(
    st.integers(0, 5), st.integers(0, LAST), st.just(LAST),
    st.sampled_from([4**n + d for n in range(31) for d in (-1, 0)]),
)  # fmt: skip
TIMES = st.one_of(
    st.integers(-5, 5).map(lambda n: NOW + n * DAY - DAY // 2), st.integers(0, NOW),
    st.sampled_from([FIRST, LAST, 0, NOW - DAY, NOW - 7 * DAY, NOW - 30 * DAY, NOW, FUTURE]),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(["a.TXT", "a.txt", ".hidden", "..x", "a.", "a", ".", "b.tar.gz", "ä.Ö"]).map(str.encode),
    st.sampled_from(["x." + letter * count for letter in "yé" for count in (16, 17)]).map(str.encode),
    st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=6).map(str.encode),
    st.binary(min_size=1, max_size=6).map(lambda name: name.replace(b"\0", b".").replace(b"/", b".")),
)


@st.composite
def entries(draw: st.DrawFn, names: int) -> list[list[int]]:
    rows = []
    for _ in range(names):
        row = dict.fromkeys(COLUMNS, 1)
        row |= {
            "mode": draw(MODES), "size": draw(SIZES), "blocks": draw(st.sampled_from([0, 8, 1 << 40, 1 << 60])),
            "uid": draw(st.sampled_from([0, 1000, (1 << 32) - 1])), "gid": draw(st.integers(0, 2)),
            "mtime_ns": draw(TIMES),
            "ino": draw(st.integers(1, 4)), "nlink": draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2])),
        }  # fmt: skip
        rows.append([NULL] * len(COLUMNS) if row["mode"] == NULL else [row[name] for name in COLUMNS])
    return rows


@st.composite
def runs(draw: st.DrawFn) -> WalkedRun:
    listings = draw(st.lists(st.tuples(st.lists(NAMES, max_size=6), st.integers(0, 2)), min_size=1, max_size=4))
    rows: list[list[int]] = []
    for files, links in listings:
        own, *rest = draw(entries(1 + len(files) + links))
        own[COLUMNS.index("mode")] = 0o40755 if own[0] != NULL else NULL
        rows += [own, *rest]
    names = b"/".join(b"\0".join(files) for files, _ in listings)
    links_text = "/".join("\0".join(f"l{n}" for n in range(links)) for _, links in listings)
    counts = struct.pack(f"{2 * len(listings)}i", *(n for files, links in listings for n in (len(files), links)))
    paths = "\0".join(f"/r/d{number}" for number in range(len(listings)))
    packed = b"".join(struct.pack(f"{len(rows)}q", *column) for column in zip(*rows, strict=True))
    text = names.decode("utf-8", "surrogateescape")
    empty: dict[str, Any] = dict.fromkeys(WalkedRun._fields)
    return WalkedRun(**empty)._replace(
        directories=len(listings), names=(paths, links_text, links_text, text), counts=counts, rows=packed
    )


def made(producer: type[Any], arguments: tuple[Any, ...], run: WalkedRun, *, pure: bool) -> list[Any]:
    spec = ProducerSpec("summary", arguments)
    options = ScanOptions(stat=FIELDS)._replace(producers=(spec,), pure=pure, roots=("/r",))
    one = producer(options, *arguments)
    if pure:
        super(producer, one).add_joined_run(run)  # directory by directory
    else:
        one.add_joined_run(run)
    return list(marshal.loads(one.output()))


@pytest.mark.parametrize("most", [1, 3, 10])
@given(run=runs())
@settings(max_examples=80, deadline=None)
def test_a_summary_of_a_run(most: int, run: WalkedRun) -> None:
    *ours, our_files, our_shared = made(Summary, (NOW, most), run, pure=False)
    *theirs, their_files, their_shared = made(Summary, (NOW, most), run, pure=True)
    assert ours == theirs
    assert [(size, path, disk) for size, _, path, disk in our_files] == [
        (size, path, disk) for size, _, path, disk in their_files
    ]
    assert our_shared == their_shared


@pytest.mark.parametrize(
    ("producer", "arguments"),
    [
        (DirectorySizes, (None, False)), (DirectorySizes, (0, True)),
        (DirectorySizes, (None, False, (), False, "mtime_ns")),
        (DirectorySizes, (None, False, (), True, "mtime_ns", 9)), (Profile, (3,)),
    ],
)  # fmt: skip
@given(run=runs())
@settings(max_examples=60, deadline=None)
def test_other_producers_of_a_run(producer: type[Any], arguments: tuple[Any, ...], run: WalkedRun) -> None:
    assert made(producer, arguments, run, pure=False) == made(producer, arguments, run, pure=True)


@pytest.mark.parametrize(
    ("names", "counts", "rows", "columns"),
    [
        (b"", b"", bytes(40), (0, 1, 2, 3, -1, 4, 0)),
        (b"", b"", bytes(40), (0, 1, 2, 3, -1, 5, 5)),
        (b"", b"", bytes(40), (0, -1, 2, 3, -1, 4, 5)),
        (b"", struct.pack("2i", 5, 0), bytes(40), (0, 1, 2, 3, -1, 4, 5)),
        (b"", struct.pack("2i", -1, 0), bytes(40), (0, 1, 2, 3, -1, 4, 5)),
        (b"ab", struct.pack("2i", 0, 0), bytes(40), (0, 1, 2, 3, -1, 4, 5)),
        (b"", struct.pack("4i", 0, 0, 0, 0), bytes(80), (0, 1, 2, 3, -1, 4, 5)),
    ],
)
def test_a_run_that_does_not_fit_is_refused(names: bytes, counts: bytes, rows: bytes, columns: tuple[int, ...]) -> None:
    module = native()
    assert module is not None
    with pytest.raises(ValueError, match="do not fit"):
        module.sum_run(names, counts, rows, columns, 0, 0, b"", 3, -1)


def test_more_largest_files_than_there_are_rows() -> None:
    module = native()
    assert module is not None
    row = struct.pack("5q", 0o100644, 1, 7, 0, 0)
    found = module.sum_run(b"", struct.pack("2i", 0, 0), row, (0, 1, 2, 3, -1, 4, 5), 0, 0, b"", 1 << 62, -1)
    assert found is not None
    assert found[6] == [(0, 7, 512, 0, b"")]
