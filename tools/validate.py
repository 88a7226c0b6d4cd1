#!/usr/bin/env python3
"""Compare scanner with os.walk (order) and find (set of paths) on a real tree, and print differences.

    tools/validate.py /usr
    tools/validate.py --backend pool --workers 4 /srv

The tree must not change during the run. Exit code 0: no difference; 1: differences; 2: wrong usage; 3: the tree is
unreadable, or find is missing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import scanner
from scanner.options import BACKENDS

MOST_SHOWN = 5


def order_differences(top: str, options: dict[str, Any], topdown: bool) -> Iterator[str]:
    """Yield each element and the errors in which `walk` and `os.walk` differ."""
    theirs_errors: list[str] = []
    ours_errors: list[str] = []
    theirs = os.walk(top, topdown, onerror=lambda error: theirs_errors.append(str(error)))
    ours = scanner.walk(top, topdown, onerror=lambda error: ours_errors.append(str(error)), **options)
    for number, (expected, given) in enumerate(itertools.zip_longest(theirs, ours)):
        if expected != given:
            yield f"element {number}: os.walk yields {expected!r:.200}, scanner {given!r:.200}"
    if theirs_errors != ours_errors:
        yield f"errors: os.walk has {len(theirs_errors)}, scanner {len(ours_errors)}"


def set_differences(top: str, arguments: list[str]) -> Iterator[str]:
    """Yield paths that only one of `find` and `scanner list` prints."""
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "scanner", "list", "-0", "-q", *arguments, top]
    ours = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=environment).stdout
    theirs = subprocess.run(
        ["find", top, "-print0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    ).stdout
    listed, found = set(ours.split(b"\0")), set(theirs.split(b"\0"))
    yield from (f"only find: {path!r}" for path in sorted(found - listed))
    yield from (f"only scanner: {path!r}" for path in sorted(listed - found))
    if ours.count(b"\0") != len(listed) - 1:
        yield f"scanner printed {ours.count(bytes(1)) - len(listed) + 1} paths twice"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--backend", choices=BACKENDS, default="pool")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    args = parser.parse_args()
    options = {"backend": args.backend, "max_workers": args.workers}
    arguments = ["--backend", args.backend, "--workers", str(args.workers)]
    sys.setrecursionlimit(20_000)  # os.walk of Python 3.11 is recursive
    try:
        os.scandir(args.path).close()
        checks = {
            "os.walk, top-down": order_differences(args.path, options, True),
            "os.walk, bottom-up": order_differences(args.path, options, False),
            "find": set_differences(args.path, arguments),
        }
        return report(checks)
    except scanner.OptionError as error:
        print(f"validate: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"validate: {error}", file=sys.stderr)
        return 3


def report(checks: dict[str, Iterator[str]]) -> int:
    differing = 0
    for name, differences in checks.items():
        shown = list(itertools.islice(differences, MOST_SHOWN))
        more = sum(1 for _ in differences)
        differing += bool(shown)
        print(f"{name}: {f'{len(shown) + more} differences' if shown else 'no difference'}")
        for line in shown:
            print(f"  {line}")
        if more:
            print(f"  and {more} more")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
