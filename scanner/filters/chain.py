"""The rules that apply in a directory, from all sources in order of precedence.

    command line > ignore files, deepest first > .gitignore, deepest first > info/exclude > the user's excludes

The first source with a rule that matches an entry decides. A Chain is immutable and shares its scopes with the Chain of
the parent directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scanner.filters.rules import Rule, Rules, lower_ascii

COMMAND, IGNORE, GIT, REPOSITORY, USER = range(5)
"""Ranks of sources, the highest precedence first."""


class Scope(NamedTuple):
    """Rules, and the directory to which their patterns are relative.

    `start`: length of the path of this directory, relative to the root. `inside`: the path of the root relative to it,
    with a `/` at the end, if it lies above the root.
    """

    rank: int
    rules: Rules
    start: int = 0
    inside: str = ""

    def directory(self, relative: str) -> str:
        """Return the path of a directory relative to this scope; `relative`: relative to the root."""
        return self.inside + relative[self.start :]


class Chain:
    """All scopes that apply below a directory. `skip`: length of the root's path, with its separator."""

    def __init__(self, scopes: tuple[Scope, ...], skip: int, in_repository: bool = False) -> None:
        self.scopes = scopes
        self.skip = skip
        self.in_repository = in_repository
        self.ignore_case = any(scope.rules.ignore_case for scope in scopes)

    def with_scopes(self, scopes: Iterable[Scope], *, repository_at: int | None = None) -> Chain:
        """Return the Chain of a directory with additional scopes.

        `repository_at`: a repository begins there (see `start` of Scope). As in git, its rules replace those of the
        repository above, and the user's excludes are relative to it.
        """
        kept = list(self.scopes)
        if repository_at is not None:
            users = [scope._replace(start=repository_at, inside="") for scope in kept if scope.rank == USER]
            kept = [scope for scope in kept if scope.rank not in (GIT, REPOSITORY, USER)] + users
        ordered = sorted([*scopes, *kept], key=lambda scope: scope.rank)  # stable: deeper scopes stay in front
        return Chain(tuple(ordered), self.skip, self.in_repository or repository_at is not None)

    def relative(self, path: str) -> str:
        """Return the path of a directory relative to its root, with a `/` at the end; empty for the root."""
        rest = path[self.skip :]
        return rest + "/" if rest else ""

    def rules_in(self, relative: str) -> DirectoryRules:
        """Return the rules for the entries of a directory; `relative`: see `relative()`."""
        return DirectoryRules(self, relative)


class DirectoryRules:
    """The rules of a Chain for the entries of one directory."""

    __slots__ = ("_chain", "_sources")

    def __init__(self, chain: Chain, relative: str) -> None:
        self._chain = chain
        self._sources = [
            (scope.rules, directory, *scope.rules.in_directory(directory))
            for scope in chain.scopes
            for directory in (scope.directory(relative) if scope.start or scope.inside else relative,)
        ]

    def candidates(self, names: list[str], joined: str | None = None) -> set[str]:
        """Return the names that a rule may match. `joined`: see Index; made here if it is None."""
        if self._chain.ignore_case:
            lowered = {name: lower_ascii(name) for name in names}
            keys = list(lowered.values())
            candidates = self._candidates(keys, names, join(keys))
            return {name for name, key in lowered.items() if key in candidates or name in candidates}
        return self._candidates(names, names, join(names) if joined is None else joined)

    def _candidates(self, keys: list[str], names: list[str], joined: str) -> set[str]:
        found: set[str] = set()
        for rules, directory, index, some in self._sources:
            found.update(rules.everywhere.candidates(keys, joined))
            if index is not None:
                found |= index.candidates(keys, joined)
            for number in some:
                found.update([name for name in names if rules.matches(number, directory, name)])
        return found

    def decide(self, name: str, is_dir: bool) -> Rule | None:
        """Return the rule that decides about an entry; None if no rule matches."""
        for rules, directory, index, some in self._sources:
            key = lower_ascii(name) if rules.ignore_case else name
            numbers = {*rules.everywhere.numbers(key), *some}
            if index is not None:
                numbers.update(index.numbers(key))
            rule = rules.last(numbers, directory, name, is_dir)
            if rule is not None:
                return rule
        return None


def join(names: list[str]) -> str:
    return "\0" + "\0".join(names) + "\0"
