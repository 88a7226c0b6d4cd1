"""Which snapshot a text names: `STORE@41`, `STORE@-1`, `STORE@-7d`, `STORE@2026-11-28`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence

from scanner.errors import OptionError
from scanner.units import SECOND, nanoseconds_of

FORMS = "a number (41), a count from the end (-1), an age (-7d), or a date (2026-11-28, 2026-11-28T02:00)"


def split_store(text: str) -> tuple[str, str]:
    """Return the path of a store, and which snapshot: without `@` the newest one. A path may contain `@`."""
    path, at, which = text.rpartition("@")
    if not at or "/" in which or os.path.exists(text):
        return text, "-1"
    return path, which


def chosen(which: str | int, numbers: Sequence[int], began: Sequence[float]) -> int:
    """Return the number of the snapshot that `which` names, among those with these numbers and starts, in their order.

    An age or a date names the last snapshot that began before it ended: `-7d` is the newest one that is 7 days old or
    more, `2026-11-28` the last one of that day. Raises OptionError.
    """
    if not numbers:
        raise OptionError("the store has no finished snapshot")
    text = str(which)
    if re.fullmatch(r"-[0-9]{1,7}", text) and int(text) < 0:
        if -int(text) > len(numbers):
            raise OptionError(f"@{text}: the store has {len(numbers)} snapshots")
        return numbers[int(text)]
    if re.fullmatch(r"[0-9]{1,7}", text):
        if int(text) not in numbers:
            raise OptionError(f"@{text}: there is no finished snapshot of this number; there are {ranges(numbers)}")
        return int(text)
    from datetime import datetime  # takes 2 ms: not needed otherwise

    end = end_of(text)
    found = [number for number, start in zip(numbers, began, strict=True) if start < end]
    if not found:
        first = datetime.fromtimestamp(began[0]).strftime("%Y-%m-%d %H:%M:%S")
        raise OptionError(f"@{text}: the first snapshot is of {first}")
    return found[-1]


def end_of(text: str) -> float:
    """Return the end, in seconds since 1970, of the day or moment that a text names. Raises OptionError."""
    from datetime import datetime, timedelta

    if text.startswith("-") and (age := nanoseconds_of(text[1:])) is not None:
        return time.time() - age / SECOND
    try:
        moment = datetime.fromisoformat(text)
        return (moment + timedelta(days=1) if len(text) <= 10 else moment + timedelta(microseconds=1)).timestamp()
    except (ValueError, OverflowError):
        raise OptionError(f"@{text}: a snapshot is {FORMS}") from None


def ranges(numbers: Sequence[int]) -> str:
    """Return numbers in short, such as `1-5, 7`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
