"""Directories that change within the same tick of the file system's clock in which they were read."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import scanner
from scanner.kernel import recorder
from tests.support.mounting import mounting
from tests.support.trees import make

NIGHTS = 25
FOLDERS = 60
NEVER = -(10**18)
"""Nanoseconds: with this, no directory counts as modified too shortly before it was read."""


@pytest.fixture(params=["ext4 with whole seconds", "tmpfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return an empty directory on a file system whose times are coarse, or wrong for some changes."""
    point = tmp_path / "mount"
    point.mkdir()
    with mounting() as mounts:
        if request.param == "tmpfs":
            mounts.memory(point)
        else:
            if shutil.which("mkfs.ext4") is None:
                pytest.skip("there is no mkfs.ext4")
            image = tmp_path / "image"
            with image.open("wb") as file:
                file.truncate(32 << 20)
            command = ["mkfs.ext4", "-q", "-I", "128", str(image)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            mounts.image(image, point)
        make(point / "tree", {f"{number:02}": {"one": None, "two": None} for number in range(FOLDERS)})
        yield point / "tree"


def wrong_snapshots(top: Path, store: Path) -> int:
    """Scan often, with changes in a tenth of the directories in between. Return how many scans differ."""
    chance, wrong = random.Random(1), 0
    for night in range(NIGHTS):
        found = scanner.scan(top, store=store, backend="serial")
        wrong += found != list(os.walk(top))
        for number in chance.sample(range(FOLDERS), FOLDERS // 10):
            folder = top / f"{number:02}"
            names = sorted(os.listdir(folder))
            if names and chance.random() < 0.5:
                (folder / names[0]).unlink()
            else:
                (folder / f"new {night}").touch()
    return wrong


@pytest.mark.parametrize("offset", [0, 3600, -3600])
def test_no_change_is_missed_whatever_our_clock_says(
    offset: int, place: Path, tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() + offset)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + offset * 10**9)
    assert wrong_snapshots(place, tmp_path / "store") == 0


@pytest.mark.parametrize("place", ["ext4 with whole seconds"], indirect=True)
def test_without_the_guard_changes_are_missed(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_PURE", "1")
    monkeypatch.setattr(recorder, "RACY_NS", NEVER)
    assert wrong_snapshots(place, tmp_path / "store") > NIGHTS // 2
