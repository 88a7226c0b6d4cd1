"""Conditions on the status of an entry: a value of it, masked, lies in one of several ranges. _conditions.h evaluates
the same for the compiled walker.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from scanner.fields import COLUMNS, FIRST, LAST, NULL
from scanner.filters import values
from scanner.filters.perm import ALL_BITS, perm_of

Range = tuple[float, float]
"""The least and the greatest value, whole numbers or infinite."""
MOMENTS = {"": "mtime_ns", "_atime": "atime_ns", "_ctime": "ctime_ns"}
"""Endings of the options `newer` and `older`, and the time that each compares."""


class Condition(NamedTuple):
    """One condition. All conditions of a scan must hold.

    option   that sets it
    field    of the status, as in STATUS
    ranges   of which one must hold the value
    mask     bits of the value to compare
    """

    option: str
    field: str
    ranges: tuple[Range, ...]
    mask: int = -1

    @property
    def is_exact(self) -> bool:
        """Whether 64-bit columns decide it: times beyond these are clamped to FIRST and LAST."""
        ends = (end for least, most in self.ranges for end in (least - 1, most))
        return all(FIRST <= end < LAST for end in ends if not math.isinf(end))


def packed(conditions: Sequence[Condition]) -> bytes:
    """Return conditions that are exact as the compiled walker takes them: see _conditions.h."""
    rows = array("q")
    for each in conditions:
        for number, (least, most) in enumerate(each.ranges, 1):
            ends = int(max(least, NULL)), int(min(most, LAST))
            rows.extend((COLUMNS.index(each.field), each.mask, *ends, number == len(each.ranges)))
    return rows.tobytes()


class Conditions:
    """Evaluates conditions, all of which must hold."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = [(attrgetter(f"st_{each.field}"), each.mask, each.ranges, each) for each in conditions]

    def unmet(self, status: Any) -> Condition | None:
        """Return the first condition that does not hold for the status of an entry."""
        for value_of, mask, ranges, condition in self._conditions:
            value = value_of(status) & mask
            if not any(low <= value <= high for low, high in ranges):
                return condition
        return None

    def __bool__(self) -> bool:
        return bool(self._conditions)


class Selected(NamedTuple):
    """The conditions of a scan: of directories, and of all other entries."""

    others: tuple[Condition, ...]
    directories: tuple[Condition, ...]


def conditions_of(options: Any) -> Selected:
    """Return the conditions that `options`, a ScanOptions, sets. Raises OptionError."""
    common = (
        *_moments(options), *_ids("owner", "uid", options.owner),
        *_ids("group", "gid", options.group), *_links(options.links),
    )  # fmt: skip
    modes, directory_modes = _modes(options.perm)
    empty = [Condition("empty", "size", ((0, 0),))] if options.empty else []
    return Selected((*_sizes(options.size), *empty, *common, *modes), (*common, *directory_modes))


def _sizes(given: Any) -> Iterator[Condition]:
    for sign, size in values.sizes_of(given):
        low, high = (-math.inf if sign == "-" else size), (math.inf if sign == "+" else size)
        yield Condition("size", "size", ((low, high),))


def _moments(options: Any) -> Iterator[Condition]:
    for ending, field in MOMENTS.items():
        newer, older = f"newer{ending}", f"older{ending}"
        if (given := getattr(options, newer)) is not None:
            yield Condition(newer, field, ((values.moment_of(newer, given) + 1, math.inf),))
        if (given := getattr(options, older)) is not None:
            yield Condition(older, field, ((-math.inf, values.moment_of(older, given)),))


def _ids(option: Literal["owner", "group"], field: str, given: Any) -> Iterator[Condition]:
    selected, excluded = values.ids_of(option, given)
    if selected:
        yield Condition(option, field, tuple((number, number) for number in selected))
    for number in excluded:
        yield Condition(option, field, ((-math.inf, number - 1), (number + 1, math.inf)))


def _links(given: Any) -> Iterator[Condition]:
    for sign, count in values.links_of(given):
        low, high = {"": (count, count), "+": (count + 1, math.inf), "-": (-math.inf, count - 1)}[sign]
        yield Condition("links", "nlink", ((low, high),))


def _modes(given: Any) -> tuple[list[Condition], list[Condition]]:
    """Return the conditions of files and of directories: an X in a mode is a bit of directories alone."""
    found: tuple[list[Condition], list[Condition]] = [], []
    for how, *modes in map(perm_of, values.several(given)):
        for mode, conditions in zip(modes, found, strict=True):
            if how == "":
                conditions.append(Condition("perm", "mode", ((mode, mode),), ALL_BITS))
            elif mode and how == "-":
                conditions.append(Condition("perm", "mode", ((mode, mode),), mode))
            elif mode:
                conditions.append(Condition("perm", "mode", ((1, mode),), mode))
    return found
