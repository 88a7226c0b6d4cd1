"""Durations, hours and sizes as text: `90`, `1.5h`, `2h30m`, `7d`, `1y`; `20:00-06:00`; `512`, `64K`, `1.5MB`, `2GiB`.

One parser serves all options, in Python and in the shell.
"""

from __future__ import annotations

import math
import re

SECOND = 10**9  # nanoseconds
DURATIONS = {
    "ms": SECOND // 1000, "s": SECOND, "sec": SECOND, "m": 60 * SECOND, "min": 60 * SECOND, "h": 3600 * SECOND,
    "d": 86_400 * SECOND, "w": 7 * 86_400 * SECOND, "mo": 30 * 86_400 * SECOND, "y": 365 * 86_400 * SECOND,
}  # fmt: skip
"""Nanoseconds in each unit. A month has 30 days, a year 365."""
A_DURATION = "a duration like 90, 1.5h, 2h30m, 7d or 1y"
POWERS = "KMGTPEZY"
SOME_HOURS = "hours like 20:00-06:00, in local time"
A_SIZE = "a size like 512, 64K, 1.5M or 2GB"
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})({'|'.join(sorted(DURATIONS, key=len, reverse=True))})")
_HOURS = re.compile("([01]?[0-9]|2[0-4]):([0-5][0-9])-([01]?[0-9]|2[0-4]):([0-5][0-9])")
_SIZE = re.compile(rf"({_NUMBER})(?:([{POWERS}])(B|iB)?|B)?", re.IGNORECASE)


def nanoseconds_of(text: str) -> int | None:
    """Parse a duration whose parts all have a unit, such as `7d` or `1h30m`. Return None if `text` is none."""
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(_times(part[1], DURATIONS[part[2]]) for part in parts)


def seconds_of(text: str) -> float | None:
    """Parse a duration, or a plain number of seconds as Python writes it. Return None if `text` is neither."""
    if re.fullmatch(r"[-+0-9.eE]+", text):
        try:
            seconds = float(text)
        except ValueError:
            return None
        return seconds if math.isfinite(seconds) else None
    nanoseconds = nanoseconds_of(text)
    return None if nanoseconds is None else nanoseconds / SECOND


def hours_of(text: str) -> tuple[int, int] | None:
    """Parse `20:00-06:00`. Return both ends as minutes of a day; None if `text` is none, or the ends are the same."""
    match = _HOURS.fullmatch(text)
    if match is None:
        return None
    begin, end = (60 * int(hour) + int(minute) for hour, minute in (match.group(1, 2), match.group(3, 4)))
    return (begin % 1440, end % 1440) if max(begin, end) <= 1440 and begin % 1440 != end % 1440 else None


def bytes_of(text: str) -> int | None:
    """Parse a size in bytes: K and KiB are 1024, KB is 1000. Return None if `text` is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, power, rest = match.groups()
    exponent = POWERS.index(power.upper()) + 1 if power else 0
    return _times(number, (1000 if (rest or "").upper() == "B" else 1024) ** exponent)


def duration(seconds: float) -> str:
    """Format a duration for people: 14 s, 3 min, 1 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _times(number: str, unit: int) -> int:
    """Return the exact product, rounded down."""
    whole, _, fraction = number.partition(".")
    product: int = int(whole + fraction) * unit // 10 ** len(fraction)
    return product
