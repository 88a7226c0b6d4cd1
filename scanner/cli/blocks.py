"""Sizes as GNU du reads and prints them: units, thresholds, rounding."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from scanner.errors import OptionError

POWERS = "KMGTPEZY"
# As in coreutils' xstrtol.c and human.c
DIGITS = "(?P<number>0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)"
"""A number is decimal, octal or hexadecimal."""
NUMBER = rf"(?: *(?P<sign>[-+]?){DIGITS})?"
UNIT = r"(?:(?P<letter>[{}])(?P<rest>B|D|iB)?)?"
BLOCK_SIZE = re.compile("'?" + NUMBER + UNIT.format("kKmMgGtTPEZY"))
THRESHOLD = re.compile(NUMBER + UNIT.format("kKmMGTPEZY"))
VARIABLES = "DU_BLOCK_SIZE", "BLOCK_SIZE", "BLOCKSIZE"
MOST_BYTES = (1 << 64) - 1
"""GNU du adds up no further, and prints a word."""
MOST_THRESHOLD = (1 << 63) - 1
Formatter = Callable[[int], str]


def unit_of(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the unit of sizes.

    given        as in -B; None: that of the environment, or else KiB
    environment  a wrong unit in it is ignored

    Raises OptionError for a wrong unit.
    """
    if given is not None:
        if not base_of(given):
            block_size(given)
        return given
    with suppress(StopIteration, OptionError):
        return unit_of(next(environment[name] for name in VARIABLES if name in environment))
    return "512" if "POSIXLY_CORRECT" in environment else "1024"


def size_formatter(unit: str) -> Formatter:
    """Return the function that formats a number of bytes."""
    if base := base_of(unit):
        return partial(human_size, base=base)
    size, letters = block_size(unit)
    return lambda count: "Infinity" if count >= MOST_BYTES else f"{-(-count // size)}{letters}"


def count_formatter(unit: str) -> Formatter:
    """Return the function that formats a number of files: only the words among units of sizes change it."""
    if base_of(unit):
        return size_formatter(unit)
    end = "B" if block_size(unit)[1].endswith("B") else ""  # as GNU du prints them
    return lambda count: f"{count}{end}"


def base_of(unit: str) -> int:
    """Return the base of a word for units that fit: 1024 for human-readable, 1000 for si, 0 for any other text."""
    word = unit.removeprefix("'")
    return 1024 if word and "human-readable".startswith(word) else 1000 if word and "si".startswith(word) else 0


def block_size(text: str) -> tuple[int, str]:
    """Return a unit's bytes, and the letters after each size: with a number in `text` none, as in du.

    Raises OptionError.
    """
    match = BLOCK_SIZE.fullmatch(text)
    if match is None or match["sign"] == "-" or not (match["number"] or match["letter"]):
        raise OptionError(f"-B must be a number of bytes or a unit like 512, K, 4K, kB, MiB, not {text!r}")
    size = _product(match)
    if not 0 < size <= MOST_BYTES:
        raise OptionError(f"-B must be from 1 to {MOST_BYTES} bytes, not {text!r}")
    if match["number"]:
        return size, ""
    letter, rest = match["letter"].upper(), match["rest"]
    return size, ("k" if size == 1000 and rest == "B" else letter) + (rest if rest in ("B", "iB") else "")


def threshold_of(text: str | None) -> Callable[[int], bool]:
    """Return the function that tests a size against -t: at least so much, or if negative at most.

    Raises OptionError.
    """
    if text is None:
        return lambda _: True
    match = THRESHOLD.fullmatch(text)
    if match is None or not (match["number"] or match["letter"]):
        raise OptionError(f"-t must be a size like 512, 64K, 1MB or -1G, not {text!r}")
    limit = _product(match)
    if limit > MOST_THRESHOLD:
        raise OptionError(f"-t must be {MOST_THRESHOLD} bytes at most, not {text!r}")
    if match["sign"] != "-":
        return lambda size: size >= limit
    if not limit:
        raise OptionError("-t must not be -0: no size is smaller")
    return lambda size: size <= limit


def whole_number(text: str) -> int | None:
    """Return a number of 0 or more; None if `text` is none."""
    match = re.fullmatch(f" *[+]?{DIGITS}", text)
    return _number(match) if match is not None else None


def _number(match: re.Match[str]) -> int:
    number = match["number"] or "1"
    is_octal = number.startswith("0") and number[1:].isdigit()
    return int(number, 8 if is_octal else 0)


def _product(match: re.Match[str]) -> int:
    letter, base = (match["letter"] or "").upper(), 1000 if match["rest"] in ("B", "D") else 1024
    return _number(match) * (base ** (POWERS.index(letter) + 1) if letter else 1)


def human_size(count: int, base: int = 1024) -> str:
    """Return a size rounded up, as du does: 4.0K, 12M; with base 1000 4.1k."""
    if count >= MOST_BYTES:
        return "Infinity"
    size = 1
    for letter in ("", *POWERS):
        shown = "k" if letter == "K" and base == 1000 else letter
        tenths, whole = -(-count * 10 // size), -(-count // size)
        if letter and tenths < 100:
            return f"{tenths // 10}.{tenths % 10}{shown}"
        if whole < base:
            break
        size *= base
    return f"{whole}{shown}"
