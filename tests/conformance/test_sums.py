"""The parts of `scan --sizes` add up: a file counts once in each, whatever its number of names and of workers."""

from __future__ import annotations

import functools
import json
import os
import random
import stat
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scanner.kernel.producers.summary import suffix_of
from tests.support.shell import call

WAYS = {
    "serial": ["--backend", "serial"],
    "auto": [],
    **{f"pool-{method}": ["--backend", "pool", "--workers", "2", "--start-method", method]
       for method in ("fork", "forkserver", "spawn")},
}  # fmt: skip
SUFFIXES = [".a", ".b", ".c", ""]


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make files with up to 30 names in any directories, symbolic links with several, a directory of one file."""
    rng = random.Random(27)
    top = tmp_path_factory.mktemp("linked")
    places = [top]
    for number in range(150):
        place = rng.choice(places) / f"d{number}"
        place.mkdir()
        places.append(place)
    for number in range(400):
        path = rng.choice(places) / f"f{number}{rng.choice(SUFFIXES)}"
        path.write_bytes(b"x" * rng.choice((0, 1, 100, 5000, 70_000)))
        if os.geteuid() == 0:
            os.chown(path, number % 3, 0)
        os.utime(path, ns=((number + 1) * 10**18 // 100,) * 2)
        for name in range(rng.choice((0, 0, 0, 1, 30))):
            (rng.choice(places) / f"f{number}-{name}{rng.choice(SUFFIXES)}").hardlink_to(path)
    (top / "symbolic").symlink_to("nowhere")
    os.link(top / "symbolic", places[9] / "symbolic", follow_symlinks=False)
    (top / "around").symlink_to("d0")
    flat = top / "flat"
    flat.mkdir()
    (flat / "0.c").write_bytes(b"y" * 90_000)
    for number in range(1, 22_000):
        (flat / f"{number}.c").hardlink_to(flat / "0.c")
    return top


@functools.cache
def first_names(top: Path, follow: bool) -> tuple[tuple[str, os.stat_result], ...]:
    """Return each inode under the first of its names in walk order."""
    found, met = [], set()
    for root, dirs, files in os.walk(top, followlinks=follow):
        links = [] if follow else [name for name in dirs if os.path.islink(os.path.join(root, name))]
        for path in [root, *(os.path.join(root, name) for name in [*files, *links])]:
            try:
                status = os.stat(path, follow_symlinks=follow)
            except FileNotFoundError:
                status = os.lstat(path)
            if (status.st_dev, status.st_ino) not in met:
                met.add((status.st_dev, status.st_ino))
                found.append((path, status))
    return tuple(found)


@pytest.mark.parametrize("follow", [False, True], ids=["physical", "links followed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_with_several_names_counts_once_in_every_part(way: str, reader: str, follow: bool, linked: Path) -> None:
    flags = ["-L"] if follow else []
    sizes = json.loads(call("scan", *WAYS[way], *flags, "--sizes", "--json", linked).stdout)["sizes"]
    entries = first_names(linked, follow)
    files = [(path, status) for path, status in entries if stat.S_ISREG(status.st_mode)]
    assert sizes["disk_bytes"] == sum(512 * status.st_blocks for _, status in entries)
    assert sizes["apparent_bytes"] == sum(status.st_size for _, status in entries)
    assert sum(sizes["types"].values()) == len(entries)
    assert sizes["types"]["files"] == len(files)
    assert {each["uid"]: each["entries"] for each in sizes["by_owner"]} == Counter(s.st_uid for _, s in entries)
    assert sum(each["disk_bytes"] for each in sizes["by_owner"]) == sizes["disk_bytes"]
    for part in ("by_size", "by_age", "by_suffix"):
        assert sum(each["files"] for each in sizes[part]) == len(files), part
        assert sum(each["bytes"] for each in sizes[part]) == sum(status.st_size for _, status in files), part
    suffixes = Counter(suffix_of(os.path.basename(path)) for path, _ in files)
    assert {each["suffix"]: each["files"] for each in sizes["by_suffix"]} == suffixes
    largest = sorted(files, key=lambda file: -file[1].st_size)[: len(sizes["largest_files"])]
    assert [(each["path"], each["bytes"]) for each in sizes["largest_files"]] == [(p, s.st_size) for p, s in largest]


@pytest.mark.parametrize("way", WAYS)
def test_totals_are_those_of_du(way: str, linked: Path) -> None:
    sizes = json.loads(call("scan", *WAYS[way], "--sizes", "--json", linked).stdout)["sizes"]
    for flags, name in (["-s", "-B1"], "disk_bytes"), (["-s", "-b"], "apparent_bytes"):
        du = subprocess.run(["du", *flags, linked], capture_output=True, check=True).stdout
        assert sizes[name] == int(du.split()[0])


def test_roots_that_share_files_count_them_once(linked: Path, tmp_path: Path) -> None:
    roots: list[Any] = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
    (roots[0] / "x.a").write_bytes(b"z" * 10_000)
    (roots[1] / "x.b").hardlink_to(roots[0] / "x.a")
    for way in WAYS.values():
        sizes = json.loads(call("scan", *way, "--sizes", "--json", *roots).stdout)["sizes"]
        assert sizes["by_suffix"] == [{"suffix": ".a", "files": 1, "bytes": 10_000}]
        assert sizes["types"] == {"directories": 2, "files": 1}
        assert len(sizes["largest_files"]) == 1
