"""Reading one directory: the one place that asks the file system."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from scanner.model import Fault, Listing, Path

LinkRule = Literal["mark", "enter", "file"]
"""What a link to a directory is: a directory that is not entered (`os.walk`), one that is entered
(`followlinks`), or no directory at all (`find`: costs no `stat` of the target)."""

Part = tuple[list[Any], list[Any], list[Any], list[Fault]]
"""Directory names, those of them that are marked links, all other names, faults."""


def read(path: Path, entries: Iterator[os.DirEntry[Any]], limit: int, links: LinkRule) -> Part:
    """Sort the next `limit` entries of an open directory into directories and the rest.

    An entry whose type cannot be asked is a file, as in `os.walk`, and a Fault `stat`. When the listing breaks
    off, what was read is returned and the last Fault has the operation `read`. Fewer entries than
    `limit` mean that the directory is at its end and closed.
    """
    dirs: list[Any] = []
    marked: list[Any] = []
    files: list[Any] = []
    faults: list[Fault] = []
    follow = links != "file"
    mark = links == "mark"
    try:
        for entry in islice(entries, limit):
            try:
                is_dir = entry.is_dir(follow_symlinks=follow)
            except OSError as error:
                is_dir = False
                faults.append(Fault.of(error, entry.path, "stat"))
            if is_dir:
                dirs.append(entry.name)
                if mark and entry.is_symlink():
                    marked.append(entry.name)
            else:
                files.append(entry.name)
    except OSError as error:
        faults.append(Fault.of(error, path, "read"))
    return dirs, marked, files, faults


def list_directory(path: Path, links: LinkRule) -> Listing | Fault:
    """The whole listing of `path`, or why there is none."""
    try:
        entries = os.scandir(path)
    except OSError as error:
        return Fault.of(error, path, "open")
    dirs, marked, files, faults = read(path, entries, sys.maxsize, links)
    if faults and faults[-1].operation == "read":
        return faults[-1]
    return Listing(path, dirs, marked, files)
