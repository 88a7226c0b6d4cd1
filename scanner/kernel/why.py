"""Explain why a scan excludes a path: read the directories above it with the Reader of a scan."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple

from scanner.encoding import printable, utf8_text
from scanner.errors import OptionError
from scanner.kernel.native import NO_LIMIT
from scanner.kernel.read import Reader
from scanner.model import Fault, is_below, prefix_of, upwards
from scanner.mounts import UNKNOWN, mounted_below
from scanner.options import SELECTING, ScanOptions, flag_of


class Answer(NamedTuple):
    """Whether a scan includes a path.

    reason  why the path is excluded, or why there is no answer; None: it is included
    known   whether there is an answer
    """

    reason: str | None
    known: bool = True

    @property
    def is_included(self) -> bool | None:
        """Whether the scan includes the path; None: unknown."""
        return self.reason is None if self.known else None


def why(root: str, path: str, options: ScanOptions) -> Answer:
    """Return whether a scan of `root` includes `path`, and if not, why. Raises OptionError."""
    if not path:
        raise OptionError("PATH is empty: give the path to look for")
    options = options.starting_at([root])._replace(producers=None)
    names = _names_below(root, path)
    if names is None:
        return Answer(f"it does not lie in '{root}'", known=False)
    reader = Reader(options)
    try:
        return _down(reader, options, root, names)
    finally:
        reader.close()


def _names_below(root: str, path: str) -> list[str] | None:
    """Return the names from the root down to `path`, which is relative to the working directory or to the root."""
    places = [path] if os.path.isabs(path) else [path, os.path.join(root, path)]
    return next((names for place in places if (names := _names_to(place, root)) is not None), None)


def _names_to(place: str, root: str) -> list[str] | None:
    """Return the names below the root, as `place` spells them if the root is above it, otherwise without symlinks."""
    top, full = _without_steps_up(root), _without_steps_up(place)
    if is_below(full, top):
        return _names(full, top)
    for above in [*upwards(full)][::-1]:  # the root may be reached by a symlink
        if _is_same(above, top):
            return _names(full, above)
    real, real_top = (
        os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full)),
        os.path.realpath(top),
    )
    return _names(real, real_top) if is_below(real, real_top) else None


def _without_steps_up(path: str) -> str:
    """Return the absolute path without `..`, which after a symlink means the parent of its target."""
    names = os.path.join(os.getcwd(), path).split(os.sep)
    last = max((number for number, name in enumerate(names, 1) if name == os.pardir), default=0)
    head = os.path.realpath(os.sep.join(names[:last])) if last else ""
    return os.path.abspath(os.sep.join([head, *names[last:]]))


def _is_same(one: str, two: str) -> bool:
    try:
        return os.path.samefile(one, two)
    except OSError:
        return False


def _names(path: str, top: str) -> list[str]:
    return [name for name in path[len(top) :].split(os.sep) if name]


def _down(reader: Reader, options: ScanOptions, root: str, names: list[str]) -> Answer:
    here = root
    for count, name in enumerate(names, 1):
        part = reader.read(here, NO_LIMIT)
        if part.faults and part.faults[-1].drops_listing:
            return _not_entered(here, part.faults[-1], known=here != root)
        if name not in part.files and name not in part.dirs:
            return _missing(reader, options, here, name)
        if count < len(names):
            here = prefix_of(here) + name
            if name in part.files or name in part.links:
                return Answer(_shut(options, here, name in part.files))
        elif (
            name in part.dirs
            and name not in part.links
            and reader.sifter is not None
            and not reader.sifter.shows(prefix_of(here) + name)
        ):
            return Answer(f"it is entered, but not selected ({_selecting(reader, options, prefix_of(here) + name)})")
    if not names:
        faults = reader.read(root, NO_LIMIT).faults
        if faults and faults[-1].drops_listing:
            return _not_entered(root, faults[-1], known=False)
        if reader.sifter is not None and not reader.sifter.shows(root):
            return Answer(f"the root is entered, but not selected ({_selecting(reader, options, root)})")
    return Answer(None)


def _not_entered(directory: str, fault: Fault, *, known: bool) -> Answer:
    if fault.is_error:
        return Answer(f"'{directory}' cannot be read: {fault.message}", known=known)
    return Answer(f"'{directory}' is not entered: {fault.message}")


def _missing(reader: Reader, options: ScanOptions, directory: str, name: str) -> Answer:
    place = prefix_of(directory) + name
    try:
        mode = os.lstat(place).st_mode
    except OSError as error:
        return Answer(f"there is no '{place}': {error.strerror}", known=False)
    sifter = reader.sifter
    rule = sifter.filter.rule_excluding(directory, name, stat.S_ISDIR(mode)) if sifter is not None else None
    if rule is not None:
        return Answer(f"'{place}' is excluded by {rule}")
    if stat.S_ISDIR(mode):
        return Answer(f"'{place}' is excluded by prune")
    return Answer(f"no rule excludes it, but it is not selected ({_selecting(reader, options, place)})")


def _selecting(reader: Reader, options: ScanOptions, place: str) -> str:
    """Return the flag of the condition that an entry does not meet, otherwise all flags that select."""
    unmet = None
    if reader.sifter is not None:
        with contextlib.suppress(OSError):
            unmet = reader.sifter.filter.selection.unmet(os.stat(place, follow_symlinks=options.followlinks))
    return flag_of(unmet.option) if unmet else ", ".join(flag_of(name) for name in SELECTING if name in options.given)


def _shut(options: ScanOptions, place: str, is_file: bool) -> str:
    """Return why a directory above the path is not entered."""
    if os.path.islink(place):
        return f"'{place}' is a link, which is not followed"
    if is_file:
        return f"'{place}' is no directory"
    if place in options.barred:
        kinds = dict(mounted_below(options.roots))
        kind = printable(utf8_text(kinds.get(place, UNKNOWN)))
        return f"'{place}' is not entered: a file system is mounted there ({kind})"
    return f"'{place}' is not entered: --max-depth {options.max_depth}"
