"""Change a tree while it is scanned, as fast as one process can. Stable entries must be found all the same."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

STABLE = 40


def make_stable(top: Path) -> tuple[set[str], set[str]]:
    """Make directories and files that never change, and return their paths."""
    directories, files = {str(top)}, set()
    for number in range(STABLE):
        place = top / f"stable{number % 8}" / f"stable{number}"
        place.mkdir(parents=True)
        directories |= {str(place.parent), str(place)}
        for name in range(5):
            (place / f"file{name}").touch()
            files.add(str(place / f"file{name}"))
    return directories, files


def churn(top: str, outside: str) -> Iterator[None]:
    """Make, rename, remove and replace directories by files and symlinks, also to `outside`; one change per step."""
    chance = random.Random(1)
    homes = [root for root, _, _ in os.walk(top)]
    while True:
        path = f"{chance.choice(homes)}/c{chance.randrange(6)}"
        elsewhere = f"{chance.choice(homes)}/c{chance.randrange(6)}"
        with contextlib.suppress(OSError):
            match chance.randrange(6):
                case 0 | 1:
                    os.makedirs(f"{path}/c1/c2", exist_ok=True)
                case 2:
                    os.rename(path, elsewhere)
                case 3:
                    shutil.rmtree(path)
                case 4:
                    _replace(path)
                    os.symlink(chance.choice([outside, top, "nowhere"]), path)
                case 5:
                    _replace(path)
                    Path(path).touch()
        yield


def _replace(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


if __name__ == "__main__":  # TOP OUTSIDE SECONDS; prints a line after the first changes
    end = time.monotonic() + float(sys.argv[3])
    for number, _ in enumerate(churn(sys.argv[1], sys.argv[2])):
        if number == 100:
            print("changing", flush=True)
        if time.monotonic() > end:
            break
