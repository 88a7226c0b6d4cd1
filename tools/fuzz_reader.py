#!/usr/bin/env python3
"""Compare the compiled reader with the one in Python, on random trees, with random options.

    tools/fuzz_reader.py --seconds 60 --seed 1

Each round has its own seed, the next number: `--seed` repeats a round that differs.
"""

from __future__ import annotations

import argparse
import contextlib
import marshal
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from scanner.backends.heartbeat import SIZE, Heartbeat
from scanner.fields import STATUS
from scanner.kernel.native import native
from scanner.kernel.producers.base import apart
from scanner.kernel.producers.ncdu import NCDU_FIELDS
from scanner.kernel.producers.sizes import SIZE_FIELDS
from scanner.kernel.producers.summary import SUMMARY_FIELDS
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Fault, Task, names
from scanner.options import ProducerSpec, ScanOptions

BYTES = [bytes([byte]) for byte in range(1, 256) if byte != ord("/")]
NOT_COMPARED = ("seconds", "cpu", "opening", "slow", "listings", "output", "size", "requests")  # those are estimates
COMPARED = [name for name in Chunk.__slots__ if name not in NOT_COMPARED]
MARSHALLED = ("profile", "sizes", "summary")  # equal values may be written in two ways
ASKABLE = [name for name in STATUS if name != "atime_ns"]  # times of access change with us
PRODUCERS: list[tuple[tuple[ProducerSpec, ...] | None, Any]] = [
    (None, False), ((), False),
    ((ProducerSpec("paths", (b"\n",)),), False), ((ProducerSpec("paths", (b"\0",)),), False),
    ((ProducerSpec("table", (("size", "ino"),)),), ("size", "ino")), ((ProducerSpec("profile", (3,)),), False),
    ((ProducerSpec("text", ("ndjson", ("type", "size"))),), ("size", "mode")),
    ((ProducerSpec("text", ("csv", ("size", "mtime_ns"))),), ("size", "mtime_ns")),
    ((ProducerSpec("ncdu"),), NCDU_FIELDS),
    ((ProducerSpec("sizes", (None, False)),), SIZE_FIELDS), ((ProducerSpec("summary", (0, 3)),), SUMMARY_FIELDS),
]  # fmt: skip
STIRRED = re.compile(rb"(/keep|/\d+(/a(/b)?)?)?")  # what may be below `moving`


def any_name(rng: random.Random) -> bytes:
    letters = BYTES if rng.random() < 0.5 else BYTES[32:125]
    name = b"".join(rng.choices(letters, k=rng.choice((1, 2, 3, 8, 30, 254, 255)))).replace(b".", b":")
    return b"." + name[:254] if rng.random() < 0.1 else name


def any_pattern(rng: random.Random) -> str:
    """That takes out something, now and then."""
    letters = "".join(rng.choices("abc+-7x", k=rng.randint(1, 2)))
    return rng.choice(("{}", "*{}", "{}*", "/{}", "{}/", "!*{}", "*{}*", "[{}]*", "**/{}", "{}/**")).format(letters)


def comparisons(rng: random.Random) -> dict[str, Any]:
    """Options that the compiled walker applies itself."""
    choices = {
        "max_depth": (1, 2, 3, 5),
        "min_depth": (1, 2, 4),
        "hidden": (False,),
        "types": ("f", "d", "l", "f,d", "p,l"),
    }
    conditions = {
        "size": ("0", "+1"), "newer": ("1h",), "older_ctime": ("1h",), "owner": ("0", "!0"), "links": ("1", "+2"),
        "perm": ("700", "-u+w", "/u+r,o+X"), "empty": (True,),
    }  # fmt: skip
    chosen = {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.5}
    return chosen | {name: rng.choice(values) for name, values in conditions.items() if rng.random() < 0.1}


def grow(rng: random.Random, top: bytes, depth: int, size: int) -> None:
    """Entries of every kind in the directory `top`, and below."""
    for _ in range(rng.choice((0, 1, 2, size, size))):
        path, kind = os.path.join(top, any_name(rng)), rng.choice("ffffddddlpu")
        with contextlib.suppress(FileExistsError):
            if kind in "fp":
                (os.mknod if kind == "f" else os.mkfifo)(path)
            elif kind == "l":
                os.symlink(rng.choice((b".", b"..", b"nothing", path, *sorted(os.listdir(top))[:3])), path)
            else:
                os.mkdir(path)
                if depth:
                    grow(rng, path, depth - 1, size)
                os.chmod(path, rng.choice((0, 0o100, 0o400, 0o500)) if kind == "u" else 0o700)


def dig(rng: random.Random, top: bytes, depth: int) -> None:
    """A chain of directories, with another beside it here and there, and longer than a path may be."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        name = any_name(rng)[: rng.choice((1, 1, 40))] + b".d"
        for each in (name, b".e")[: rng.choice((1, 1, 2))]:
            os.mkdir(each, dir_fd=here)
        here, above = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)


def plant(rng: random.Random, top: bytes, limit: int) -> None:
    os.makedirs(top)
    grow(rng, top, rng.randrange(4), rng.choice((3, 8, 14)))
    if rng.random() < 0.3:
        dig(rng, top, rng.choice((20, 300, 700)))
    if rng.random() < 0.4 and limit <= 3000:
        os.mkdir(huge := os.path.join(top, b".huge"))
        for number in range(limit * rng.choice((1, 1, 2)) + rng.choice((-1, 0, 1))):
            make: Any = os.mkdir if number % 50 == 7 else os.mknod
            make(os.path.join(huge, b"%d" % number + b"x" * rng.choice((0, 100))))


@contextlib.contextmanager
def stirred(moving: bytes) -> Iterator[None]:
    """Directories in `moving` come and go meanwhile, and so do links in their place that lead out."""
    ended = threading.Event()

    def stir() -> None:
        for number in iter(lambda: -1 if ended.is_set() else random.randrange(30), -1):
            path = os.path.join(moving, b"%d" % number)
            with contextlib.suppress(OSError):
                os.unlink(path) if os.path.islink(path) else os.removedirs(os.path.join(path, b"a/b"))
            with contextlib.suppress(OSError):
                os.symlink(b"..", path) if number % 2 else os.makedirs(os.path.join(path, b"a/b"))

    os.makedirs(os.path.join(moving, b"keep"))
    thread = threading.Thread(target=stir)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def walked(
    options: ScanOptions, task: Task, most_open: int, joined: bool, moving: bytes | None, news: int, *, slow: bool
) -> Any:
    """What all Chunks hold, from the roots to the end; if they end anywhere, Listings, but for what is `moving`.

    `slow`: as if each directory had been.
    """
    seen, faults, kinds = list[Any](), list[Any](), [producer.kind for producer in options.producers or ()]
    walker = Walker(options, joined=joined, most_open=most_open, place=Heartbeat(memoryview(bytearray(SIZE))))
    try:
        while task.directories:
            walker._reader.wary |= slow
            chunk = walker.walk(task, lambda: news >= 0, news)
            listed = [(path, *map(names, packed)) for path, *packed in chunk]
            if moving is None and news < 0:
                made = zip(kinds, apart(chunk.output, len(kinds)), strict=True) if kinds else ()
                seen += listed, [marshal.loads(each) if kind in MARSHALLED else bytes(each) for kind, each in made]
                seen.append([getattr(chunk, name) for name in COMPARED])
            for each in [*listed, *chunk.faults] if moving is not None or news >= 0 else ():
                path = os.fsencode(each[0])
                if moving is None or not path.startswith(moving):
                    (faults if isinstance(each, Fault) else seen).append(each)
                elif not STIRRED.fullmatch(path[len(moving) :]):
                    seen.append((f"got out by a link: {path!r}", [joined], [], []))
            rules = {**task.rules, **chunk.rules}
            task = task._replace(directories=chunk.leftovers, position=chunk.position, rules=rules)
    finally:
        walker.close()
    return (whole(seen) if moving is not None or news >= 0 else seen), faults


def whole(listings: list[Any]) -> list[Any]:
    """Join the parts of huge directories, which end elsewhere."""
    joined: list[Any] = []
    for path, *names_of in listings:
        if joined and joined[-1][0] == path:
            for ours, more in zip(joined[-1][1:], names_of, strict=True):
                ours.extend(more)
        else:
            joined.append((path, *map(list, names_of)))
    return joined


def play(seed: int, folder: bytes) -> bool:
    """One round: whether both say the same, with nothing left open."""
    rng = random.Random(seed)
    limit, seconds = rng.choice((1, 7, 100, 1000, 20_000, 1 << 20)), rng.choice((0.0, 60.0, 60.0, 60.0))
    top = os.path.join(folder, any_name(rng))
    plant(rng, top, limit)
    loose = rng.random() < 0.3  # without regard to where Chunks end
    producers, fields = (None, False) if loose else rng.choice(PRODUCERS)
    if producers is None and not loose and rng.random() < 0.6:
        fields = tuple(rng.sample(ASKABLE, rng.randint(1, len(ASKABLE))))
    special: dict[str, Any] = rng.choice([{}] * 5 + [{"followlinks": True, "detect_loops": True, "max_depth": 3}])
    special = rng.choice([special] * 5 + [{"one_file_system": True}, {"partial_listings": True}])
    if not special and rng.random() < 0.4:
        special = {"exclude": tuple(any_pattern(rng) for _ in range(rng.randint(1, 9)))}
    if "followlinks" not in special and rng.random() < 0.5:
        special = {**special, **comparisons(rng)}
    moves = loose and "followlinks" not in special and rng.random() < 0.5
    moving = os.path.join(top, b".moving") if moves else None
    path: Any = top if producers is None and rng.random() < 0.5 else os.fsdecode(top)
    end: Any = rng.choice((path[:0], path[:0], b"/" if isinstance(path, bytes) else "/"))
    some = sorted(each.path for each in os.scandir(path) if os.path.isdir(each.path))[: rng.choice((0, 0, 2))]
    roots = (path + end, *([] if moves or fields is NCDU_FIELDS else some))
    quota = rng.choice((0, 0, 1, 5, 30)) if loose else 0  # of requests, which the reader in Python estimates
    task = Task(1, list(roots), 0, limit, seconds, quota, rng.choice((1, 4)))
    most_open, joined, opened = rng.choice((1, 2, 8, 48)), rng.random() < 0.8, len(os.listdir("/proc/self/fd"))
    slow = rng.random() < 0.5
    reader, writer = os.pipe()
    os.write(writer, b"news")
    with stirred(moving) if moving is not None else contextlib.nullcontext():
        found = []
        for pure in (False, True):
            options = ScanOptions(producers=producers, stat=fields, pure=pure, **special).starting_at(roots)
            found.append(walked(options, task, most_open, joined, moving, reader if loose else -1, slow=slow))
    os.close(reader)
    os.close(writer)
    return bool(found[0] == found[1]) and opened == len(os.listdir("/proc/self/fd"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    arguments = parser.parse_args()
    if native() is None:
        parser.error("the compiled reader was not built")
    started, seed = time.monotonic(), arguments.seed
    while time.monotonic() - started < arguments.seconds:
        with tempfile.TemporaryDirectory() as folder:
            same = play(seed, os.fsencode(folder))
            subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
            subprocess.run(f'rm -rf -- "{folder}"/*', shell=True, check=True)  # too deep for Python
        if not same:
            print(f"round {seed} differs")
            return 1
        seed += 1
    print(f"{seed - arguments.seed} rounds, all the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
