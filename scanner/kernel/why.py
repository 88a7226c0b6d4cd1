"""Why something is not in a scan: the way down to it, read by the same Reader."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from scanner.errors import OptionError
from scanner.kernel.pack import LIST
from scanner.kernel.read import Reader
from scanner.model import Fault, prefix_of
from scanner.mounts import mounted_below
from scanner.options import ScanOptions

ALL = 1 << 62  # entries


class Answer(NamedTuple):
    """`reason`: why it is out; None: it is in. `known`: else it cannot be told, and `reason` says why not."""

    reason: str | None
    known: bool = True


def why(root: str, path: str, options: ScanOptions) -> Answer:
    """Whether a scan of `root` shows `path`, and if not, why. Raises OptionError."""
    if not path:
        raise OptionError("PATH is empty: say what to look for")
    options = options.starting_at([root])._replace(sinks=None)
    names = _names_below(root, path)
    if names is None:
        return Answer(f"it does not lie in '{root}'", known=False)
    reader = Reader(options, LIST)
    try:
        return _down(reader, options, root, names)
    finally:
        reader.close()


def _names_below(root: str, path: str) -> list[str] | None:
    """The names on the way from the root to `path`, which may be relative to where we are, or to the root."""
    top, full = os.path.abspath(root), os.path.abspath(path)
    if full != top and not full.startswith(prefix_of(top)) and not os.path.isabs(path):
        full = os.path.abspath(os.path.join(root, path))
    if full == top:
        return []
    return full[len(prefix_of(top)) :].split(os.sep) if full.startswith(prefix_of(top)) else None


def _down(reader: Reader, options: ScanOptions, root: str, names: list[str]) -> Answer:
    here = root
    for count, name in enumerate(names, 1):
        dirs, links, files, _, faults, _, _ = reader.read(here, ALL)
        if faults and faults[-1].drops_listing:
            return _not_entered(here, faults[-1], known=here != root)
        if name not in files and name not in dirs:
            return _missing(reader, here, name)
        if count < len(names):
            here = prefix_of(here) + name
            if name in files or name in links:
                return Answer(_shut(options, here, name in files))
        elif name in dirs and reader.sifter is not None and not reader.sifter.shows(prefix_of(here) + name):
            return Answer(
                "directories like this are entered, but not shown (--include, --min-depth, --type, --size, dates)"
            )
    if not names:
        faults = reader.read(root, ALL)[4]
        if faults and faults[-1].drops_listing:
            return _not_entered(root, faults[-1], known=False)
        if reader.sifter is not None and not reader.sifter.shows(root):
            return Answer("the root is entered, but not shown")
    return Answer(None)


def _not_entered(directory: str, fault: Fault, *, known: bool) -> Answer:
    if fault.is_error:
        return Answer(f"'{directory}' cannot be read: {fault.message}", known=known)
    return Answer(f"'{directory}' is not entered: {fault.message}")


def _missing(reader: Reader, directory: str, name: str) -> Answer:
    place = prefix_of(directory) + name
    try:
        mode = os.lstat(place).st_mode
    except OSError as error:
        return Answer(f"there is no '{place}': {error.strerror}", known=False)
    sifter = reader.sifter
    rule = sifter.filter.why_out(directory, name, stat.S_ISDIR(mode)) if sifter is not None else None
    if rule is not None:
        return Answer(f"'{place}' is left out by {rule}")
    if stat.S_ISDIR(mode):
        return Answer(f"'{place}' is left out by prune")
    return Answer("nothing leaves it out, but it is not selected (--include, --min-depth, --type, --size, dates)")


def _shut(options: ScanOptions, place: str, is_file: bool) -> str:
    """Why something on the way is not gone through."""
    if os.path.islink(place):
        return f"'{place}' is a link, which is not followed"
    if is_file:
        return f"'{place}' is no directory"
    kinds = dict(mounted_below(options.roots))
    if place in options.barred:
        return f"'{place}' is not entered: a file system is mounted there ({kinds.get(place, 'unknown')})"
    return f"'{place}' is not entered: --max-depth {options.max_depth}"
