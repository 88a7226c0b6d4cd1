"""Which rules hold in a directory: those of its own file, those of the files above, and what the caller has asked for.

    command line > ignore files, deepest first > .gitignore, deepest first > info/exclude > the user's own

A Chain is immutable and shares what it can with the one above. The first source that has a rule for an entry decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scanner.filters.rules import Rule, Rules, small

COMMAND, IGNORE, GIT, REPOSITORY, USER = range(5)
"""Ranks of sources, the strongest first."""


class Scope(NamedTuple):
    """Rules, and where they begin to hold: below a directory whose path has `start` characters, from the root on; or
    above the root, which is `inside` (with a `/` at the end) then.
    """

    rank: int
    rules: Rules
    start: int = 0
    inside: str = ""

    def directory(self, relative: str) -> str:
        return self.inside + relative[self.start :]


class Chain:
    """What holds below some directory. `skip`: characters of a path up to where its root ends."""

    def __init__(self, scopes: tuple[Scope, ...], skip: int, in_repository: bool = False) -> None:
        self.scopes = scopes
        self.skip = skip
        self.in_repository = in_repository
        self.ignore_case = any(scope.rules.ignore_case for scope in scopes)

    def with_scopes(self, scopes: Iterable[Scope], *, repository_at: int | None = None) -> Chain:
        """The chain for a directory that has rules of its own. Where a repository begins (`repository_at`: see `start`
        of Scope) git looks no further up, and the user's own rules begin to hold once more.
        """
        kept = list(self.scopes)
        if repository_at is not None:
            users = [scope._replace(start=repository_at, inside="") for scope in kept if scope.rank == USER]
            kept = [scope for scope in kept if scope.rank not in (GIT, REPOSITORY, USER)] + users
        ordered = sorted([*scopes, *kept], key=lambda scope: scope.rank)  # stable: what is deeper stays in front
        return Chain(tuple(ordered), self.skip, self.in_repository or repository_at is not None)

    def relative(self, path: str) -> str:
        """The path of a directory from its root on, with a `/` at the end; nothing for the root."""
        rest = path[self.skip :]
        return rest + "/" if rest else ""

    def place(self, relative: str) -> Place:
        return Place(self, relative)


class Place:
    """A directory, and what holds for the entries in it."""

    __slots__ = ("_chain", "_sources")

    def __init__(self, chain: Chain, relative: str) -> None:
        self._chain = chain
        self._sources = [
            (scope.rules, directory, *scope.rules.in_directory(directory))
            for scope in chain.scopes
            for directory in (scope.directory(relative) if scope.start or scope.inside else relative,)
        ]

    def candidates(self, names: list[str], joined: str | None = None) -> set[str]:
        """Those of the names that some rule may match. `joined`: see Sieve; made here where it is not there yet."""
        if self._chain.ignore_case:
            smalls = {name: small(name) for name in names}
            keys = list(smalls.values())
            wanted = self._candidates(keys, names, join(keys))
            return {name for name, key in smalls.items() if key in wanted or name in wanted}
        return self._candidates(names, names, join(names) if joined is None else joined)

    def _candidates(self, keys: list[str], names: list[str], joined: str) -> set[str]:
        found: set[str] = set()
        for rules, directory, index, some in self._sources:
            found.update(rules.everywhere.sieve.candidates(keys, joined))
            if index is not None:
                found |= index.sieve.candidates(keys, joined)
            for number in some:
                found.update([name for name in names if rules.matches(number, directory, name)])
        return found

    def decide(self, name: str, is_dir: bool) -> Rule | None:
        """The rule that decides about an entry; None if there is none for it."""
        for rules, directory, index, some in self._sources:
            key = small(name) if rules.ignore_case else name
            numbers = {*rules.everywhere.numbers(key), *some}
            if index is not None:
                numbers.update(index.numbers(key))
            rule = rules.last(numbers, directory, name, is_dir)
            if rule is not None:
                return rule
        return None


def join(names: list[str]) -> str:
    return "\0" + "\0".join(names) + "\0"
