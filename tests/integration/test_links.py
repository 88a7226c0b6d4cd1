"""Links that lead round in circles, where links are followed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.support.shell import run
from tests.support.trees import make

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


def test_walk_tells_onerror_of_loops(circles: Path, backend: dict[str, Any]) -> None:
    told: list[OSError] = []
    walked = list(scanner.walk(circles / "a", True, told.append, True, detect_loops=True, **backend))
    scanned = scanner.scan(circles / "a", followlinks=True, detect_loops=True, **backend)
    assert walked == scanned
    assert sorted(error.filename for error in told) == sorted(f.path for f in scanned.errors if f.operation == "open")
    assert {f.path for f in scanned.errors if f.operation == "stat"} >= {f"{circles}/a/up/c/to-itself"}


def test_the_command_finds_what_find_finds(tmp_path: Path) -> None:
    """Without links that lead above the root: find notices such a circle only where it comes round."""
    top = make(tmp_path / "top", {**CIRCLES, "a": {"self": ".", "f": None, "b": {"up": ".."}}})
    theirs = subprocess.run(["find", "-L", top], capture_output=True, check=False)
    ours = run("list", "-L", top)
    found, expected = ours.stdout.split(b"\n"), theirs.stdout.split(b"\n")
    # A name whose type cannot be asked is an error to both, but we keep it.
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
