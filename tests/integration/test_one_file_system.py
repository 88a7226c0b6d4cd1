"""`-x` as `find -xdev` and `du -x` do it: device numbers decide. Compared with both on real mounts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.conftest import READERS
from tests.support.faultfs.mount import obstacle
from tests.support.mounting import mounting
from tests.support.pairwise import pairwise
from tests.support.shell import ROOT, SCANNER, call
from tests.support.trees import make

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A tree with bind mounts of its own file system, of a file of another one, and with another file system."""
    top = make(tmp_path / "top", {"home": {"f": None}, "plain": {"p": None}, "memory": {}, "outer": {}, "links": {}})
    elsewhere = make(tmp_path / "elsewhere", {"deep": {"d": None}})
    for name in ("one", "two"):
        (top / name).touch()
    (tmp_path / "far").mkdir()
    with mounting() as mounts:
        mounts.memory(tmp_path / "far")
        (tmp_path / "far" / "big").write_bytes(b"x" * 50_000)
        (tmp_path / "far" / "shut").mkdir(mode=0)
        (elsewhere / "big").write_bytes(b"x" * 20_000)
        mounts.bind(top / "home", top / "home")
        mounts.bind(elsewhere, top / "outer")
        mounts.bind(tmp_path / "far" / "big", top / "one")
        mounts.bind(elsewhere / "big", top / "two")
        mounts.memory(top / "memory")
        make(top / "memory", {"inner": {"g": None}})
        for name in ("far", "far/big", "far/shut", "elsewhere"):
            (top / "links" / name.replace("/", "-")).symlink_to(tmp_path / name)
        yield top


def found(*arguments: object) -> list[str]:
    output = subprocess.run(["find", *map(str, arguments), "-print0"], capture_output=True, check=True).stdout
    return sorted(os.fsdecode(output).split("\0")[:-1])


def listed(*arguments: object) -> list[str]:
    result = call("list", "-0", *map(str, arguments))
    assert (result.returncode, result.stderr) == (0, b"")
    return sorted(os.fsdecode(result.stdout).split("\0")[:-1])


def test_bind_mounts_of_the_same_file_system_are_entered(top: Path, backend: dict[str, Any]) -> None:
    expected = [item for item in os.walk(top) if not item[0].startswith(str(top / "memory"))]
    assert str(top / "outer" / "deep") in {root for root, _, _ in expected}
    result = scanner.scan(top, one_file_system=True, **backend)
    assert (result, result.errors) == (expected, [])
    assert list(scanner.walk(top, one_file_system=True, **backend)) == expected
    entries = scanner.entries(os.fsencode(top), one_file_system=True, **backend)
    assert sorted(os.fsdecode(entry.path) for entry in entries) == found(top, "-xdev")


@pytest.mark.parametrize("flags", [[], ["-L"]])
def test_the_command_lists_what_find_xdev_lists(flags: list[str], top: Path, reader: str) -> None:
    assert listed("-x", *flags, top) == found(*flags, top, "-xdev")


def test_a_root_that_is_a_mount_point_is_entered_as_a_root_only(top: Path, backend: dict[str, Any]) -> None:
    ways = ["--backend", str(backend["backend"])]
    roots = [top, top / "memory"]
    assert listed("-x", *ways, *roots) == found(*roots, "-xdev")
    assert listed("-x", *ways, *reversed(roots)) == found(*reversed(roots), "-xdev")


def test_no_mount_point_is_crossed_on_request(top: Path, backend: dict[str, Any]) -> None:
    points = tuple(f"{top}/{name}" for name in ("home", "memory", "outer"))
    expected = [item for item in os.walk(top) if not item[0].startswith(points)]
    assert scanner.scan(top, one_mount=True, **backend) == expected
    assert list(scanner.walk(top, one_mount=True, **backend)) == expected


@pytest.mark.parametrize("detect_loops", [False, True])
def test_links_do_not_lead_to_another_mount_when_none_is_crossed(
    detect_loops: bool, top: Path, backend: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"one_mount": True, "followlinks": True, "detect_loops": detect_loops, **backend}
    (top / "links" / "to-a-mount").symlink_to(top / "outer" / "deep")
    result = scanner.scan(top, **options)
    entered = {os.path.relpath(root, top) for root, _, _ in result}
    assert entered == {".", "plain", "links", "links/elsewhere", "links/elsewhere/deep"}
    assert result.errors == []


def test_the_command_crosses_no_mount_point_on_request(top: Path, reader: str) -> None:
    inside = [path for name in ("home", "memory", "outer") for path in found(top / name, "-mindepth", "1")]
    assert listed("--one-mount", top) == sorted(set(found(top)) - set(inside))


DU = [
    (["-x"], []), (["-x", "-s"], []), (["-x", "-d", "1"], []), (["-x", "-L"], []), (["-x", "-l"], []),
    (["-x", "-c"], ["memory"]), (["-x", "-c"], ["one"]), (["-x", "-c"], ["outer"]), (["-x", "-l"], ["memory", "home"]),
    (["-c"], ["memory", "outer"]),
]  # fmt: skip


WAYS = [["--backend", "serial"], ["--backend", "pool", "--workers", "2"]]


@pytest.mark.parametrize(("arguments", "how", "reader"), pairwise(DU, WAYS, [*READERS]), indirect=["reader"], ids=str)
def test_du_counts_nothing_of_another_file_system(
    arguments: tuple[list[str], list[str]], how: list[str], top: Path, reader: str
) -> None:
    flags, names = arguments
    others = [top / name for name in names]
    for roots in ([top, *others], [*others, top]):
        theirs = subprocess.run(["du", "-B1", *flags, *roots], capture_output=True, check=True)
        ours = call("du", "-B1", *how, *flags, *roots)
        assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())
        assert (ours.returncode, ours.stderr) == (0, b"")


def test_sizes_in_a_report_are_those_of_one_file_system(top: Path, reader: str) -> None:
    theirs = subprocess.run(["du", "-x", "-s", "-B1", top], capture_output=True, check=True).stdout
    report = json.loads(call("scan", "-x", "--sizes", "--json", top).stdout)
    assert report["sizes"]["disk_bytes"] == int(theirs.split()[0])
    largest = [each["path"] for each in report["sizes"]["largest_files"]]
    assert str(top / "two") in largest
    assert str(top / "one") not in largest


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A btrfs with a subvolume, which is another device that no table of mounts has."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("needs mkfs.btrfs")
    with (tmp_path / "image").open("wb") as image:
        image.truncate(120 << 20)
    subprocess.run(["mkfs.btrfs", "-q", tmp_path / "image"], check=True, capture_output=True)
    volume = tmp_path / "volume"
    volume.mkdir()
    with mounting() as mounts:
        mounts.image(tmp_path / "image", volume)
        subprocess.run(["btrfs", "subvolume", "create", volume / "sub"], check=True, capture_output=True)
        make(volume, {"sub": {"s": {"f": None}}, "plain": {"p": None}})
        (volume / "sub" / "f").write_bytes(b"x" * 30_000)
        (volume / "shut").mkdir()
        mounts.bind(volume / "sub", volume / "shut")
        yield volume


def test_subvolumes_are_listed_and_not_entered(volume: Path, reader: str) -> None:
    for roots in ([volume], [volume, volume / "sub"], [volume / "sub", volume]):
        assert listed("-x", *roots) == found(*roots, "-xdev")


@pytest.mark.parametrize("flags", [["-x"], ["-x", "-s"], ["-c", "-x"]], ids=str)
def test_subvolumes_take_no_space_of_the_volume(flags: list[str], volume: Path, reader: str) -> None:
    for roots in ([volume], [volume, volume / "sub"], [volume / "sub", volume]):
        theirs = subprocess.run(["du", "-B1", *flags, *roots], capture_output=True, check=True)
        assert sorted(call("du", "-B1", *flags, *roots).stdout.splitlines()) == sorted(theirs.stdout.splitlines())


BAD_TYPE = """\
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
point, *command = sys.argv[1:]
descriptor = os.open("/dev/fuse", os.O_RDWR)
data = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % descriptor
if libc.mount(b"caf\\xe9", os.fsencode(point), b"fuse.caf\\xe9", 0, data):
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
sys.exit(subprocess.run(command).returncode)
"""
"""A mount that never answers, and whose type is no UTF-8, in a mount namespace of its own."""


def with_bad_mount(point: Path, *command: object) -> subprocess.CompletedProcess[bytes]:
    if obstacle() is not None:
        pytest.skip(str(obstacle()))
    program = ["unshare", "--mount", sys.executable, "-c", BAD_TYPE, point]
    done = subprocess.run(
        [*map(os.fspath, program), *map(str, command)], capture_output=True, timeout=60, check=False, cwd=ROOT
    )
    if b"cannot mount" in done.stderr or b"unshare failed" in done.stderr:
        pytest.skip(done.stderr.decode(errors="replace"))
    return done


COMMANDS = [["list"], ["scan"], ["du"], ["scan", "-x"], ["list", "--skip-fs", "nfs4"]]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_mount_elsewhere_whose_type_is_no_utf8(command: list[str], tmp_path: Path, reader: str) -> None:
    make(tmp_path, {"point": {}, "top": {"a": {"f": None}}})
    for how in ("serial", "pool", "auto"):
        done = with_bad_mount(tmp_path / "point", *SCANNER, *command, "--backend", how, tmp_path / "top")
        assert (done.returncode, done.stderr) == (0, b"")


BARRED = [["-x"], ["--one-mount"], ["--skip-fs", b"nfs4,fuse.caf\xe9"]]


@pytest.mark.parametrize("flags", BARRED, ids=str)
def test_a_mount_below_the_root_that_never_answers_is_not_accessed(
    flags: list[Any], tmp_path: Path, reader: str
) -> None:
    make(tmp_path, {"top": {"a": {"f": None}, "point": {}}})
    top = tmp_path / "top"
    flags = [os.fsdecode(flag) for flag in flags]
    for command in (["list"], ["list", "--format", "ndjson"], ["du", "-B1"]):
        done = with_bad_mount(top / "point", *SCANNER, *command, *flags, "--dir-timeout", "0", top)
        assert (done.returncode, done.stderr) == (0, b"")
        assert os.fsencode(top / "a") in done.stdout
