#!/usr/bin/env python3
"""Check an installed scanner: compare both readers and the command with `os.walk`.

    cd / && PYTHON -P tools/smoke.py compiled|python

The argument is the reader that the installation must use by default. Exit code 1: an assertion failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import scanner

LEVELS = 3


def grow(directory: Path, levels: int = LEVELS) -> None:
    """Create two files, a symbolic link and two directories on each level."""
    for name in ("a.txt", "b"):
        (directory / name).touch()
    (directory / "link").symlink_to("a.txt")
    for name in ("d", "e") if levels else ():
        (directory / name).mkdir()
        grow(directory / name, levels - 1)


def check_scan(top: Path) -> str:
    """Compare a scan with `os.walk` and return the name of the reader."""
    expected = list(os.walk(top))
    for backend in ("auto", "pool"):
        result = scanner.scan(top, backend=backend)
        assert result == expected, f"{backend} differs from os.walk"
        assert not result.errors, result.errors
    return str(result.stats.reader)


def check_command(top: Path) -> None:
    """Compare the paths that the installed command lists with those of `os.walk`."""
    command = Path(sysconfig.get_path("scripts"), "scanner")
    listed = subprocess.run([command, "list", "-0", top], check=True, capture_output=True).stdout
    found = {os.fsencode(top), *(os.fsencode(os.path.join(r, n)) for r, d, f in os.walk(top) for n in d + f)}
    assert set(listed.split(b"\0")[:-1]) == found, "scanner list differs from os.walk"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        grow(Path(scratch))
        readers = [check_scan(Path(scratch))]
        check_command(Path(scratch))
        os.environ["SCANNER_PURE"] = "1"
        readers.append(check_scan(Path(scratch)))
    assert readers == [sys.argv[1], "python"], f"readers: {readers}, expected {sys.argv[1]} by default"
    print(f"{scanner.__file__}: Python {sys.version.split()[0]}, readers {', '.join(readers)}: ok")


if __name__ == "__main__":
    main()
