"""Mounts below the root are entered, or neither entered nor accessed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner import mounts
from tests.support.shell import call
from tests.support.trees import make

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A tree with two file systems mounted in it."""
    top = make(tmp_path / "top", {"a": {"there": {}, "f": None}, "b": {}, "c": {"d": {}}})
    mounts = [("tmpfs", top / "b"), ("ramfs", top / "c" / "d")]
    done: list[Path] = []
    try:
        for kind, point in mounts:
            if subprocess.run(["mount", "-t", kind, "none", point], capture_output=True, check=False).returncode:
                pytest.skip("nothing can be mounted here")
            done.append(point)
            make(point, {"inner": {"g": None}})
        yield top
    finally:
        for point in reversed(done):
            subprocess.run(["umount", point], check=True)


def below(top: Path, *parts: str) -> list[Any]:
    """`os.walk` without what lies at these paths or below them."""
    points = [str(top.joinpath(part)) for part in parts]
    return [
        item
        for item in os.walk(top)
        if not any(item[0] == point or item[0].startswith(f"{point}/") for point in points)
    ]


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ({}, []),
        ({"one_file_system": True}, ["b", "c/d"]),
        ({"skip_fs": ["ramfs"]}, ["c/d"]),
        ({"skip_fs": ("tmpfs", "nfs4")}, ["b"]),
    ],
    ids=str,
)
def test_mounts_are_shown_but_not_entered(
    options: dict[str, Any], left_out: list[str], top: Path, backend: dict[str, Any]
) -> None:
    expected = below(top, *left_out)
    assert scanner.scan(top, **options, **backend) == expected
    assert list(scanner.walk(top, **options, **backend)) == expected
    as_bytes = scanner.scan(os.fsencode(top), **options, **backend)
    assert [os.fsdecode(root) for root, _, _ in as_bytes] == [root for root, _, _ in expected]


@pytest.mark.parametrize("detect_loops", [False, True])
def test_another_file_system_that_no_table_knows_is_not_entered(
    detect_loops: bool, top: Path, tmp_path: Path, backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subvolume, the target of a symlink and a new mount are recognized by their device once they are open."""
    (top / "a" / "link").symlink_to(top / "b" / "inner")
    (top / "a" / "far").symlink_to(tmp_path / "top" / "c")
    monkeypatch.setattr(mounts, "MOUNTS", os.devnull)
    options: dict[str, Any] = {"one_file_system": True, "followlinks": True, "detect_loops": detect_loops, **backend}
    expected = [item for item in os.walk(top, followlinks=True) if os.stat(item[0]).st_dev == os.stat(top).st_dev]
    errors: list[OSError] = []
    result = scanner.scan(top, **options)
    assert result == expected
    assert (result.errors, result.stats.errors) == ([], {})
    assert list(scanner.walk(top, onerror=errors.append, **options)) == expected
    assert not errors


def test_as_find_does_it(top: Path) -> None:
    found = subprocess.run(["find", top, "-xdev", "-print0"], capture_output=True, check=True).stdout
    listed = call("list", "-0", "-x", top)
    assert sorted(listed.stdout.split(b"\0")) == sorted(found.split(b"\0"))
    (top / "a" / "link").symlink_to(top / "b" / "inner")
    found = subprocess.run(["find", "-L", top, "-xdev", "-print0"], capture_output=True, check=True).stdout
    listed = call("list", "-0", "-x", "-L", top)
    assert sorted(listed.stdout.split(b"\0")) == sorted(found.split(b"\0"))
    assert (listed.returncode, listed.stderr) == (0, b"")
    found = subprocess.run(["find", top, "-xdev", "-print0"], capture_output=True, check=True).stdout
    skipped = call("list", "-0", "--skip-fs", "tmpfs,ramfs", top)
    assert sorted(skipped.stdout.split(b"\0")) == sorted(found.split(b"\0"))


def test_a_mount_that_is_named_as_a_root_is_entered(top: Path) -> None:
    result = scanner.scan(top / "b", one_file_system=True)
    assert result == list(os.walk(top / "b"))


@pytest.mark.parametrize("types", ["", "nfs,", ","])
def test_types_that_are_no_names(types: str, tmp_path: Path) -> None:
    result = call("scan", "--skip-fs", types, tmp_path)
    assert result.returncode == 2
    assert b"--skip-fs" in result.stderr
