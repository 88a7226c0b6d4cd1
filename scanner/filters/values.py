"""Sizes, times and types, from what a caller writes. All raise OptionError that begins with the option's name."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable
from typing import Any

from scanner.errors import OptionError
from scanner.filters.select import TYPES
from scanner.units import bytes_of, nanoseconds_of

SECONDS = re.compile(r"@[+-]?\d{1,20}(\.\d{1,30})?")
DATE = re.compile(r"(\d{4}-\d\d-\d\d.*?)(?:[.,](\d{1,30}))?(Z|[+-]\d\d:?\d\d)?")


def types_of(value: Any) -> str:
    """Letters of find: any of f, d, l, p, s, b, c."""
    letters = value.split(",") if isinstance(value, str) else strings("types", value)
    for letter in letters:
        if letter not in TYPES:
            raise OptionError(f"types must be some of {','.join(TYPES)}, not {letter!r}")
    return "".join(letters)


def sizes_of(value: Any) -> tuple[tuple[str, int], ...]:
    """`+1M`: at least; `-10K`: at most; `0`: exactly."""
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(_size(each) for each in values)


def _size(value: Any) -> tuple[str, int]:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    size = bytes_of(text.removeprefix(sign))
    if size is None:
        raise OptionError(f"size must be a number of bytes like +1M (at least), -10K (at most) or 0, not {value!r}")
    return sign, size


def moment_of(option: str, value: Any) -> int:
    """Nanoseconds since 1970, rounded down: of a date, of so long ago, or of the last change of a file."""
    try:
        moment = _moment(value)
    except (OSError, ValueError, TypeError, OverflowError):
        what = "a date like 2026-11-23 or 2026-11-23T14:30, a span like 7d, 12h or 1y, or a file that is there"
        raise OptionError(f"{option} must be {what}, not {value!r}") from None
    return moment


def _moment(value: Any) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _nanoseconds(value)
    if hasattr(value, "timestamp") or hasattr(value, "toordinal"):
        return _of_datetime(value)
    found = _written(value) if isinstance(value, str) else None
    return os.stat(os.fspath(value)).st_mtime_ns if found is None else found


def _written(text: str) -> int | None:
    span = nanoseconds_of(text)
    if span is not None:
        return time.time_ns() - span
    if SECONDS.fullmatch(text):
        return _nanoseconds(text[1:])
    date = DATE.fullmatch(text)
    if date is None:
        return None
    from datetime import datetime  # seldom needed

    beginning, fraction, zone = date.groups(default="")
    try:
        moment = _of_datetime(datetime.fromisoformat(beginning + zone))
    except ValueError:  # the name of a file, perhaps
        return None
    return moment + _nanoseconds(f"0.{fraction}") if fraction else moment  # datetime has microseconds only


def _of_datetime(value: Any) -> int:
    """Of a datetime, a date (its local midnight), or what has a `timestamp`: that of a datetime is a float."""
    from datetime import UTC, datetime, timedelta  # seldom needed

    if not hasattr(value, "timestamp"):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return _nanoseconds(value.timestamp())
    beyond = getattr(value, "nanosecond", 0)  # of pandas
    since = datetime.astimezone(value, UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000 + beyond


def _nanoseconds(seconds: int | float | str) -> int:
    """Raises ValueError and OverflowError for what is no number."""
    from fractions import Fraction  # seldom needed

    return math.floor(Fraction(seconds) * 10**9)


def names_of(option: str, value: Iterable[Any]) -> tuple[str, ...]:
    """Names of files, without a directory."""
    names = tuple(os.fsdecode(name) for name in strings(option, value))
    for name in names:
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise OptionError(f"{option} must be names of files without a directory, not {name!r}")
    return names


def strings(option: str, value: Any) -> tuple[Any, ...]:
    """One or several."""
    several = (value,) if isinstance(value, str | bytes | os.PathLike) else value
    if not isinstance(several, Iterable) or not all(isinstance(each, str | bytes | os.PathLike) for each in several):
        raise OptionError(f"{option} must be text, or several, not {value!r}")
    return tuple(several)
