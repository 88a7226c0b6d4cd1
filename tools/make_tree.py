#!/usr/bin/env python3
"""Build a seeded synthetic tree: the same arguments give the same names in the same places.

    tools/make_tree.py monorepo /tmp/tree --directories 30000 --files 600000

Profiles
    monorepo  directories of 2 to 9 children to a depth of about 9, files spread unevenly
    skewed    the same, but 95 % of everything lies under one top-level directory
    flat      one directory that holds all the files
    chains    chains of 200 directories
    deep      the same, and a chain of 5,000 (beyond PATH_MAX: created by file descriptor)
    odd       newlines, control characters, names that are not UTF-8, 255-byte names, symlinks of all
              kinds (also to ancestors and broken ones), FIFOs, sockets, empty directories
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

SUFFIXES = (".py", ".c", ".h", ".md", ".json", ".txt", ".go", ".ts", "")
ODD_NAMES = (
    b"new\nline",
    b"carriage\rreturn",
    b"tab\tbed",
    b"bell\x07",
    b"escape\x1b[31mred",
    b" leading",
    b"trailing ",
    b"-rf",
    b"*",
    b"quote'\"",
    b"back\\slash",
    b"\xff\xfe",
    b"latin-\xe9",
    b"half-\xc3",
    b"surrogate-\xed\xa0\x80",
    "composed-é".encode(),
    "decomposed-e\u0301".encode(),
    "bidi-\u202egnp".encode(),
    "🗂️".encode(),
    b"\x01",
    b"\x7f",
)


class Grower:
    """Spread directories and files over a tree, breadth first, from one random number generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def directories(self, top: Path, count: int, named: str = "d") -> list[Path]:
        """Create `count` directories below `top` and return them, parents first."""
        made: list[Path] = []
        open_parents = [top]
        position = 0
        while len(made) < count:
            parent = open_parents[position]
            position += 1
            for index in range(min(self.rng.randint(2, 9), count - len(made))):
                child = parent / f"{named}{index}_{self.rng.randrange(10_000)}"
                child.mkdir()
                made.append(child)
                open_parents.append(child)
        return made

    def files(self, places: list[Path], count: int) -> None:
        """Create `count` empty files in `places`: a few directories get many, most get few."""
        weights = [self.rng.paretovariate(1.6) for _ in places]
        scale = count / sum(weights)
        shares = [int(weight * scale) for weight in weights]
        for index in range(count - sum(shares)):
            shares[index % len(shares)] += 1
        for place, share in zip(places, shares, strict=True):
            touch_all(place, (f"file_{i}_{self.rng.randrange(1000)}{self.rng.choice(SUFFIXES)}" for i in range(share)))


def touch_all(directory: Path, names: Iterator[str]) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=descriptor))
    finally:
        os.close(descriptor)


def monorepo(top: Path, directories: int, files: int, rng: random.Random) -> None:
    grower = Grower(rng)
    grower.files([top, *grower.directories(top, directories)], files)


def skewed(top: Path, directories: int, files: int, rng: random.Random) -> None:
    heavy, light = top / "heavy", top / "light"
    heavy.mkdir()
    light.mkdir()
    share = directories * 95 // 100
    monorepo(heavy, max(0, share - 1), files * 95 // 100, rng)
    monorepo(light, max(0, directories - share - 1), files - files * 95 // 100, rng)


def flat(top: Path, directories: int, files: int, rng: random.Random) -> None:
    for index in range(directories):
        (top / f"d{index}").mkdir()
    touch_all(top, (f"file_{i}_{rng.randrange(1000)}{rng.choice(SUFFIXES)}" for i in range(files)))


def deep(top: Path, directories: int, files: int, rng: random.Random) -> None:
    chain(top, "bottomless", 5000)
    chains(top, directories, files, rng)


def chains(top: Path, directories: int, files: int, _: random.Random) -> None:
    count = max(1, round(directories / 200))
    for index in range(count):
        chain(top, f"chain{index}", 200, files // count)


def chain(top: Path, name: str, levels: int, files: int = 0) -> None:
    """Create a chain of `levels` directories with `files` along it, by file descriptor: paths may exceed PATH_MAX."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(levels):
        step = name if level == 0 else "d"
        os.mkdir(step, dir_fd=descriptor)
        below = os.open(step, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
        for index in range(files * (level + 1) // levels - files * level // levels):
            os.close(os.open(f"f{index}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=descriptor))
    os.close(descriptor)


def odd(top: Path, directories: int, files: int, rng: random.Random) -> None:
    grower = Grower(rng)
    places = [top, *grower.directories(top, directories)]
    for index, name in enumerate(ODD_NAMES):
        place = os.fsencode(rng.choice(places))
        (os.mkdir if index % 2 else touch)(place + b"/" + name)
    for place in places[:: max(1, len(places) // 20)]:
        odd_entries(place, top, rng)
    grower.files(places, files)


def odd_entries(place: Path, top: Path, rng: random.Random) -> None:
    touch(os.fsencode(place) + b"/" + b"x" * 255)
    (place / ("y" * 255)).mkdir()
    (place / "link-to-file").symlink_to("x" * 255)
    (place / "link-to-directory").symlink_to("y" * 255)
    (place / "link-to-nothing").symlink_to(f"missing-{rng.randrange(1000)}")
    (place / "link-to-itself").symlink_to("link-to-itself")
    (place / "link-outside").symlink_to("/")
    (place / "link-to-link").symlink_to("link-to-directory")
    os.mkfifo(place / "fifo")
    bind_socket(place / "socket")
    if place != top:
        (place / "link-to-parent").symlink_to("..")


def touch(path: bytes) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def bind_socket(path: Path) -> None:
    """Bind through the file descriptor of the directory: addresses of Unix sockets are short."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{descriptor}/{path.name}")
    finally:
        os.close(descriptor)


Profile = Callable[[Path, int, int, random.Random], None]
PROFILES: dict[str, Profile] = {p.__name__: p for p in (monorepo, skewed, flat, chains, deep, odd)}


def make_tree(profile: str, top: str | Path, directories: int, files: int, seed: int = 1) -> None:
    """Build `profile` in `top`, which must not exist or be empty. Raises OSError."""
    top = Path(top)
    top.mkdir(parents=True, exist_ok=True)
    if any(top.iterdir()):
        raise FileExistsError(f"{top} is not empty")
    PROFILES[profile](top, directories, files, random.Random(seed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("top", type=Path, help="the directory to build in: new or empty")
    parser.add_argument("--directories", type=int, default=3000, metavar="N")
    parser.add_argument("--files", type=int, default=60000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    args = parser.parse_args()
    try:
        make_tree(args.profile, args.top, args.directories, args.files, args.seed)
    except OSError as error:
        print(f"make_tree: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
