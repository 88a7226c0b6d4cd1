"""Entries behave like os.DirEntry, results and statistics show themselves at a prompt and in a notebook."""

from __future__ import annotations

import os
import pickle
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner
from scanner.entry import owner_name, seconds_of

FOLLOWING = [True, False]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "below" / "empty").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "to file").symlink_to("file")
    (tmp_path / "to directory").symlink_to("below")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "pipe")
    os.utime(tmp_path / "file", ns=(-1, 1_234_567_890_123_456_789))
    return tmp_path


def entries_below(top: Any, **options: Any) -> dict[Any, scanner.Entry]:
    below = iter(scanner.entries(top, **options))
    next(below)  # the root
    return {entry.path: entry for entry in below}


def walked(top: Any) -> Iterator[os.DirEntry]:
    with os.scandir(top) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from walked(entry.path)


def answer(question: Any, *arguments: Any, **keywords: Any) -> Any:
    try:
        return question(*arguments, **keywords)
    except OSError as error:
        return type(error), error.errno


@pytest.mark.parametrize("kind", [os.fspath, os.fsencode], ids=["str", "bytes"])
@pytest.mark.parametrize("fields", [True, "type", "size"])
def test_questions_have_the_answers_of_os_scandir(tree: Path, kind: Any, fields: Any, reader: str) -> None:
    found = entries_below(kind(tree), stat=fields)
    expected = list(walked(kind(tree)))
    assert len(found) == len(expected) == 8
    for entry in expected:
        same = found[entry.path]
        assert same.name == entry.name
        assert same.is_symlink() == entry.is_symlink()
        for follow in FOLLOWING:
            assert answer(same.is_dir, follow_symlinks=follow) == answer(entry.is_dir, follow_symlinks=follow)
            assert answer(same.is_file, follow_symlinks=follow) == answer(entry.is_file, follow_symlinks=follow)
        assert answer(same.is_dir) == answer(entry.is_dir)
        assert answer(same.is_file) == answer(entry.is_file)


STATUS = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_mtime",
          "st_ctime", "st_mtime_ns", "st_ctime_ns", "st_atime", "st_atime_ns")  # fmt: skip


def test_stat_has_the_values_of_os_scandir(tree: Path, backend: dict[str, Any]) -> None:
    found = entries_below(tree, **backend)
    for entry in walked(tree):
        for follow in FOLLOWING:
            expected = answer(entry.stat, follow_symlinks=follow)
            status = answer(found[entry.path].stat, follow_symlinks=follow)
            if isinstance(expected, tuple) and not isinstance(expected, os.stat_result):
                assert status == expected
                continue
            assert isinstance(status, os.stat_result)
            names = STATUS if entry.name == "file" else STATUS[:-2]  # reading the others changes their time of access
            assert [getattr(status, name) for name in names] == [getattr(expected, name) for name in names]
            assert status[:7] == expected[:7]
    assert found[f"{tree}/file"].mtime == os.stat(tree / "file").st_mtime


def test_fields_suffice_once_the_file_is_gone(tree: Path) -> None:
    found = entries_below(tree)
    (tree / "file").unlink()
    entry = found[f"{tree}/file"]
    assert (entry.is_file(), entry.is_dir(), entry.is_symlink(), entry.stat().st_size) == (True, False, False, 3)


def test_questions_about_what_is_gone_are_answered_no(tree: Path) -> None:
    found = entries_below(tree, stat="size")
    (tree / "file").unlink()
    entry = found[f"{tree}/file"]
    assert (entry.is_file(), entry.is_dir(), entry.is_symlink()) == (False, False, False)


def test_stat_names_the_fields_that_are_missing(tree: Path) -> None:
    entry = entries_below(tree, stat=("size", "mtime_ns", "type"))[f"{tree}/file"]
    with pytest.raises(ValueError, match=r"lacks the fields blocks, mode, uid, .*stat=True requests all"):
        entry.stat()
    assert entry.owner is None
    assert entries_below(tree, stat="size")[f"{tree}/file"].mtime is None


def test_owners_have_names_or_numbers(tree: Path) -> None:
    entry = entries_below(tree, stat="uid")[f"{tree}/file"]
    assert entry.owner == pwd.getpwuid(os.getuid()).pw_name
    assert owner_name(3_999_999_999) == "3999999999"
    assert owner_name(1 << 70) == str(1 << 70)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_times_are_the_floats_of_os_stat(nanoseconds: int) -> None:
    seconds, rest = divmod(nanoseconds, 10**9)
    assert seconds_of(nanoseconds) == seconds + 1e-9 * rest
    assert abs(seconds_of(nanoseconds) - nanoseconds / 1e9) < 1e-5


def test_an_entry_shows_what_is_known(tree: Path) -> None:
    entry = entries_below(tree, stat=("size", "type"))[f"{tree}/file"]
    assert repr(entry) == f"Entry(path='{tree}/file', type='f', size=3)"
    assert eval(repr(entry), {"Entry": scanner.Entry}) == entry


def test_a_result_shows_one_line_whatever_its_size(trees: dict[str, Path]) -> None:
    result = scanner.scan(trees["monorepo"])
    for shown in (repr(result), repr(pickle.loads(pickle.dumps(result)))):
        assert shown.startswith("<ScanResult: 401 directories, 4,000 files, 0 errors, ")
    assert repr(result.stats).startswith("<ScanStats: 401 directories, 4,000 files, 0 errors, ")
    assert "backend" in repr(result.stats)


def cells(html: str) -> list[str]:
    """Return the texts of all cells of well-formed HTML."""
    page = ElementTree.fromstring(f"<div>{html}</div>")
    return [cell.text or "" for cell in page.iter("td")]


def test_a_notebook_shows_small_tables(trees: dict[str, Path]) -> None:
    result = scanner.scan(trees["monorepo"])
    html = result._repr_html_()
    assert len(cells(html)) == 3 * 10
    assert "and 391 more" in html
    assert "scanned_directories" in cells(result.stats._repr_html_())
    assert "401" in cells(result.stats._repr_html_())


HOSTILE = [
    "<script>alert(1)</script>",
    "a&b",
    'q"q',
    "new\nline",
    "esc\x1b[31m",
    b"\xff\xfe".decode(errors="surrogateescape"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_escaped_in_tables(name: str, tmp_path: Path) -> None:
    if "/" in name:
        name = name.replace("/", "\\")
    (tmp_path / name).mkdir()
    (tmp_path / "itself").symlink_to("itself")
    for top in (str(tmp_path / name), os.fsencode(tmp_path / name)):
        result = scanner.scan(top)
        html = result._repr_html_()
        html.encode()
        assert "<script" not in html
        assert "\x1b" not in html
        assert len(cells(html)) == 3
    with pytest.warns(scanner.ScanWarning):
        failed = scanner.scan(str(tmp_path / name / name))
    failed._repr_html_().encode()
    assert cells(failed._repr_html_())[1:] == ["not_found"]
