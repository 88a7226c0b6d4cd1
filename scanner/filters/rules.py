"""The rules of one file, or of the command line: parsed once, and sorted by what a name must be to match.

    a directory  -> rules that may hold in it      its path is compared once, not with each of its names
    its names    -> candidates                     sets and one regular expression: most names are none
    a candidate  -> the last rule that matches it  as git decides

Most names match nothing, so what counts is to know that of all names of a directory together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from scanner.filters.wildmatch import MANY, MANY_OR_NONE, STAR, NeverMatches, Split, Token, regex, split, tokens

OPTIONS = ("exclude", "include")  # sources that are no files
BOM = b"\xef\xbb\xbf"


class Rule(NamedTuple):
    """One pattern. `source` and `line` say where it stands; `text` is what stands there."""

    source: str
    line: int
    text: str
    negated: bool
    directories_only: bool
    name: str  # a regular expression, compiled when it is needed
    whole: re.Pattern[str] | None = None
    """For the whole path, where that cannot be told from the directory and the name."""

    def __str__(self) -> str:
        text, source = shown(self.text), shown(self.source)
        return f"{source} '{text}'" if source in OPTIONS else f"{source}:{self.line}: {text}"


class Problem(NamedTuple):
    """A line that matches nothing, and why."""

    line: int
    text: str
    why: str


class Index:
    """Rules by what the name of an entry must be: exactly, its ending from the last dot on, or something else."""

    def __init__(self) -> None:
        self.exact: dict[str, list[int]] = {}
        self.endings: dict[str, list[int]] = {}
        self.others: list[int] = []
        self.patterns: list[str] = []  # of the others
        self._sieve: Sieve | None = None

    @property
    def sieve(self) -> Sieve:
        """Made when it is needed first, of all rules: none is added from then on."""
        if self._sieve is None:
            self._sieve = Sieve(self)
        return self._sieve

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
        """Of the rules that may match this name (in small letters where case does not count)."""
        found = self.exact.get(name, []) + self.endings.get(name[name.rfind(".") :], [])
        return found + self.others


ENDINGS = re.compile(r"\.[^.\0]*(?=\0)")


class Sieve:
    """Finds the names that the rules of an Index may match, among all of a directory, without a look at each rule."""

    def __init__(self, index: Index) -> None:
        self._exact, self._endings = frozenset(index.exact), frozenset(index.endings)
        self._others = re.compile(f"\0({'|'.join(index.patterns)})(?=\0)") if index.patterns else None

    def candidates(self, names: list[str], joined: str) -> set[str]:
        """`joined`: the names with a NUL before and behind each. Most often there are none: that is found out first."""
        found = set() if self._exact.isdisjoint(names) else set(self._exact.intersection(names))
        endings = self._endings
        if endings and not endings.isdisjoint(ENDINGS.findall(joined)):
            found.update([name for name in names if name[name.rfind(".") :] in endings])
        if self._others is not None:
            found.update(self._others.findall(joined))
        return found


def literal_end(name: list[Token]) -> str:
    """The text that such a name ends with for sure; in small letters where case does not count."""
    literal = ""
    for token in reversed(name):
        characters = set() if isinstance(token, str) else {chr(byte) for byte in token}
        if len(characters) == 2:
            characters = {small(character) for character in characters}
        if len(characters) != 1:
            break
        literal = characters.pop() + literal
    return literal


def literal_beginning(name: list[Token]) -> str:
    """The text that such a name begins with for sure."""
    return literal_end(name[::-1])[::-1]


class Suspects:
    """What a name must have to be left out by some of the rules: one of `names`, of `endings`, of `beginnings`.

    `any`: there are rules for which that cannot be told.
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
    """All rules of one source, which is what line numbers count in. Immutable; shared by all directories below it."""

    def __init__(self, lines: Iterable[tuple[int, str]], source: str, ignore_case: bool) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.ignore_case = ignore_case
        self.everywhere = Index()
        self.suspects = Suspects()
        self.rules: list[Rule] = []
        self._below: dict[str, Index] = {}  # by the directory, where its path is known
        self._elsewhere: dict[str, list[tuple[re.Pattern[str], int]]] = {}  # by its last name, where that is known
        self._whole: list[int] = []
        for line, text in lines:
            try:
                self._add(source, line, text)
            except NeverMatches as error:
                self.problems.append(Problem(line, shown(text), str(error)))

    def _add(self, source: str, line: int, text: str) -> None:
        pattern = text[1:] if text[:1] == "!" else text
        directories_only = pattern[-1:] == "/"
        pattern = pattern.removesuffix("/") if directories_only else pattern
        paths = "/" in pattern
        found = tokens(pattern.removeprefix("/"), paths=paths, ignore_case=self.ignore_case)
        parts = split(found) if paths else Split([], found)
        name: list[Token] = parts.name if parts is not None else [STAR]
        if not name:
            raise NeverMatches("no name is empty")
        whole = re.compile(regex(found)) if parts is None else None
        if text[:1] != "!":  # what takes back leaves out nothing
            self.suspects.add(name)
        number = len(self.rules)
        self.rules.append(Rule(source, line, text, text[:1] == "!", directories_only, regex(name), whole))
        if parts is None:
            self._whole.append(number)
        elif not paths:
            self.everywhere.add(number, name)
        else:
            self._file(number, parts)

    def _file(self, number: int, parts: Split) -> None:
        directory = literal_end(parts.directory)
        if parts.directory == [MANY_OR_NONE]:
            self.everywhere.add(number, parts.name)
        elif len(directory) == len(parts.directory):
            self._below.setdefault(directory, Index()).add(number, parts.name)
        else:
            _, slash, name = directory[:-1].rpartition("/")
            whole = name and (slash or parts.directory[-len(name) - 2] in (MANY, MANY_OR_NONE))
            self._elsewhere.setdefault(name if whole else "", []).append((re.compile(regex(parts.directory)), number))

    def in_directory(self, directory: str) -> tuple[Index | None, list[int]]:
        """The rules that hold in this directory only, its path with a `/` at the end: sorted, and one by one."""
        if not (self._below or self._elsewhere or self._whole):
            return None, []
        key = small(directory) if self.ignore_case else directory
        some = self._whole
        for name in (key[key.rfind("/", 0, -1) + 1 : -1], ""):
            if name in self._elsewhere:
                some = some + [number for regex, number in self._elsewhere[name] if regex.fullmatch(directory)]
            if not name:
                break
        return self._below.get(key), some

    def matches(self, number: int, directory: str, name: str) -> bool:
        rule = self.rules[number]
        if rule.whole is not None:
            return rule.whole.fullmatch(directory + name) is not None
        return compiled(rule.name).fullmatch(name) is not None

    def last(self, numbers: Iterable[int], directory: str, name: str, is_dir: bool) -> Rule | None:
        """The last of these rules that matches."""
        for number in sorted(numbers, reverse=True):
            if (is_dir or not self.rules[number].directories_only) and self.matches(number, directory, name):
                return self.rules[number]
        return None


@lru_cache(65536)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def shown(text: str) -> str:
    """For people: what has a character for each byte here."""
    return os.fsdecode(text.encode("latin-1"))


def small(name: str) -> str:
    return name.encode("latin-1").lower().decode("latin-1")  # of ASCII only, as git does it


def lines_of(content: bytes) -> list[tuple[int, str]]:
    """The patterns in a file, with the numbers of their lines."""
    text = content.removeprefix(BOM).decode("latin-1")
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        pattern = _without_spaces(line.removesuffix("\r").partition("\0")[0])
        if pattern and line[:1] != "#":
            found.append((number, pattern))
    return found


def _without_spaces(line: str) -> str:
    """Without the spaces at its end, but one that a backslash keeps."""
    kept = re.match(r"(?:\\[\s\S]|[^\\ ]| +(?=[^ ]))*\\?", line)
    return kept[0] if kept is not None else line


@lru_cache(1024)
def rules_of(content: bytes, source: str, ignore_case: bool) -> Rules:
    """Read once and compiled once, however many directories are told of them."""
    return Rules(lines_of(content), source, ignore_case)
