"""Modes of the option `perm`, as `find -perm` has them: in octal, or in symbols as for `chmod`."""

from __future__ import annotations

import re
from typing import Any

from scanner.errors import OptionError

ALL_BITS, SET_IDS = 0o7777, 0o6000
READ, WRITE, EXECUTE = 0o444, 0o222, 0o111
CLASSES = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": ALL_BITS}
"""The bits of each class of users."""
BITS = {"r": READ, "w": WRITE, "x": EXECUTE, "s": SET_IDS, "t": 0o1000}
OCTAL = re.compile(r"0*[0-7]{1,4}")
CLAUSE = re.compile(rf"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)|()((?:[-+=](?:[ugo]|[rwxXst]*))*[-+=]{OCTAL.pattern})")
ACTION = re.compile(r"([-+=])([0-7]+|[ugorwxXst]*)")


def perm_of(value: Any) -> tuple[str, int, int]:
    """Return how to compare the permission bits of an entry, and the bits of files and of directories.

    How: empty for exactly, `-` for all of the bits, `/` for any of them. Directories have other bits only if the mode
    has an X, or changes bits that it has set before. Raises OptionError.
    """
    text = f"{value:o}" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else value
    if isinstance(text, str):
        how = text[:1] if text[:1] in ("-", "/") else ""
        mode, directory_mode = (_mode(text[len(how) :], is_directory) for is_directory in (False, True))
        was_any = text[:1] == "+" and text[1:2].isdigit()  # in an older `find`; now it is refused
        if mode is not None and directory_mode is not None and not was_any:
            return how, mode, directory_mode
    raise OptionError(
        f"perm must be a mode like 644 (exactly), -u+s (all of these bits) or /022 (any of them), not {value!r}"
    )


def _mode(text: str, is_directory: bool) -> int | None:
    """Return the bits that an entry without any gets from `chmod` with this mode; None if it is no mode."""
    if OCTAL.fullmatch(text):
        return int(text, 8)
    mode = 0
    for clause in map(CLAUSE.fullmatch, text.split(",")):
        if clause is None:
            return None
        affected = 0
        for letter in clause[1] or "":
            affected |= CLASSES[letter]
        for operator, symbols in ACTION.findall(clause[2] or clause[4]):
            mode = _changed(mode, operator, symbols, affected or ALL_BITS, is_directory)
    return mode


def _changed(mode: int, operator: str, symbols: str, affected: int, is_directory: bool) -> int:
    """Apply one action of a clause to a mode. `affected`: bits of the classes before it."""
    bits = _bits(mode, symbols, is_directory)
    named = ALL_BITS if symbols.isdigit() else bits & affected
    kept = SET_IDS & ~named if is_directory else 0  # chmod changes these bits of directories only if they are named
    bits &= affected & ~kept
    if operator == "=":
        return mode & (~affected | kept) | bits
    return mode | bits if operator == "+" else mode & ~bits


def _bits(mode: int, symbols: str, is_directory: bool) -> int:
    """Return the bits for all classes that the symbols after an operator mean."""
    if symbols.isdigit():
        return int(symbols, 8)
    if symbols in CLASSES:  # those that the class has now
        return sum(every for every in (READ, WRITE, EXECUTE) if mode & every & CLASSES[symbols])
    bits = EXECUTE if "X" in symbols and (is_directory or mode & EXECUTE) else 0
    for symbol in symbols.replace("X", ""):
        bits |= BITS[symbol]
    return bits
