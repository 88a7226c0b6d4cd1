"""Selection by status beside `find`: on every backend, by both readers, from the tree and from a snapshot."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import call

NAMES = ["plain", "new\nline", "tab\there", " leading", "-dash", "*", os.fsdecode(b"\xff\xfe"), "é"]


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


def found(top: Path, *tests: str, follow: bool = False) -> set[bytes]:
    command = ["find", *["-L"] * follow, top, *tests, "-print0"]
    return set(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.split(b"\0")[:-1])


CASES = [
    (["--newer", "@1000000000"], ["-newermt", "@1000000000"]),
    (["--older", "@1000000000"], ["!", "-newermt", "@1000000000"]),
    (["--size", "+700"], ["-type", "f", "-size", "+699c"]),
    (
        ["--size", "+1", "--newer", "@999999999", "--type", "f,d"],
        ["-type", "f", "-size", "+0c", "-newermt", "@999999999"],
    ),
    (["--type", "p,s"], ["(", "-type", "p", "-o", "-type", "s", ")"]),
]
STORED = "size,mode,uid,gid,nlink,mtime_ns,ctime_ns,atime_ns"


@pytest.fixture(scope="module")
def store(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store") / "tree.snap"
    result = call("list", "--format", "csv", "--fields", STORED, "--store", store, "-o", os.devnull, tree)
    assert result.returncode == 0
    return store


@pytest.mark.parametrize(("flags", "tests"), CASES, ids=str)
def test_a_snapshot_selects_as_find(flags: list[str], tests: list[str], tree: Path, store: Path, reader: str) -> None:
    assert listed(tree, "--from", store, *flags) == found(tree, *tests)


def test_a_snapshot_without_the_columns_is_refused(tree: Path, tmp_path: Path) -> None:
    store = tmp_path / "names.snap"
    assert call("scan", "--store", store, tree).returncode == 0
    result = call("list", "--from", store, "--newer", "1d", tree)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"has no mtime_ns of entries" in result.stderr
    assert listed(tree, "--from", store, "--type", "p") == found(tree, "-type", "p")
