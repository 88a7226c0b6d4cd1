"""`scanner du` with several ROOTs that share directories counts each of them once, as GNU du."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.conftest import READERS, use
from tests.support.mounting import mounting
from tests.support.pairwise import pairwise
from tests.support.shell import call
from tests.support.trees import make

DU = shutil.which("du")
pytestmark = pytest.mark.skipif(DU is None, reason="needs GNU du")
WAYS = [["--backend", "serial"], ["--backend", "pool", "--workers", "2"]]


def built(top: Path) -> Path:
    make(top, {"a": {"s": {"g": None}}, "b": {}, "c": {"d": {}}, "one": None, "two": None})
    (top / "a" / "f").write_bytes(b"x" * 900_000)
    (top / "a" / "s" / "g").write_bytes(b"x" * 5000)
    (top / "c" / "d" / "own").write_bytes(b"x" * 70_000)
    os.link(top / "a" / "f", top / "c" / "hard")
    (top / "one").write_bytes(b"x" * 20_000)
    (top / "link").symlink_to("a")
    return top


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return built(tmp_path / "top")


@pytest.fixture
def twice(tmp_path: Path) -> Iterator[Path]:
    """A tree in which a directory and a file are mounted at a second place."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    top = built(tmp_path / "top")
    with mounting() as mounts:
        mounts.bind(top / "a", top / "b")
        mounts.bind(top / "one", top / "two")
        yield top


def assert_as_du(top: Path, how: list[str], flags: list[str], names: list[str]) -> None:
    theirs = subprocess.run(["du", "-B1", *flags, *names], capture_output=True, check=True, cwd=top)
    ours = call("du", "-B1", *how, *flags, *names, cwd=top)
    assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())
    assert (ours.returncode, ours.stderr) == (0, b"")


ROOTS: list[list[str]] = [
    ["a", "b"], ["b", "a"], ["a", "a/s"], ["a/s", "a"], ["a", "./a"], ["a", "."], [".", "a"], ["a/s", "b", "c"],
    ["a/f", "b"], ["b/f", "a/f"], ["one", "two"], ["two", "c", "one"], ["link/", "a"], ["link", "a"], ["c", "a"],
    ["b/s", "a"], ["a/s", "b"], ["c/d", "a", "c"],
]  # fmt: skip


FLAGS = [["-c"], ["-s", "-c", "-x"], ["-L", "-s", "-c"]]
CASES = pairwise([*ROOTS, ["."]], FLAGS, WAYS, [*READERS])


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_one_tree_that_is_mounted_twice(flags: list[str], twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for names, _, how, reader in (case for case in CASES if case[1] == flags):
        use(reader, monkeypatch)
        assert_as_du(twice, how, flags, names)


@pytest.mark.parametrize("flags", [["-c"], ["-s"], ["-l", "-c"]], ids=str)
def test_roots_below_each_other(flags: list[str], plain: Path) -> None:
    there = [names for names in ROOTS if all((plain / name).exists() for name in names)]
    more = [[".", "./a", "."], [os.fspath(plain), "a"], ["a/f", "a", "a/f", "a"]]
    for names, how in zip(there + more, cycle(WAYS), strict=False):
        assert_as_du(plain, how, flags, names)


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_a_directory_that_a_followed_link_leads_to_again(how: list[str], tmp_path: Path, reader: str) -> None:
    """Links in files' directories, so that our order is du's."""
    make(tmp_path, {"far": {"s": {}}, "top": {"x": {}}})
    (tmp_path / "far" / "s" / "g").write_bytes(b"x" * 9000)
    for name in ("l1", "l2"):
        (tmp_path / "top" / "x" / name).symlink_to("../../far")
    result = call("du", "-B1", "-L", *how, tmp_path / "top")
    lines = [line.split(b"\t") for line in result.stdout.splitlines()]
    assert len(lines) == len({os.path.realpath(path) for _, path in lines}) == 4
    theirs = subprocess.run(["du", "-B1", "-L", tmp_path / "top"], capture_output=True, check=True).stdout
    assert sorted(size for size, _ in lines) == sorted(line.split(b"\t")[0] for line in theirs.splitlines())


def test_sizes_of_one_tree_that_is_mounted_twice_are_refused(twice: Path) -> None:
    result = call("scan", "--sizes", twice / "a", twice / "b")
    assert result.returncode == 2
    assert b"would count twice" in result.stderr


@pytest.mark.parametrize("how", WAYS)
def test_a_sum_is_the_same_whatever_depth_is_shown(how: list[str], tmp_path: Path, reader: str) -> None:
    """A link leads somewhere from one place of a directory that is mounted twice, and nowhere from the other."""
    top = make(tmp_path / "r", {"tm": {"d": {"e": {}}}, "o": {"bi": {}, "z": {}}, "a": {"lo2": "../o"}, "bs": {},
                                "so": {}, "ltm": "tm", "lo": "o"})  # fmt: skip
    with mounting() as mounts:
        mounts.bind(top / "a", top / "bs")
        mounts.bind(top / "a", top / "o" / "bi")
        sums = {
            call("du", "-Lb", *depth, *how, top).stdout.splitlines()[-1] for depth in ([], ["-s"], ["-d1"], ["-d2"])
        }
        assert len(sums) == 1
