"""Times as GNU du prints them: which time, and in which style."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping

from scanner.errors import OptionError
from scanner.fields import Field

TIMES: dict[str, Field] = {
    "mtime": "mtime_ns", "modification": "mtime_ns", "atime": "atime_ns", "access": "atime_ns", "use": "atime_ns",
    "ctime": "ctime_ns", "status": "ctime_ns",
}  # fmt: skip
"""Fields by the word of --time; a part of a word is enough if it means one field."""
STYLES = {"full-iso": "%Y-%m-%d %H:%M:%S.%N %z", "long-iso": "%Y-%m-%d %H:%M", "iso": "%Y-%m-%d"}
SECOND = 10**9  # nanoseconds
DIRECTIVE = re.compile(r"%(?P<flags>[-_0^#+]*)(?P<width>[0-9]*)(?P<colons>:*)(?P<letter>[a-zA-Z%])")
TimeFormatter = Callable[[int], str]


def time_field(word: str | None) -> Field | None:
    """Return the field that --time selects; None without --time. Raises OptionError."""
    if word is None:
        return None
    found = {field for known, field in TIMES.items() if word and known.startswith(word)}
    if len(found) != 1:
        raise OptionError(f"--time must be one of {', '.join(TIMES)}, not {word!r}")
    return found.pop()


def time_formatter(style: str | None, environment: Mapping[str, str] = os.environ) -> TimeFormatter:
    """Return the function that formats nanoseconds since 1970 as local time.

    style        of --time-style; None: of TIME_STYLE in the environment, or else long-iso

    Raises OptionError.
    """
    option = "--time-style"
    if style is None:
        option, style = "TIME_STYLE", environment.get("TIME_STYLE", "locale").partition("\n")[0]
        style = "long-iso" if style == "locale" else re.sub("^(?:posix-)+", "", style)  # as ls has them
    if style.startswith("+"):
        return _formatter(style[1:])
    found = [known for known in STYLES if style and known.startswith(style)]
    if len(found) != 1:
        raise OptionError(f"{option} must be one of {', '.join(STYLES)}, or +FORMAT as in date, not {style!r}")
    return _formatter(STYLES[found[0]])


def _formatter(style: str) -> TimeFormatter:
    def formatted(moment: int) -> str:
        seconds, rest = divmod(moment, SECOND)
        try:
            local = time.localtime(seconds)
        except (OverflowError, ValueError, OSError):  # a year that the C library cannot write
            return str(seconds)
        return DIRECTIVE.sub(lambda match: _written(match, local, rest), style)

    return formatted


def _written(match: re.Match[str], local: time.struct_time, nanoseconds: int) -> str:
    """Return what a directive stands for. The C library knows neither %N nor %:z."""
    if match["letter"] == "N":
        return _fraction(nanoseconds, match["flags"], int(match["width"] or 9))
    if match["letter"] == "z" and match["colons"]:
        return _offset(local.tm_gmtoff or 0, len(match["colons"]))
    return time.strftime(match[0], local)


def _fraction(nanoseconds: int, flags: str, width: int) -> str:
    """Return the first `width` digits of a fraction, padded at the end."""
    digits = f"{nanoseconds:09d}"[:width].rstrip("0") or "0"
    return digits if "-" in flags else digits.ljust(width, " " if "_" in flags else "0")


def _offset(offset: int, colons: int) -> str:
    """Return an offset from UTC: +01:00, +01:00:00, or as short as it can be."""
    minutes, seconds = divmod(abs(offset), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [hours, minutes, seconds][: colons + 1]
    while colons == 3 and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return ("-" if offset < 0 else "+") + ":".join(f"{part:02d}" for part in parts)
