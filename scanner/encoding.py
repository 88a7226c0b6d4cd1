"""Encode and decode paths: for the system, as UTF-8 for files, and escaped for terminals and reports."""

from __future__ import annotations

import sys
from typing import Any

ENCODING, ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
"""Arguments of `encode` that give the result of `os.fsencode` in half the time: used once for each directory."""


def utf8_text(path: Any) -> str:
    """Decode the bytes of a path or of joined paths as UTF-8, with `surrogateescape`, whatever the locale says."""
    if isinstance(path, str):
        if ENCODING == "utf-8":
            return path
        path = path.encode(ENCODING, ERRORS)
    return str(path, "utf-8", "surrogateescape")


def utf8_bytes(text: str) -> bytes:
    """Encode text that `utf8_text` has decoded. The bytes of names are restored."""
    return text.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """Return `text` for terminals and reports, with characters escaped that are not printable."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def terminal_bytes(text: str) -> bytes:
    """Encode printable text for a terminal."""
    return text.encode(ENCODING, "backslashreplace")
