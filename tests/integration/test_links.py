"""Links that lead round in circles, where links are followed."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.conftest import FULL, OTHERS
from tests.support.mounting import mounting
from tests.support.pairwise import in_turn
from tests.support.shell import call
from tests.support.trees import make, os_walk

CIRCLES = {
    "a": {"up": "..", "self": ".", "f": None, "b": {"far-up": "../../.."}},
    "c": {"to-a": "../a", "to-nothing": "nothing", "to-itself": "to-itself", "to-file": "../a/f"},
    "mutual": {"one": {"two": "../two"}, "two": {"one": "../one"}},
}


@pytest.fixture
def circles(tmp_path: Path) -> Path:
    return make(tmp_path / "outer" / "top", CIRCLES)


def test_a_link_to_a_directory_above_itself_is_a_fault_that_names_both(circles: Path, backend: dict[str, Any]) -> None:
    result = scanner.scan(circles, followlinks=True, detect_loops=True, **backend)
    loops = {str(fault.path): fault.message for fault in result.errors if fault.operation == "open"}
    assert loops[f"{circles}/a/up"] == f"a link that leads back to '{circles}'"
    assert loops[f"{circles}/a/self"] == f"a link that leads back to '{circles}/a'"
    assert loops[f"{circles}/c/to-a/up"] == f"a link that leads back to '{circles}'"
    assert loops[f"{circles}/mutual/one/two/one"] == f"a link that leads back to '{circles}/mutual/one'"
    assert {fault.kind for fault in result.errors} == {"loop"}
    assert f"{circles}/a/b/far-up" in {root for root, _, _ in result}, "above the root is not above itself"


def test_walk_reports_loops_to_onerror(circles: Path, backend: dict[str, Any]) -> None:
    errors: list[OSError] = []
    walked = list(scanner.walk(circles / "a", True, errors.append, True, detect_loops=True, **backend))
    scanned = scanner.scan(circles / "a", followlinks=True, detect_loops=True, **backend)
    assert walked == scanned
    assert sorted(error.filename for error in errors) == sorted(f.path for f in scanned.errors if f.operation == "open")
    assert {f.path for f in scanned.errors if f.operation == "stat"} >= {f"{circles}/a/up/c/to-itself"}


def test_the_command_finds_what_find_finds(tmp_path: Path) -> None:
    """Also with a name whose type cannot be queried."""
    top = make(tmp_path / "top", {**CIRCLES, "a": {"self": ".", "f": None, "b": {"up": ".."}}})
    theirs = subprocess.run(["find", "-L", top], capture_output=True, check=False)
    ours = call("list", "-L", top)
    found, expected = ours.stdout.split(b"\n"), theirs.stdout.split(b"\n")
    # a name whose type cannot be queried is an error to both, but we keep it
    assert sorted(found) == sorted([*expected, os.fsencode(top / "c" / "to-itself")])
    assert theirs.returncode == ours.returncode == 1
    for line in ours.stderr.splitlines():
        assert line.startswith(b"scanner: cannot read '")
    assert os.fsencode(f"cannot read '{top}/a/b/up': a link that leads back to '{top}/a'") in ours.stderr


def test_a_chain_of_more_links_than_the_system_follows(tmp_path: Path) -> None:
    (tmp_path / "end").mkdir()
    for number in range(45):
        (tmp_path / f"link{number}").symlink_to("end" if number == 0 else f"link{number - 1}")
    result = scanner.scan(tmp_path, followlinks=True, detect_loops=True)
    assert sorted(root for root, _, _ in result)[-1] == f"{tmp_path}/link9"
    assert len(result) == 2 + 40
    assert {(fault.operation, fault.kind) for fault in result.errors} == {("stat", "loop")}


ABOVE = {
    "top": {
        "up": "..", "a": {"sibling": "../../sibling", "f": None, "b": {"c": {"far-up": "../../../.."}}},
        "c": {"absolute": "{outer}", "g": None},
    },
    "sibling": {"down": "../top/a", "x": {"s": None}},
    "link": "top",
}  # fmt: skip
SPELLINGS = ["top", "top/", "./top", "link", "link/", ".", "top/../top", "{outer}/top", "{outer}", "sibling"]


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """Links to directories above the root, from where plain directories and other links lead back."""
    outer = make(tmp_path / "outer", ABOVE)
    (outer / "top" / "c" / "absolute").unlink()
    (outer / "top" / "c" / "absolute").symlink_to(outer)
    return outer


def found_by_find(root: str) -> tuple[set[str], set[str]]:
    """Return the paths that find lists, and those in which it sees a loop."""
    done = subprocess.run(
        ["find", "-L", root, "-print0"], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    loops = {line.split("'")[1] for line in os.fsdecode(done.stderr).splitlines() if "loop detected" in line}
    assert done.returncode == (1 if loops else 0)
    return set(os.fsdecode(done.stdout).split("\0")[:-1]), loops


@pytest.mark.parametrize(("spelling", "backend"), in_turn(SPELLINGS, FULL, OTHERS), indirect=["backend"])
def test_a_directory_above_the_root_that_a_link_leads_to_is_not_entered_twice(
    spelling: str, outer: Path, backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outer)
    root = spelling.format(outer=outer)
    listed, loops = found_by_find(root)
    assert loops
    result = scanner.scan(root, followlinks=True, detect_loops=True, **backend)
    assert {fault.path for fault in result.errors} == loops
    assert {fault.kind for fault in result.errors} == {"loop"}
    paths = [path for path, _, _ in result]
    paths += [os.path.join(path, name) for path, _, files in result for name in files]
    assert len(paths) == len(set(paths))
    assert set(paths) == listed
    assert list(scanner.walk(root, followlinks=True, detect_loops=True, **backend)) == result


def test_the_command_lists_what_find_lists_also_above_the_root(outer: Path, reader: str) -> None:
    listed, loops = found_by_find(os.fspath(outer / "top"))
    done = call("list", "-0", "-L", outer / "top")
    assert sorted(os.fsdecode(done.stdout).split("\0")[:-1]) == sorted(listed)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, len(loops))
    assert f"'{outer}/top/up/top': a link above it leads back to '{outer}/top'".encode() in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_directory_above_that_is_mounted_below_itself(tmp_path: Path, backend: dict[str, Any]) -> None:
    top = make(tmp_path / "top", {"a": {"again": {}, "f": None}})
    with mounting() as mounts:
        mounts.bind(top, top / "a" / "again")
        listed, loops = found_by_find(os.fspath(top))
        result = scanner.scan(top, followlinks=True, detect_loops=True, **backend)
        assert {fault.path for fault in result.errors} == loops == {f"{top}/a/again"}
        assert {path for path, _, _ in result} == {path for path in listed if os.path.isdir(path)}


def test_a_loop_below_a_path_that_is_too_long_for_the_system(tmp_path: Path) -> None:
    """Nothing above can be looked up by its path, but what the walk itself went through is known."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("x" * 200, dir_fd=here)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.symlink(".", "self", dir_fd=here)
    os.symlink(tmp_path, "top", dir_fd=here)
    os.close(here)
    try:
        result = scanner.scan(tmp_path, followlinks=True, detect_loops=True, backend="serial")
        assert len(result) == 31
        assert sorted(os.path.basename(fault.path) for fault in result.errors) == ["self", "top"]
    finally:
        subprocess.run(["rm", "-rf", tmp_path / ("x" * 200)], check=True)


def test_while_something_is_mounted_elsewhere_a_chain_of_links_is_followed_to_its_end(
    tmp_path: Path, backend: dict[str, Any]
) -> None:
    """Linux then counts the symlinks of a path twice, and an unlucky request fails with ELOOP after half of them."""
    top = make(tmp_path / "top", {"a": {"b": {"back": ".."}}})
    (tmp_path / "point").mkdir()
    expected = os_walk(top, followlinks=True)
    assert len(expected) == 83
    over = threading.Event()

    def mount() -> None:
        while not over.is_set():
            with mounting() as mounts:
                mounts.memory(tmp_path / "point")

    with mounting() as mounts:  # skips the test where nothing can be mounted
        mounts.memory(tmp_path / "point")
    mounter = threading.Thread(target=mount)
    mounter.start()
    try:
        for _ in range(40):
            assert list(scanner.walk(top, followlinks=True, **backend)) == expected
    finally:
        over.set()
        mounter.join()
