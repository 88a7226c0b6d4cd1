"""Compiles patterns of git to regular expressions that match what git's own `wildmatch` matches.

A property test in tests/conformance/test_git.py compares both. Text has a character for each byte (latin-1, see
`text_of`), because git compares bytes. Each `*` but the last one of a name matches as little as possible and does not
backtrack, so the number of steps is at most about length x length.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple, TypeAlias

SPECIAL = frozenset("*?[\\")
STAR, MANY, MANY_OR_NONE, REST = "*", "**\\/", "**/", "**"
"""Part of a name; one directory or more; any number of directories; anything."""
Token: TypeAlias = str | frozenset[int]
"""One of the above, or the set of bytes that match."""
ANY = frozenset(range(1, 256)) - {ord("/")}
SLASH = frozenset({ord("/")})
CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r" \t\n\r", "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def text_of(path: Any) -> str:
    """Return a path or a name as text with a character for each byte."""
    if isinstance(path, str) and path.isascii():
        return path
    return os.fsencode(path).decode("latin-1")


class NeverMatches(Exception):
    """A pattern that git accepts but that no name can match. The message says why."""


class Characters:
    """The bytes that each element of a pattern matches, with or without regard to case."""

    def __init__(self, ignore_case: bool) -> None:
        self.ignore_case = ignore_case

    def one(self, character: str, escaped: bool = False) -> frozenset[int]:
        """Return the bytes that a literal character matches. git compares an escaped one with the lower-case name."""
        if not self.ignore_case:
            return frozenset({ord(character)})
        literal = character if escaped else _lower(character)
        return frozenset(byte for byte in (ord(_lower(literal)), ord(_upper(literal))) if _lower(chr(byte)) == literal)

    def group(self, pattern: str, start: int) -> tuple[frozenset[int], int]:
        """Return the bytes that `[...]` matches, and the position after it. `start`: the position after the `[`."""
        negated = pattern[start : start + 1] in ("!", "^")
        at = start + negated
        ranges: list[tuple[int, int]] = []
        classes = ""
        before = 0  # the first character of a range, if a `-` follows
        while True:
            here = pattern[at : at + 1]
            if not here:
                raise NeverMatches("a '[' has no ']'")
            following = pattern[at + 1 : at + 2]
            if here == "-" and before and following not in ("", "]"):
                at += 1 + (following == "\\")
                ranges.append((before, ord(_at(pattern, at))))
                before = 0
            elif here == "[" and following == ":" and (name := self._class(pattern, at)) is not None:
                classes += name
                at, before = pattern.index("]", at + 2), 0
            else:
                at += here == "\\"
                before = ord(_at(pattern, at))
                ranges.append((before, -1))
            at += 1
            if pattern[at : at + 1] == "]":
                break
        matched = frozenset(byte for byte in ANY if self._in_group(byte, ranges, classes))
        return (ANY - matched if negated else matched), at + 1

    def _class(self, pattern: str, at: int) -> str | None:
        """Return the regular expression of `[:name:]`; None if it is not a class."""
        end = pattern.find("]", at + 2)
        if end < 0:
            raise NeverMatches("a '[' has no ']'")
        name = pattern[at + 2 : end - 1]
        if end - at < 3 or pattern[end - 1] != ":":
            return None
        if name not in CLASSES:
            raise NeverMatches(f"there is no class [:{name}:]")
        if name == "upper" and self.ignore_case:
            name = "alpha"
        return CLASSES[name]

    def _in_group(self, byte: int, ranges: list[tuple[int, int]], classes: str) -> bool:
        character = chr(byte)
        if self.ignore_case:
            character = _lower(character)
        one, other = ord(character), ord(_upper(character)) if self.ignore_case else ord(character)
        for low, high in ranges:
            if one == low and high < 0:
                return True
            if high >= 0 and (low <= one <= high or low <= other <= high):
                return True
        return bool(classes and re.match(f"[{classes}]", character))


def _at(pattern: str, at: int) -> str:
    if at >= len(pattern):
        raise NeverMatches("it ends within a '[' or with a '\\'")
    return pattern[at]


def _lower(character: str) -> str:
    return character.lower() if character.isascii() else character


def _upper(character: str) -> str:
    return character.upper() if character.isascii() else character


def tokens(pattern: str, *, paths: bool, ignore_case: bool = False) -> list[Token]:
    """Split a pattern into tokens. `paths`: it matches whole paths, not only names. Raises NeverMatches."""
    characters = Characters(ignore_case)
    found: list[Token] = []
    # git compares the literal beginning first, and treats the rest as a separate pattern.
    begin = next((at for at, character in enumerate(pattern) if character in SPECIAL), len(pattern))
    found += [characters.one(character) for character in pattern[:begin]]
    at = begin
    while at < len(pattern):
        here = pattern[at]
        if here == "*":
            end = at + len(pattern[at:]) - len(pattern[at:].lstrip("*"))
            token, at = _stars(pattern, at, end, at == begin) if paths and end - at > 1 else (STAR, end)
            found.append(token)
        elif here == "[":
            group, at = characters.group(pattern, at + 1)
            found.append(group)
        elif here == "?":
            found.append(ANY)
            at += 1
        else:
            escaped = here == "\\"
            found.append(characters.one(_at(pattern, at + escaped), escaped))
            at += 1 + escaped
    return found


def _stars(pattern: str, at: int, end: int, first: bool) -> tuple[Token, int]:
    """Return the token of two or more stars, and the position after it. It includes a following `/` where git does."""
    if first or pattern[at - 1] == "/":
        if end == len(pattern):
            return REST, end
        if pattern[end] == "/":
            return MANY_OR_NONE, end + 1
        if pattern[end : end + 2] == "\\/":
            return MANY, end + 2
    return STAR, end


class Split(NamedTuple):
    """A pattern for paths, split into one for directories (with a `/` at the end) and one for names in them."""

    directory: list[Token]
    name: list[Token]


def split(found: list[Token]) -> Split | None:
    """Split a pattern for paths; None if a `**` is not between slashes."""
    last = max((at for at, token in enumerate(found) if token in (SLASH, MANY, MANY_OR_NONE, REST)), default=-1)
    for at, token in enumerate(found):
        alone = at == 0 or found[at - 1] in (SLASH, MANY, MANY_OR_NONE)
        if token in (MANY, MANY_OR_NONE, REST) and not alone:
            return None
    if last >= 0 and found[last] == REST:
        return Split(found, [STAR])
    return Split(found[: last + 1], found[last + 1 :])


def regex(found: list[Token]) -> str:
    """Return the regular expression of tokens, for `fullmatch`."""
    parts: list[tuple[str, list[Token]]] = [("", [])]
    for token in found:
        if token in (MANY, MANY_OR_NONE):
            parts.append(("(?:[^/\0]*/)*?" if token == MANY_OR_NONE else "(?:[^/\0]*/)+?", []))
        else:
            parts[-1][1].append(token)
    last = len(parts) - 1
    texts = [many + _path(part) for many, part in parts]
    return "".join(f"(?>{text})" if 0 < number < last else text for number, text in enumerate(texts))


def _path(part: list[Token]) -> str:
    """Return the regular expression of names with slashes between them."""
    result, pieces = "", [""]
    for token in part:
        if token == STAR:
            pieces.append("")
            continue
        pieces[-1] += r"[\s\S]*" if token == REST else _element(token)
        if token == SLASH:
            result, pieces = result + _name(pieces), [""]
    return result + _name(pieces)


def _name(pieces: list[str]) -> str:
    """Return the regular expression of one name. `pieces`: the expressions between its stars."""
    first, *others = pieces
    if not others:
        return first
    fixed = "".join(f"(?>[^/\0]*?{piece})" for piece in others[:-1])
    return f"{first}{fixed}[^/\0]*{others[-1]}"


def _element(token: Token) -> str:
    if token == ANY:
        return "[^/\0]"
    assert not isinstance(token, str)
    if len(token) == 1:
        return re.escape("".join(map(chr, token)))
    if not token:
        return r"(?!)"
    negated = len(token) > 128
    inside = "".join(f"\\x{byte:02x}" for byte in sorted(ANY - token if negated else token))
    return f"[^/\0{inside}]" if negated else f"[{inside}]"
