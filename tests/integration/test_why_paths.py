"""`scanner why ROOT PATH` finds PATH however both are spelled."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.shell import ROOT, SCANNER
from tests.support.trees import make

SPELLINGS = [
    (".", "a/x"), (".", "{real}/a/x"), (".", "{link}/a/x"), ("./", "./a/x"), (".", "a//x"), (".", "a/./x"),
    (".", "a/b/../x"), (".", "{link}/a/b/../x"), ("{link}", "{real}/a/x"), ("{real}", "{link}/a/x"),
    ("{link}/", "a/x"), ("{link}", "{link}/a/x"), (".", "up/top/a/x"), (".", "{link}/up/top/a/x"), ("a", "{link}/a/x"),
    ("a", "x"), (".", "../top/a/x"), ("a/..", "a/x"), ("to-a/..", "{real}/a/x"), (".", "{into}/x"), ("a/b/..", "x"),
    (".", "to-b/../x"),
]  # fmt: skip


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = make(tmp_path / "top", {"a": {"b": {}, "x": None, "y": None}, "up": "..", "to-a": "a", "to-b": "a/b"})
    (tmp_path / "link").symlink_to("top")
    (tmp_path / "into").symlink_to("top/a")
    return top


def why(top: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """As a shell runs it after `cd link`."""
    environment = {**os.environ, "PWD": str(top.parent / "link"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*SCANNER, "why", *arguments], capture_output=True, check=False, timeout=60, cwd=top, env=environment
    )


@pytest.mark.parametrize(("root", "path"), SPELLINGS)
def test_a_path_by_whatever_way_it_leads_into_the_root(root: str, path: str, top: Path) -> None:
    places = {"real": top, "link": top.parent / "link", "into": top.parent / "into"}
    root, path = root.format(**places), path.format(**places)
    for pattern, code in (("y", 0), ("x", 1)):
        done = why(top, "--exclude", pattern, root, path)
        if path.startswith(("up/", f"{top.parent}/link/up/")):  # a link in the root is not followed
            assert (done.returncode, done.stderr) == (1, b"")
            assert b"a link, which is not followed" in done.stdout
        else:
            assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("path", ["{real}", "{link}", "{link}/", ".", "./", "a/.."])
def test_the_root_itself(path: str, top: Path) -> None:
    done = why(top, ".", path.format(real=top, link=top.parent / "link"))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("path", ["{real}/to-a", "{link}/to-a/", "to-a"])
def test_a_link_itself_is_what_is_shown(path: str, top: Path) -> None:
    done = why(top, "--type", "l", ".", path.format(real=top, link=top.parent / "link"))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("path", ["/", "..", "{link}x/a", "up/nothing"])
def test_paths_outside_the_root(path: str, top: Path) -> None:
    done = why(top, ".", path.format(link=top.parent / "link"))
    assert done.returncode in (1, 3)
    assert len((done.stderr + done.stdout).splitlines()) == 1
