"""The kernel's table of mounts is bytes that any user has chosen: nothing in it raises an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import scanner
from scanner import mounts
from scanner.errors import OptionError
from scanner.options import ScanOptions

TOP = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mountinfo"
    path.write_bytes(TOP)
    monkeypatch.setattr(mounts, "MOUNTS", str(path))
    return path


def ask_everything(root: str | bytes) -> None:
    mounts.mounted_below([root])
    mounts.devices([root])
    mounts.anything_remote([root])
    mounts.filesystem_type(root)
    mounts.mount_of(root, [root])
    mounts.are_shared([root])
    mounts.barred([root], kinds=["nfs4"], one_file_system=True, one_mount=False)


FIELDS = st.sampled_from(
    [b"22", b"21", b"8:1", b"/", b"/srv", b"/srv/\\777", b"/srv/\\040x", b"-", b"fuse.caf\xe9", b"", b"\xff\x00\r\x0b",
     b"\\134", b"rw,x=\xff", b"shared:1", b"no-path"]
)  # fmt: skip
LINES = st.one_of(st.lists(FIELDS, max_size=12).map(b" ".join), st.binary(max_size=60))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(lines=st.lists(LINES, max_size=6))
@example(lines=[b"22 21 0:5 / /srv/a rw - fuse.caf\xe9 x rw"])
@example(lines=[b"22 21 0:5 / /srv/a rw fuse x rw"])
@example(lines=[b"22 21 0:5 / /srv/\\777 rw - fuse x rw"])
def test_no_bytes_of_the_table_raise_an_error(lines: list[bytes], table: Path) -> None:
    table.write_bytes(TOP + b"\n".join(lines))
    for root in ("/srv", b"/srv"):
        ask_everything(root)


def test_a_table_that_cannot_be_read_is_as_none(table: Path, tmp_path: Path) -> None:
    table.unlink()
    table.mkdir()  # opens, and fails to be read
    ask_everything(os.fspath(tmp_path))
    assert mounts.filesystem_type(tmp_path.as_posix()) == "unknown"
    assert scanner.scan(tmp_path, one_file_system=True, backend="serial") == list(os.walk(tmp_path))


def test_names_with_spaces_line_ends_and_no_utf8_are_the_bytes_they_were(table: Path) -> None:
    odd = b"a b\tc\nd\\e#f\r\x0b\xff"
    escaped = b"a\\040b\\011c\\012d\\134e\\043f\r\x0b\xff"
    table.write_bytes(TOP + b"22 21 0:5 / /srv/%b rw shared:7 - %b %b rw\n" % (escaped, escaped, escaped))
    assert mounts.mounted_below([b"/srv"]) == [(b"/srv/" + odd, os.fsdecode(odd))]
    assert mounts.mounted_below(["/srv"]) == [(os.fsdecode(b"/srv/" + odd), os.fsdecode(odd))]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"22 21 0:5 / /srv/a rw fuse x rw", "unknown"),  # no separator
        (b"22 21 0:5 / /srv/a rw -", "unknown"),
        (b"22 21 0:5 / /srv/a rw master:- - nfs4 - -", "nfs4"),
        (b"22 21 0:5 / /srv/a", None),  # the mount point may be cut short
        (b"22 21 0:5", None),
        (b"", None),
    ],
)
def test_lines_that_are_cut_short(line: bytes, kind: str | None, table: Path) -> None:
    table.write_bytes(TOP + line)
    assert mounts.mounted_below(["/srv"]) == ([] if kind is None else [("/srv/a", kind)])


def test_a_type_that_is_no_utf8_is_shown_escaped(table: Path) -> None:
    table.write_bytes(TOP + b"22 21 0:5 / /srv rw - fuse.caf\xe9\x1b[31m x rw\n")
    assert mounts.filesystem_type("/srv") == "fuse.caf\\xe9\\x1b[31m"


def test_types_are_compared_as_bytes(table: Path) -> None:
    lines = b"22 21 0:5 / /srv/a rw - fuse.caf\xe9 x rw\n23 21 0:6 / /srv/b rw - fuse.caf\xc3\xa9 x rw\n"
    table.write_bytes(TOP + lines)
    for kind, point in ((os.fsdecode(b"fuse.caf\xe9"), "/srv/a"), ("fuse.caf\u00e9", "/srv/b")):
        assert mounts.barred(["/srv"], kinds=[kind], one_file_system=False, one_mount=False) == [point]


def test_a_type_that_no_encoding_gives_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="skip_fs"):
        ScanOptions(skip_fs=["\ud800"])


def test_a_huge_table(table: Path) -> None:
    lines = [b"%d 21 0:%d / /srv/%d/%d rw - nfs4 x rw\n" % (n + 22, n, n % 100, n) for n in range(20_000)]
    table.write_bytes(TOP + b"".join(lines))
    ask_everything("/srv")
    assert len(mounts.mounted_below(["/srv"])) == 20_000


def test_a_bind_mount_of_the_same_file_system_is_entered_unless_no_mount_point_is(table: Path) -> None:
    table.write_bytes(
        TOP
        + b"""\
22 21 8:1 /home /srv/home rw - ext4 /dev/sda1 rw
23 21 8:2 / /srv/disk rw - ext4 /dev/sdb1 rw
24 21 0:9 / /srv/far rw - nfs4 x rw
25 24 8:1 / /srv/far/back rw - ext4 /dev/sda1 rw
"""
    )
    every = ["/srv/home", "/srv/disk", "/srv/far", "/srv/far/back"]
    found = mounts.barred(["/srv"], kinds=(), one_file_system=True, one_mount=False)
    assert sorted(found) == ["/srv/disk", "/srv/far"]
    assert sorted(mounts.barred(["/srv"], kinds=(), one_file_system=False, one_mount=True)) == sorted(every)
    assert mounts.barred(["/srv"], kinds=["nfs4"], one_file_system=False, one_mount=False) == ["/srv/far"]


@pytest.mark.parametrize(
    ("roots", "shared"),
    [
        (["/srv/a", "/srv/b"], False),
        (["/srv/a", "/mnt/a"], True),
        (["/mnt/a", "/srv/a/deep"], True),
        (["/mnt/a", "/srv/ab"], False),
        (["/srv/disk", "/srv/b"], False),
        (["/mnt", "/srv"], True),
    ],
)
def test_where_a_directory_may_be_met_twice(roots: list[str], shared: bool, table: Path) -> None:
    table.write_bytes(
        TOP
        + b"""\
22 21 8:1 /srv/a /mnt/a rw - ext4 /dev/sda1 rw
23 21 8:2 / /srv/disk rw - ext4 /dev/sdb1 rw
"""
    )
    assert mounts.are_shared(roots) is shared
