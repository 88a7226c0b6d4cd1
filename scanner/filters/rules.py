"""The rules of one file, or of the command line: parsed once, and indexed by the names that they may match.

    a directory  -> rules that may apply in it     its path is compared once, not for each of its names
    its names    -> candidates                     by sets and one regular expression; most names are no candidates
    a candidate  -> the last rule that matches it  as in git

Most names match nothing, so speed depends on a cheap test for all names of a directory together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple

from scanner.filters.wildmatch import MANY, MANY_OR_NONE, STAR, NeverMatches, Split, Token, regex, split, tokens

OPTIONS = ("exclude", "include")  # sources that are not files
BOM = b"\xef\xbb\xbf"
ENDINGS = re.compile(r"\.[^.\0]*(?=\0)")


class Rule(NamedTuple):
    """One pattern. `source`, `line`, `text`: file or option, line number and line; `name`: a regular expression."""

    source: str
    line: int
    text: str
    negated: bool
    directories_only: bool
    name: str
    whole: re.Pattern[str] | None = None
    """Matches the whole path, if the pattern cannot be split into directory and name."""

    def __str__(self) -> str:
        text, source = decoded(self.text), decoded(self.source)
        return f"{source} '{text}'" if source in OPTIONS else f"{source}:{self.line}: {text}"


class Problem(NamedTuple):
    """A line that can match nothing, and the reason."""

    line: int
    text: str
    why: str


class Index:
    """Rules by the names that they may match: an exact name, an ending from the last dot, or any other pattern."""

    def __init__(self) -> None:
        self.exact: dict[str, list[int]] = {}
        self.endings: dict[str, list[int]] = {}
        self.others: list[int] = []
        self.patterns: list[str] = []  # of `others`

    @cached_property
    def _sieve(self) -> tuple[frozenset[str], frozenset[str], re.Pattern[str] | None]:
        """Exact names, endings, and a regular expression of all others. No rule may be added later."""
        others = re.compile(f"\0({'|'.join(self.patterns)})(?=\0)") if self.patterns else None
        return frozenset(self.exact), frozenset(self.endings), others

    def add(self, number: int, name: list[Token]) -> None:
        literal = literal_end(name)
        if len(literal) == len(name):
            self.exact.setdefault(literal, []).append(number)
        elif "." in literal:
            self.endings.setdefault(literal[literal.rindex(".") :], []).append(number)
        else:
            self.others.append(number)
            self.patterns.append(regex(name))

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of the rules that may match a name, which is in lower case if case is ignored."""
        found = self.exact.get(name, []) + self.endings.get(name[name.rfind(".") :], [])
        return found + self.others

    def candidates(self, names: list[str], joined: str) -> set[str]:
        """Return the names that a rule may match, mostly none. `joined`: the names, with NULs around each."""
        exact, endings, others = self._sieve
        found = set() if exact.isdisjoint(names) else set(exact.intersection(names))
        if endings and not endings.isdisjoint(ENDINGS.findall(joined)):
            found.update([name for name in names if name[name.rfind(".") :] in endings])
        if others is not None:
            found.update(others.findall(joined))
        return found


def literal_end(name: list[Token]) -> str:
    """Return the literal end of a pattern, in lower case if case is ignored."""
    literal = ""
    for token in reversed(name):
        characters = set() if isinstance(token, str) else {chr(byte) for byte in token}
        if len(characters) == 2:
            characters = {lower_ascii(character) for character in characters}
        if len(characters) != 1:
            break
        literal = characters.pop() + literal
    return literal


def literal_beginning(name: list[Token]) -> str:
    """Return the literal beginning of a pattern."""
    return literal_end(name[::-1])[::-1]


class Suspects:
    """Which names rules may exclude: those in `names`, with one of `endings`, or with one of `beginnings`.

    `any`: some rules may exclude any name.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.endings: set[str] = set()
        self.beginnings: set[str] = set()
        self.any = False

    def add(self, name: list[Token]) -> None:
        end, beginning = literal_end(name), literal_beginning(name)
        if len(end) == len(name):
            self.names.add(end)
        elif end:
            self.endings.add(end)
        elif beginning:
            self.beginnings.add(beginning)
        else:
            self.any = True

    def update(self, others: Suspects) -> None:
        self.names |= others.names
        self.endings |= others.endings
        self.beginnings |= others.beginnings
        self.any = self.any or others.any


class Rules:
    """All rules of one source. Immutable: all directories below share them. `lines`: line numbers and patterns."""

    def __init__(self, lines: Iterable[tuple[int, str]], source: str, ignore_case: bool) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.ignore_case = ignore_case
        self.everywhere = Index()
        self.suspects = Suspects()
        self.rules: list[Rule] = []
        self._by_path: dict[str, Index] = {}  # rules with a literal directory
        self._by_last_name: dict[str, list[tuple[re.Pattern[str], int]]] = {}  # of the directory; "": not literal
        self._whole: list[int] = []
        for line, text in lines:
            try:
                self._add(source, line, text)
            except NeverMatches as error:
                self.problems.append(Problem(line, decoded(text), str(error)))

    def _add(self, source: str, line: int, text: str) -> None:
        pattern = text[1:] if text[:1] == "!" else text
        directories_only = pattern[-1:] == "/"
        pattern = pattern.removesuffix("/") if directories_only else pattern
        paths = "/" in pattern
        found = tokens(pattern.removeprefix("/"), paths=paths, ignore_case=self.ignore_case)
        parts = split(found) if paths else Split([], found)
        name: list[Token] = parts.name if parts is not None else [STAR]
        if not name:
            raise NeverMatches("a name is never empty")
        whole = re.compile(regex(found)) if parts is None else None
        if text[:1] != "!":  # a negated rule excludes nothing
            self.suspects.add(name)
        number = len(self.rules)
        self.rules.append(Rule(source, line, text, text[:1] == "!", directories_only, regex(name), whole))
        if parts is None:
            self._whole.append(number)
        elif not paths:
            self.everywhere.add(number, name)
        else:
            self._add_by_directory(number, parts)

    def _add_by_directory(self, number: int, parts: Split) -> None:
        directory = literal_end(parts.directory)
        if parts.directory == [MANY_OR_NONE]:
            self.everywhere.add(number, parts.name)
        elif len(directory) == len(parts.directory):
            self._by_path.setdefault(directory, Index()).add(number, parts.name)
        else:
            _, slash, name = directory[:-1].rpartition("/")
            is_whole = name and (slash or parts.directory[-len(name) - 2] in (MANY, MANY_OR_NONE))
            rules = self._by_last_name.setdefault(name if is_whole else "", [])
            rules.append((re.compile(regex(parts.directory)), number))

    def in_directory(self, directory: str) -> tuple[Index | None, list[int]]:
        """Return the rules that apply in one directory only: an Index, and numbers of further rules.

        `directory`: its path relative to the rules, with a `/` at the end.
        """
        if not (self._by_path or self._by_last_name or self._whole):
            return None, []
        key = lower_ascii(directory) if self.ignore_case else directory
        some = self._whole
        for name in (key[key.rfind("/", 0, -1) + 1 : -1], ""):
            if name in self._by_last_name:
                some = some + [number for regex, number in self._by_last_name[name] if regex.fullmatch(directory)]
            if not name:
                break
        return self._by_path.get(key), some

    def matches(self, number: int, directory: str, name: str) -> bool:
        """Return whether a rule matches a name in a directory."""
        rule = self.rules[number]
        if rule.whole is not None:
            return rule.whole.fullmatch(directory + name) is not None
        return compiled(rule.name).fullmatch(name) is not None

    def last(self, numbers: Iterable[int], directory: str, name: str, is_dir: bool) -> Rule | None:
        """Return the last of these rules that matches; None without one."""
        for number in sorted(numbers, reverse=True):
            if (is_dir or not self.rules[number].directories_only) and self.matches(number, directory, name):
                return self.rules[number]
        return None


@lru_cache(65536)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def decoded(text: str) -> str:
    """Decode text with a character for each byte, for people."""
    return os.fsdecode(text.encode("latin-1"))


def lower_ascii(name: str) -> str:
    """Return a name with its ASCII letters in lower case, as git compares names."""
    return name.encode("latin-1").lower().decode("latin-1")


def lines_of(content: bytes) -> list[tuple[int, str]]:
    """Return the patterns in a file, with their line numbers."""
    text = content.removeprefix(BOM).decode("latin-1")
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        pattern = _without_spaces(line.removesuffix("\r").partition("\0")[0])
        if pattern and line[:1] != "#":
            found.append((number, pattern))
    return found


def _without_spaces(line: str) -> str:
    """Return a line without trailing spaces, but with one that a backslash escapes."""
    kept = re.match(r"(?:\\[\s\S]|[^\\ ]| +(?=[^ ]))*\\?", line)
    return kept[0] if kept is not None else line


@lru_cache(1024)
def rules_of(content: bytes, source: str, ignore_case: bool) -> Rules:
    """Return the rules of a file. They are parsed once, however many directories use them."""
    return Rules(lines_of(content), source, ignore_case)
