"""Parsing of option values: sizes, times, types, names, users. Functions raise OptionError that names the option."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterable
from typing import Any, Literal

from scanner.errors import OptionError
from scanner.fields import TYPES
from scanner.units import bytes_of, nanoseconds_of

ALL_TYPES = "".join(TYPES.values())
"""The letters of `find -type`."""
SECONDS = re.compile(r"@[+-]?\d{1,20}(\.\d{1,30})?")
COUNT, ID = re.compile(r"([+-]?)([0-9]{1,18})"), re.compile(r"[0-9]{1,10}")
LAST_ID = (1 << 32) - 1
DATE = re.compile(r"(\d{4}-\d\d-\d\d.*?)(?:[.,](\d{1,30}))?(Z|[+-]\d\d:?\d\d)?")


def types_of(value: Any) -> str:
    """Return the letters in `value`, a string such as "f,l" or a list; all letters if it is empty."""
    letters = value.split(",") if isinstance(value, str) else strings("types", value)
    for letter in letters:
        if letter not in TYPES.values():
            raise OptionError(f"types must be some of {','.join(ALL_TYPES)}, not {letter!r}")
    return "".join(letters) or ALL_TYPES


def sizes_of(value: Any) -> tuple[tuple[str, int], ...]:
    """Return comparisons: `+1M` at least, `-10K` at most, `0` exactly."""
    return tuple(_size(each) for each in several(value))


def several(value: Any) -> Iterable[Any]:
    """Return the values of an option that takes one or several."""
    return value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]


def _size(value: Any) -> tuple[str, int]:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    size = bytes_of(text.removeprefix(sign))
    if size is None:
        raise OptionError(f"size must be a number of bytes like +1M (at least), -10K (at most) or 0, not {value!r}")
    return sign, size


def links_of(value: Any) -> tuple[tuple[str, int], ...]:
    """Return comparisons: `+1` more, `-3` fewer, `2` exactly."""
    return tuple(_links(each) for each in several(value))


def _links(value: Any) -> tuple[str, int]:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = COUNT.fullmatch(text)
    if found is None:
        raise OptionError(f"links must be a number of names like 1 (exactly), +1 (more) or -3 (fewer), not {value!r}")
    return found[1], int(found[2])


def ids_of(option: Literal["owner", "group"], value: Any) -> tuple[list[int], list[int]]:
    """Return the numbers of users or of groups: of those that are selected, and of those after a `!`."""
    names = value.split(",") if isinstance(value, str) else several(value)
    found: tuple[list[int], list[int]] = [], []
    for name in names:
        is_excluded = isinstance(name, str) and name.startswith("!")
        found[is_excluded].append(_id(option, name[1:] if is_excluded else name))
    return found


def _id(option: Literal["owner", "group"], name: Any) -> int:
    """Return the number of a user or a group. Text that is both a name and a number is a name, as `find` takes it."""
    import grp
    import pwd  # not needed otherwise

    if isinstance(name, str):
        with contextlib.suppress(KeyError, ValueError):  # a NUL or a surrogate
            return pwd.getpwnam(name).pw_uid if option == "owner" else grp.getgrnam(name).gr_gid
    number = int(name) if isinstance(name, int) or ID.fullmatch(str(name)) else -1
    if isinstance(name, bool) or not 0 <= number <= LAST_ID:
        what = {"owner": "user", "group": "group"}[option]
        raise OptionError(f"{option} must be the name or the number of a {what}; there is none with {name!r}")
    return number


def moment_of(option: str, value: Any) -> int:
    """Return nanoseconds since 1970, rounded down, of a date, of a time span ago, or of a file's modification time."""
    try:
        moment = _moment(value)
    except (OSError, ValueError, TypeError, OverflowError):
        expected = "a date like 2026-11-23 or 2026-11-23T14:30, a span like 7d, 12h or 1y, or an existing file"
        raise OptionError(f"{option} must be {expected}, not {value!r}") from None
    return moment


def _moment(value: Any) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _nanoseconds(value)
    if hasattr(value, "timestamp") or hasattr(value, "toordinal"):
        return _of_datetime(value)
    found = _from_text(value) if isinstance(value, str) else None
    return os.stat(os.fspath(value)).st_mtime_ns if found is None else found


def _from_text(text: str) -> int | None:
    """Return the moment that a text describes; None if it may be a file name."""
    span = nanoseconds_of(text)
    if span is not None:
        return time.time_ns() - span
    if SECONDS.fullmatch(text):
        return _nanoseconds(text[1:])
    date = DATE.fullmatch(text)
    if date is None:
        return None
    from datetime import datetime  # not needed otherwise

    beginning, fraction, zone = date.groups(default="")
    try:
        moment = _of_datetime(datetime.fromisoformat(beginning + zone))
    except ValueError:
        return None
    return moment + _nanoseconds(f"0.{fraction}") if fraction else moment  # datetime is limited to microseconds


def _of_datetime(value: Any) -> int:
    """Return the moment of a datetime, of a date at local midnight, or of another object with `timestamp()`.

    Does not call `datetime.timestamp`, which returns a float.
    """
    from datetime import UTC, datetime, timedelta  # not needed otherwise

    if not hasattr(value, "timestamp"):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return _nanoseconds(value.timestamp())
    beyond = getattr(value, "nanosecond", 0)  # pandas.Timestamp has it
    since = datetime.astimezone(value, UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000 + beyond


def _nanoseconds(seconds: int | float | str) -> int:
    """Convert seconds exactly. Raises ValueError or OverflowError if it is not a finite number."""
    from fractions import Fraction  # not needed otherwise

    return math.floor(Fraction(seconds) * 10**9)


def names_of(option: str, value: Iterable[Any]) -> tuple[str, ...]:
    """Return file names, which must not contain a directory."""
    names = tuple(os.fsdecode(name) for name in strings(option, value))
    for name in names:
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise OptionError(f"{option} must be file names without a directory, not {name!r}")
    return names


def strings(option: str, value: Any) -> tuple[Any, ...]:
    """Return the strings or paths of an option that takes one or several."""
    given = (value,) if isinstance(value, str | bytes | os.PathLike) else value
    if not isinstance(given, Iterable) or not all(isinstance(each, str | bytes | os.PathLike) for each in given):
        raise OptionError(f"{option} must be a string or several strings, not {value!r}")
    return tuple(given)
