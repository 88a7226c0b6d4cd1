"""The compiled formatter of lines equals Python's, byte for byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.fields import FIELDS, FIRST, LAST, NULL, columns_of, with_exact_times
from scanner.kernel.native import PIECES, WalkedRun, native
from scanner.kernel.producers.lines import CompiledLines, PythonLines
from scanner.kernel.producers.ncdu import Ncdu
from scanner.kernel.producers.text import EntryText
from scanner.options import ProducerSpec, ScanOptions

pytestmark = pytest.mark.skipif(native() is None, reason="not built")
TEMPLATES = (
    "{size} {mtime_ns} {path}", "{mtime}|{ctime}|{atime}", "{name}\t{parent}", "{type}{mode}{nlink}", "{ino}:{dev}",
    "{{literal}} ä {uid}", "{path}{path}", "no field",
)  # fmt: skip
FORMS = [("template", FIELDS, (template, end)) for template in TEMPLATES for end in ("\n", "\0")]
FORMS += [("ndjson", fields, ()) for fields in ((), ("size", "mtime_ns"), FIELDS)]
FORMS += [("csv", fields, ()) for fields in ((), ("size", "type"), FIELDS)]
COLUMNS = columns_of(with_exact_times(FIELDS))
NUMBERS = st.one_of(
    st.integers(NULL, LAST), st.integers(-3, 3), st.sampled_from([NULL, FIRST, LAST, 0o100644, 0o40755, 0o120777])
)
NAMES = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"\0", b"x").replace(b"/", b"y")),
    st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=8).map(str.encode),
    st.sampled_from([b"a,b", b'"', b"\n", b"\r", b"\\", b"\x7f", "\u2028\u200e\u061c\x85".encode(), b"\xed\xa0\x80"]),
)
PATHS = st.one_of(
    st.lists(NAMES, min_size=1, max_size=4).map(b"/".join),
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: b"/" + b"/".join(names)),
    st.sampled_from([b"/", b"//", b"//a", b"a/", b"a//b", b".", b"./x", b"///a//"]),
)

ENTRIES = st.lists(st.tuples(PATHS, st.lists(NUMBERS, min_size=len(COLUMNS), max_size=len(COLUMNS))), min_size=2)


def producer(form: str, fields: Any, arguments: Any, *, pure: bool = False) -> EntryText:
    spec = ProducerSpec("text", (form, fields, *arguments))
    options = ScanOptions(stat=FIELDS)._replace(producers=(spec,), pure=pure)
    return EntryText(options, form, fields, *arguments)


def lines_of_ncdu(*, pure: bool) -> list[Any]:
    options = ScanOptions(stat=FIELDS)._replace(producers=(ProducerSpec("ncdu"),), pure=pure, roots=("/r",))
    made = Ncdu(options)
    return [made._own, made._files]


def ncdu_of(*, pure: bool, root: Any) -> Ncdu:
    options = ScanOptions(stat=FIELDS)._replace(producers=(ProducerSpec("ncdu"),), pure=pure, roots=(root,))
    return Ncdu(options)


Directory = tuple[int, bytes, list[tuple[bytes, list[int]]], list[tuple[bytes, list[int]]], list[int]]
SOME_NUMBERS = (
    0, 1, 2, -1, 0o100644, 0o40755, 0o120777, 1 << 31, (1 << 31) - 1, LAST // 512, LAST // 512 + 1, LAST - 1, FIRST + 1,
)  # fmt: skip
VALUES = st.binary(min_size=len(COLUMNS), max_size=len(COLUMNS)).map(
    lambda drawn: [SOME_NUMBERS[byte % len(SOME_NUMBERS)] for byte in drawn]
)
ENTRIES_OF_ONE = st.lists(st.tuples(NAMES, VALUES), max_size=3)
DIRECTORIES = st.lists(
    st.tuples(st.integers(0, 9), NAMES, ENTRIES_OF_ONE, ENTRIES_OF_ONE, VALUES), min_size=1, max_size=6
)
"""How far up the parent of each directory is, its name, its files, its links, its own row."""


def run_of(root: bytes, directories: list[Directory], *, as_bytes: bool) -> WalkedRun:
    """Return a run of directories below `root`, without it, whose paths are in the order of a walk."""
    way, paths, rows = [root], [], []
    for up, name, *entries, own in directories:
        del way[max(1, len(way) - up) :]
        way.append(way[-1].removesuffix(b"/") + b"/" + name)
        paths.append(way[-1])
        rows += [(name, own), *entries[0], *entries[1]]
    as_statx(rows)
    files, links = (
        b"/".join(b"\0".join(name for name, _ in each[number]) for each in directories) for number in (2, 3)
    )
    packed = [b"\0".join(paths), b"/" * (len(directories) - 1), links, files]
    names = packed if as_bytes else [each.decode(errors="surrogateescape") for each in packed]
    counts = [len(each[number]) for each in directories for number in (2, 3)]
    found = dict.fromkeys(WalkedRun._fields, 0) | {
        "directories": len(directories), "names": tuple(names), "counts": struct.pack(f"{len(counts)}i", *counts),
        "rows": rows_of(rows),
    }  # fmt: skip
    return WalkedRun(**found)  # type: ignore[arg-type]


def as_statx(entries: list[tuple[bytes, list[int]]]) -> None:
    """Make values possible: nanoseconds beyond a second belong to no time, and a year has at most five digits."""
    for _, values in entries:
        mode = COLUMNS.index("mode")
        values[mode] = NULL if values[mode] == NULL else values[mode] & 0xFFFF
        for name in ("mtime", "ctime", "atime"):
            values[COLUMNS.index(f"{name}_rest")] %= 10**9
            values[COLUMNS.index(f"{name}_s")] %= 1 << 40
        if values[mode] == NULL:  # nothing is known of this entry
            values[:] = [NULL] * len(values)


def rows_of(entries: list[tuple[bytes, list[int]]]) -> bytes:
    columns = zip(*(values for _, values in entries), strict=True)
    return b"".join(struct.pack(f"{len(entries)}q", *column) for column in columns)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(("form", "fields", "arguments"), FORMS)
@given(entries=ENTRIES)
@settings(max_examples=25, deadline=None)
@example(entries=[(b"\xff", [LAST] * len(COLUMNS)), (b"a", [0] * len(COLUMNS)), (b"\xfe/\xff", [1] * len(COLUMNS))])
def test_lines_are_those_of_python(
    form: str, fields: Any, arguments: Any, start: int, entries: list[tuple[bytes, list[int]]]
) -> None:
    as_statx(entries)
    joined = b"\0".join(path for path, _ in entries[start:])
    results = []
    for pure, kind in ((False, CompiledLines), (True, PythonLines)):
        lines = producer(form, fields, arguments, pure=pure)
        assert isinstance(lines._lines, kind)
        lines.add_entries(joined, rows_of(entries), start)
        results.append(lines.output())
    assert results[0] == results[1]


@pytest.mark.parametrize("template", ["{size:>12}", "{path!r}", "{size:,}"])
def test_what_only_python_can_write_is_left_to_it(template: str) -> None:
    assert isinstance(producer("template", FIELDS, (template, "\n"))._lines, PythonLines)


def test_for_a_terminal_python_escapes_names() -> None:
    assert isinstance(producer("csv", ("size",), (True,))._lines, PythonLines)
    assert isinstance(producer("template", (), ("{path}", "\n", True))._lines, PythonLines)


@given(entries=ENTRIES)
@settings(max_examples=200, deadline=None)
def test_lines_of_ncdu_are_those_of_python(entries: list[tuple[bytes, list[int]]]) -> None:
    as_statx(entries)
    for _, values in entries:  # all columns are known, or none
        if values[COLUMNS.index("mode")] != NULL:
            values[:] = [0 if value == NULL else value for value in values]
    for (own, files), (own_of_python, files_of_python) in [(lines_of_ncdu(pure=False), lines_of_ncdu(pure=True))]:
        names, rows = b"\0".join(path for path, _ in entries[1:]), rows_of(entries)
        assert files(names, rows, 1) == files_of_python(names, rows, 1)
        assert own(entries[0][0], rows_of(entries[:1]), 0) == own_of_python(entries[0][0], rows_of(entries[:1]), 0)


def both_of_ncdu(root: bytes, runs: list[list[Directory]], *, as_bytes: bool) -> tuple[Ncdu, Ncdu]:
    """Return the compiled and the Python producer of runs."""
    compiled, python = (ncdu_of(pure=pure, root=root if as_bytes else root.decode()) for pure in (False, True))
    for run in [run_of(root, directories, as_bytes=as_bytes) for directories in runs]:
        compiled.add_run(run)
        python.add_run(run)
    return compiled, python


@given(
    root=st.sampled_from([b"/", b"/r", b"r/", b"/a/b"]), as_bytes=st.booleans(), first=DIRECTORIES, second=DIRECTORIES
)
@settings(max_examples=100, deadline=None)
def test_runs_of_ncdu_are_those_of_python(
    root: bytes, as_bytes: bool, first: list[Directory], second: list[Directory]
) -> None:
    compiled, python = both_of_ncdu(root, [first, second], as_bytes=as_bytes)
    assert compiled.output() == python.output()
    assert len(compiled._pieces) == 3  # two calls, and the ends of lists between them


@pytest.mark.parametrize("value", [NULL, FIRST, LAST])
def test_a_run_of_ncdu_with_a_line_that_only_python_can_write(value: int) -> None:
    known, unknown = [1] * len(COLUMNS), [value] * len(COLUMNS)
    odd = [(0, b"a", [(b"b", known)], [], known), (0, b"c", [(b"d", unknown)], [(b"e", unknown)], unknown)]
    compiled, python = both_of_ncdu(b"/r", [odd, odd[:1]], as_bytes=False)
    assert compiled.output() == python.output()
    assert len(compiled._pieces) > 3


def test_runs_that_do_not_fit_are_refused() -> None:
    module = native()
    assert module is not None
    pieces = ((PIECES.index("path_raw_json"), 0, b""),)
    row, counts = bytes(8), struct.pack("2i", 0, 0)
    assert module.format_lists(pieces, pieces, 1, 0, b"a", b"", b"", counts, row, 1) == b'["a"'
    for arguments in (
        (pieces, pieces, -1, 0, b"a", b"", b"", counts, row, 1),
        (pieces, pieces, 1, -1, b"a", b"", b"", counts, row, 1),
        (pieces, pieces, 1, 0, b"a", b"", b"", counts, row, 0),
        (pieces, pieces, 1, 0, b"a", b"", b"", counts, b"", 1),
        (pieces, pieces, 1, 0, b"a", b"", b"", counts, 2 * row, 1),
        (pieces, pieces, 1, 0, b"a", b"", b"", 2 * counts, 2 * row, 1),
        (pieces, pieces, 1, 0, b"a", b"", b"x", counts, row, 1),
        (pieces, pieces, 1, 0, b"a", b"x", b"", counts, row, 1),
        (pieces, pieces, 1, 0, b"a", b"", b"x", struct.pack("2i", 1 << 30, -1), 2 * row, 1),
        (pieces * 300, pieces, 1, 0, b"a", b"", b"", counts, row, 1),
    ):
        with pytest.raises(ValueError, match=r"do not fit"):
            module.format_lists(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (b"a", b"", 0, 0, 0, ()),
        (b"a", b"x" * 8, 1, -1, 0, ()),
        (b"a", b"x" * 8, 1, 0, 2, ()),
        (b"a", b"x" * 8, 1, 0, 0, ((len(PIECES), 0, b""),)),
        (b"a", b"x" * 8, 1, 0, 0, ((PIECES.index("signed"), 1, b""),)),
        (b"a", b"x" * 8, 1, 0, 0, ((-1, 0, b""),)),
        (b"a", b"x" * 8, 1, 0, 0, ((0, 0, b"x"),) * 300),
        (b"a", b"x" * 8, 1, 0, 0, (1,)),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any) -> None:
    module = native()
    assert module is not None
    with pytest.raises(ValueError, match=r"do not fit|no such piece"):
        module.format_lines(*arguments)


def test_rows_without_a_path_end_the_lines() -> None:
    module = native()
    assert module is not None
    pieces = ((PIECES.index("path"), 0, b""), (0, 0, b"\n"))
    assert module.format_lines(b"a\0b", bytes(32), 1, 0, 0, pieces) == (b"a\nb\n", 2, 4)
