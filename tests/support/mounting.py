"""Mounting for a test, as root; everything is unmounted in the end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Mounts:
    """What a test has mounted."""

    def __init__(self) -> None:
        self._points: list[Path] = []

    def bind(self, source: Path, point: Path) -> None:
        self._mount("--bind", source, point)

    def memory(self, point: Path, *, kind: str = "tmpfs", options: str = "rw") -> None:
        self._mount("-t", kind, "-o", options, "none", point)

    def overlay(self, lower: Path, upper: Path, point: Path) -> None:
        """Mount `lower` with changes in `upper`. If these are on two file systems, directories get inode numbers in the
        order in which they are looked up.
        """
        for name in ("changes", "work"):
            (upper / name).mkdir(exist_ok=True)
        layers = f"lowerdir={lower},upperdir={upper / 'changes'},workdir={upper / 'work'},xino=off"
        self._mount("-t", "overlay", "-o", layers, "none", point)

    def image(self, image: Path, point: Path) -> None:
        self._mount("-o", "loop", image, point)

    def _mount(self, *arguments: object) -> None:
        command = ["mount", *map(str, arguments)]
        if (done := subprocess.run(command, capture_output=True, check=False)).returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.decode(errors='replace').strip()}")
        self._points.append(Path(str(arguments[-1])))

    def remount(self, point: Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", point], check=True)

    def unmount(self) -> None:
        while self._points:
            subprocess.run(["umount", self._points.pop()], check=True)


@contextmanager
def mounting() -> Iterator[Mounts]:
    mounts = Mounts()
    try:
        yield mounts
    finally:
        mounts.unmount()
