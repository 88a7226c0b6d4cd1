"""Selection by status beside `find`: on every backend, by both readers, from the tree and from a snapshot."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import scanner
from scanner.errors import OptionError
from tests.support.mounting import mounting
from tests.support.shell import SCANNER, as_user, call

NAMES = ["plain", "new\nline", "tab\there", " leading", "-dash", "*", os.fsdecode(b"\xff\xfe"), "é"]

OWNERS = [(1, 1), (4242, 0), (0, 4242)]
"""Users and groups of files, where the tests run as root."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with files of many modes, times and sizes, under odd names, and one of each type."""
    top = tmp_path_factory.mktemp("selection") / "tree"
    for number, name in enumerate(NAMES):
        folder = top / f"d{number % 3}" / name
        folder.mkdir(parents=True)
        for count in range(number % 3):
            file = folder / f"{name}{count}"
            file.write_bytes(b"x" * (count * 700))
            if os.geteuid() == 0:
                os.chown(file, *OWNERS[(number + 2 * count) % 3], follow_symlinks=False)
            file.chmod((0o644, 0o4755, 0o2070, 0o600)[(number + count) % 4])
            os.utime(file, ns=((number * 10**17), (1_000_000_000 + number - 4) * 10**9 + count))
        os.utime(folder, (1, 10**9))
    os.link(top / "d1" / NAMES[1] / f"{NAMES[1]}0", top / "second name")
    (top / "to file").symlink_to("second name")
    (top / "to directory").symlink_to("d1")
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "pipe", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(top / "socket"))
    return top


def listed(top: Path, *flags: Any) -> set[bytes]:
    result = call("list", "-0", *flags, top)
    assert (result.returncode, result.stderr) == (0, b"")
    return set(result.stdout.split(b"\0")[:-1])


def found(top: Path, *tests: str, options: Sequence[str] = ()) -> set[bytes]:
    depth = ["-maxdepth", options[-1]] if "--max-depth" in options else []
    command = ["find", *(["-L"] if "-L" in options else []), top, *depth, *tests, "-print0"]
    return set(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.split(b"\0")[:-1])


CASES = [
    (["--newer", "@1000000000"], ["-newermt", "@1000000000"]),
    (["--older", "@1000000000"], ["!", "-newermt", "@1000000000"]),
    (["--size", "+700"], ["-type", "f", "-size", "+699c"]),
    (
        ["--size", "+1", "--newer", "@999999999", "--type", "f,d"],
        ["-type", "f", "-size", "+0c", "-newermt", "@999999999"],
    ),
    (["--newer-atime", "@300000000"], ["-newerat", "@300000000"]),
    (["--older-atime", "@300000000"], ["!", "-newerat", "@300000000"]),
    (["--newer-ctime", "@1000000000"], ["-newerct", "@1000000000"]),
    (["--older-ctime", "1h"], ["!", "-newerct", "1 hour ago"]),
    (["--owner", "0"], ["-user", "0"]),
    (["--owner", "root"], ["-user", "root"]),
    (["--owner", "root,4242"], ["(", "-user", "root", "-o", "-user", "4242", ")"]),
    (["--owner", "root", "--owner", "1"], ["(", "-user", "root", "-o", "-user", "1", ")"]),
    (["--owner", "!root"], ["!", "-user", "root"]),
    (["--owner", "!root,!1", "--type", "f"], ["!", "-user", "root", "!", "-user", "1", "-type", "f"]),
    (["--group", "root"], ["-group", "root"]),
    (["--group", "!4242", "--owner", "4242"], ["!", "-group", "4242", "-user", "4242"]),
    (["--perm", "644"], ["-perm", "644"]),
    (["--perm", "-4000"], ["-perm", "-4000"]),
    (["--perm", "/022", "--type", "f,d"], ["-perm", "/022", "(", "-type", "f", "-o", "-type", "d", ")"]),
    (["--perm", "u=rw,g+r,o=g"], ["-perm", "u=rw,g+r,o=g"]),
    (["--perm", "-u+s"], ["-perm", "-u+s"]),
    (["--perm", "-u+r", "--perm", "/o+rX"], ["-perm", "-u+r", "-perm", "/o+rX"]),
    (["--perm=/000"], ["-perm", "/000"]),
    (["--empty"], ["-empty"]),
    (["--empty", "--type", "d", "--owner", "root"], ["-empty", "-type", "d", "-user", "root"]),
    (["--empty", "--newer", "@1000000000"], ["-empty", "-newermt", "@1000000000"]),
    (["--links", "2"], ["-links", "2"]),
    (["--links", "+1"], ["-links", "+1"]),
    (["--links", "-3", "--links", "+1", "--type", "f"], ["-links", "-3", "-links", "+1", "-type", "f"]),
    (["--type", "p,s"], ["(", "-type", "p", "-o", "-type", "s", ")"]),
]
HOWS = [
    ["--backend", "serial"], ["--backend", "pool", "--workers", "2"], ["-L"], ["--max-depth", "2"],
    ["-L", "--max-depth", "1"],
]  # fmt: skip
STORED = "size,mode,uid,gid,nlink,mtime_ns,ctime_ns,atime_ns"


@pytest.fixture(scope="module")
def store(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store") / "tree.snap"
    result = call("list", "--format", "csv", "--fields", STORED, "--store", store, "-o", os.devnull, tree)
    assert result.returncode == 0
    return store


@pytest.mark.parametrize("how", HOWS, ids=" ".join)
@pytest.mark.parametrize(("flags", "tests"), CASES, ids=" ".join)
def test_list_selects_as_find(flags: list[str], tests: list[str], how: list[str], tree: Path, reader: str) -> None:
    assert listed(tree, *flags, *how) == found(tree, *tests, options=how)


OCTAL = st.one_of(st.integers(0, 0o7777), st.sampled_from([1 << bit for bit in range(12)]))
ACTIONS = st.builds(
    str.__add__, st.sampled_from("+-="), st.one_of(st.sampled_from("ugo"), st.text("rwxXst", max_size=3))
)
CLAUSES = st.builds(str.__add__, st.text("ugoa", max_size=2), st.lists(ACTIONS, min_size=1, max_size=2).map("".join))
MODES = st.one_of(
    OCTAL.map("{:o}".format),
    st.lists(st.one_of(CLAUSES, OCTAL.map("={:o}".format)), min_size=1, max_size=3).map(",".join),
    st.text("ugoa+-=rwxXst,0178", max_size=6),
)


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with files and directories of many modes."""
    top = tmp_path_factory.mktemp("modes")
    some = random.Random(1)
    for number in range(60):
        for make, name in ((Path.touch, f"f{number}"), (Path.mkdir, f"d{number}")):
            make(top / name)
            (top / name).chmod(
                0 if number == 0 else some.choice([some.randrange(0o10000), 0o644, 0o755, 0o4755, 0o2070])
            )
    return top


@given(how=st.sampled_from(["", "-", "/"]), mode=MODES)
@settings(max_examples=150, deadline=None)
def test_any_mode_is_taken_as_find_takes_it(how: str, mode: str, modes: Path) -> None:
    assume(how + mode != "--")  # which argparse drops
    command = ["find", modes, "-mindepth", "1", "-maxdepth", "1", "-perm", how + mode, "-print0"]
    expected = subprocess.run(command, capture_output=True, check=False, timeout=60)
    result = call("list", "-0", "--min-depth", "1", "--max-depth", "1", f"--perm={how}{mode}", modes)
    assert (result.returncode == 0) == (expected.returncode == 0), (result.stderr, expected.stderr)
    assert sorted(result.stdout.split(b"\0")) == sorted(expected.stdout.split(b"\0"))


@pytest.mark.parametrize(("flags", "tests"), CASES, ids=" ".join)
def test_a_snapshot_selects_as_find(flags: list[str], tests: list[str], tree: Path, store: Path, reader: str) -> None:
    assert listed(tree, "--from", store, *flags) == found(tree, *tests)


def test_a_snapshot_without_the_columns_is_refused(tree: Path, tmp_path: Path) -> None:
    store = tmp_path / "names.snap"
    assert call("scan", "--store", store, tree).returncode == 0
    result = call("list", "--from", store, "--newer", "1d", tree)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"has no mtime_ns of entries" in result.stderr
    assert listed(tree, "--from", store, "--type", "p") == found(tree, "-type", "p")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"owner": "no such user"},
            "owner must be the name or the number of a user; there is none with 'no such user'",
        ),
        ({"owner": "root,"}, "owner must be the name or the number of a user; there is none with ''"),
        ({"owner": -1}, "owner must be the name or the number of a user; there is none with -1"),
        ({"owner": str(1 << 32)}, "owner must be the name or the number of a user; there is none with '4294967296'"),
        ({"owner": True}, "owner must be the name or the number of a user; there is none with True"),
        ({"owner": "a\0b"}, "owner must be the name or the number of a user; there is none with "),
        ({"owner": b"root"}, "owner must be the name or the number of a user; there is none with b'root'"),
        ({"group": ["root", "!nobody's"]}, "group must be the name or the number of a group; there is none with"),
        ({"links": "many"}, "links must be a number of names like 1 (exactly), +1 (more) or -3 (fewer), not 'many'"),
        ({"links": "++1"}, "links must be a number of names"),
        ({"links": None}, "links must be a number of names"),
        (
            {"perm": "rw"},
            "perm must be a mode like 644 (exactly), -u+s (all of these bits) or /022 (any of them), not 'rw'",
        ),
        ({"perm": "888"}, "perm must be a mode"),
        ({"perm": "10000"}, "perm must be a mode"),
        ({"perm": "+222"}, "perm must be a mode"),
        ({"perm": ""}, "perm must be a mode"),
        ({"perm": -1}, "perm must be a mode"),
        ({"perm": 0o10000}, "perm must be a mode"),
        ({"perm": True}, "perm must be a mode"),
        ({"perm": b"644"}, "perm must be a mode"),
        ({"newer_atime": "soon"}, "newer_atime must be a date like"),
        ({"older_ctime": "soon"}, "older_ctime must be a date like"),
    ],
    ids=str,
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="^" + re.escape(message)):
        scanner.scan(tmp_path, **options)


def test_messages_of_the_command_name_the_flag(tmp_path: Path) -> None:
    result = call("list", "--newer-atime", "soon", tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"scanner: --newer-atime must be a date like")


def test_a_directory_is_empty_whatever_filters_exclude(tmp_path: Path, reader: str) -> None:
    """Files of the scan itself do not count."""
    top, store = tmp_path / "top", tmp_path / "s"
    for name in ("excluded/a.o", "hidden/.h", "nested/empty/", "selected/empty file", "output/"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).mkdir() if name.endswith("/") else (top / name).touch()
    flags = ["--empty", "--exclude", "*.o", "--no-hidden"]
    output = top / "output" / "list.csv"
    assert call("list", *flags, "-o", output, "--fields", "size", "--store", store, top).returncode == 0
    assert b"/output," in output.read_bytes()
    expected = {top / "nested/empty", top / "selected/empty file"}
    assert listed(top, *flags) == set(map(os.fsencode, expected))
    assert listed(top, *flags, "--from", store) == set(map(os.fsencode, expected | {top / "output"}))


def test_an_unreadable_directory_is_not_empty(tmp_path: Path, reader: str) -> None:
    """Also where it is opened only for this: below the last level."""
    for name in ("a/locked", "a/open"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "locked").chmod(0)
    for flags in ([], ["--max-depth", "2"]):
        result = as_user("list", "--empty", *flags, tmp_path)
        assert (result.returncode, result.stdout) == (1, f"{tmp_path}/a/open\n".encode())
        assert result.stderr == f"scanner: cannot read '{tmp_path}/a/locked': Permission denied\n".encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(("flag", "is_selected"), [("--empty", False), ("--newer=@0", True)])
def test_a_mount_that_is_not_entered_gets_no_request(flag: str, is_selected: bool, tmp_path: Path, reader: str) -> None:
    point = tmp_path / "tree" / "a" / "mount"
    point.mkdir(parents=True)
    with mounting() as mounts:
        mounts.memory(point)
        traced = ["strace", "-f", "-o", tmp_path / "trace", "-e", "trace=%file,%desc"]
        command = [*traced, *SCANNER, "list", "--skip-fs", "tmpfs", flag, tmp_path / "tree"]
        result = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert (os.fsencode(point) in result.stdout.split()) == is_selected
    requests = [line for line in (tmp_path / "trace").read_text().splitlines() if 'mount"' in line]
    assert requests == []


@pytest.mark.parametrize(
    ("flags", "path", "reason"),
    [
        (["--owner", "!0"], "pipe", "no rule excludes it, but it is not selected (--owner)"),
        (["--size", "5", "--newer", "2030-01-01"], "pipe", "no rule excludes it, but it is not selected (--size)"),
        (["--size", "5", "--newer", "2030-01-01"], "d1", "it is entered, but not selected (--newer)"),
        (["--type", "l", "--min-depth", "2"], "d1", "it is entered, but not selected (--min-depth, --type)"),
        (["--empty"], "d1", "it is entered, but not selected (--empty)"),
        (["--newer-atime", "2030-01-01"], ".", "the root is entered, but not selected (--newer-atime)"),
    ],
)  # fmt: skip
def test_why_names_the_option(flags: list[str], path: str, reason: str, tree: Path) -> None:
    result = call("why", *flags, tree, tree / path)
    assert result.stdout.decode() == f"out: {tree / path}: {reason}\n"
    assert os.fsencode(tree / path) not in listed(tree, *flags)


def test_disk_usage_of_what_is_selected(tree: Path, reader: str) -> None:
    for flags, tests in ((["--older", "1y"], ["!", "-newermt", "1 year ago"]), (["--perm", "-u+s"], ["-perm", "-u+s"])):
        sizes = call("du", "-s", "--apparent-size", "-B1", "-l", *flags, tree).stdout.split(b"\t")
        assert int(sizes[0]) == sum(os.lstat(path).st_size for path in found(tree, *tests)), flags


@pytest.mark.parametrize(
    "options", [{"perm": "-u+r", "size": "+1"}, {"links": 2}, {"owner": [0], "empty": True}], ids=str
)
def test_python_selects_as_the_command(options: dict[str, Any], tree: Path, backend: dict[str, Any]) -> None:
    flags = [f"--{name}={value[0] if isinstance(value, list) else value}" for name, value in options.items()]
    selected = listed(tree, *["--empty" if flag == "--empty=True" else flag for flag in flags])
    assert {os.fsencode(entry.path) for entry in scanner.entries(tree, **options, **backend)} == selected
    walked = [list(scanner.walk(tree, **options, **backend)), list(scanner.scan(tree, **options, **backend))]
    assert walked[0] == walked[1]
    paths = {os.fsencode(os.path.join(folder, name)) for folder, _, files in walked[0] for name in files}
    assert paths == {path for path in selected if not os.path.isdir(path)}
