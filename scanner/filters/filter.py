"""Exclude entries of a directory where it is read, so that excluded directories are never opened.

listing -> enter()   checks whether the directory may be entered; reads its rule files into a Chain
        -> sift()    removes excluded entries
        -> select()  removes files that are not selected; directories stay, to be entered
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from scanner.filters import git
from scanner.filters.chain import REPOSITORY, Chain, Scope, join
from scanner.filters.rules import Rules, Suspects, rules_of
from scanner.filters.select import Selection
from scanner.filters.spec import Spec, rules_fault
from scanner.filters.wildmatch import text_of
from scanner.model import Fault, Path, excluded, prefix_of, upwards

CACHE_TAG, SIGNATURE = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55"
NEW_REPOSITORY = -1  # in place of a rank: a repository begins here
ReadFile = Callable[[Any], bytes | None]
"""Returns the content of a file in the current directory; None if there is no such file. Raises OSError."""
Found = dict[Path, tuple[tuple[int, str, bytes], ...]]
"""Rank, source and content of each rule file in a directory. Tasks below the directory carry them."""


class Filter:
    """The filter of one Walker. Call `begin` for each Task, `enter` and `sift` for each directory."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.selection = Selection(spec)
        # Whether `enter` has something to look for: rule files, tags, repositories.
        self.looks = spec.gitignore or spec.caches or bool(spec.files or spec.tags)
        self._bases = {root: self._base(root) for root in spec.bases}
        self._chains: dict[Path, Chain] = dict(self._bases)
        self._only = self._one()
        self._given: Found = {}
        self._found: Found = {}  # in this Task
        self._last: tuple[Any, Chain] | None = None
        self._suspects: tuple[int, Suspects, list[Rules]] | None = None
        self._kinds: dict[type, tuple[list[tuple[Any, int]], list[Any], Any, Any]] = {
            kind: (
                [(as_kind(name, kind), rank) for name, rank in spec.files], [as_kind(tag, kind) for tag in spec.tags],
                as_kind(CACHE_TAG, kind), as_kind(".git", kind),
            )
            for kind in (str, bytes)
        }  # fmt: skip

    def _base(self, root: Any) -> Chain:
        base = self.spec.bases[root]
        scopes = (
            Scope(text.rank, rules_of(text.content, text.source, self.spec.ignore_case), 0, text.inside)
            for text in base.texts
        )
        return Chain(tuple(scopes), len(text_of(prefix_of(root))), base.in_repository)

    def _one(self) -> Chain | None:
        """Return the Chain of all directories, if there is only one."""
        return next(iter(self._chains.values())) if len(self._chains) == 1 else None

    def begin(self, rules: Found) -> None:
        """Prepare for a Task, with the rules of the directories above."""
        if rules == self._given and not self._found:
            return
        self._chains, self._given, self._found, self._last = dict(self._bases), rules, {}, None
        self._suspects = None
        for path in sorted(rules, key=len):  # parents first
            self._chains[path] = self._with_rules(path, rules[path])
        self._only = self._one()

    def suspects(self, path: Any) -> tuple[Suspects, bool] | None:
        """Return the names that a rule may match in the directory `path` and below it, and whether other directories
        have other ones. None if a rule may match any name. Called only if the Spec `is_native`.
        """
        if self._suspects is None or self._suspects[0] != len(self._found):
            all_rules = list(
                {id(scope.rules): scope.rules for chain in self._chains.values() for scope in chain.scopes}.values()
            )
            suspects = self._of_interest()
            for rules in all_rules:
                if not rules.suspects.any:
                    suspects.update(rules.suspects)
            self._suspects = len(self._found), suspects, [rules for rules in all_rules if rules.suspects.any]
        _, suspects, unclear = self._suspects
        if unclear and any(scope.rules in unclear for scope in self.chain(path).scopes):
            return None
        return suspects, bool(unclear)

    def _of_interest(self) -> Suspects:
        """Return the names that the filter looks for with any rules."""
        suspects = Suspects()
        suspects.names = {text_of(name) for name, _ in self.spec.files} | {text_of(tag) for tag in self.spec.tags}
        suspects.names |= {CACHE_TAG} if self.spec.caches else set()
        suspects.names |= {".git"} if self.spec.gitignore else set()
        suspects.names |= {text_of(name) for name in self.spec.own}
        return suspects

    def found_above(self, leftovers: Iterable[Path]) -> Found:
        """Return the rules found in this Task that apply to its leftovers."""
        if not self._found:
            return {}
        above = {each for path in leftovers for each in upwards(path)}
        return {path: texts for path, texts in self._found.items() if path in above}

    @property
    def found(self) -> Found:
        """All rules found in this Task."""
        return self._found

    def chain(self, path: Any) -> Chain:
        """Return the rules that apply in the directory `path`."""
        if self._only is not None:
            return self._only
        own = self._chains.get(path)
        if own is not None:
            return own
        parent = path[: path.rfind(prefix_of(path)[-1:])]
        if self._last is None or self._last[0] != parent:
            self._last = parent, self._above(path)
        return self._last[1]

    def enter(self, path: Any, names: Any, read: ReadFile) -> tuple[Fault | None, list[Fault]]:
        """Look for rule files, tags and repositories in a directory.

        `names`: its entries, or None if not all are known yet. Returns why the directory must not be entered, or None;
        and the faults of its rule files.
        """
        files, tags, cache_tag, dot_git = self._kinds[type(path)]

        def exists(name: Any) -> bool:
            return name in names if names is not None else os.path.lexists(os.path.join(path, name))

        for tag in tags:
            if exists(tag):
                return excluded(path, f"it holds '{os.fsdecode(tag)}'"), []
        if self.spec.caches and exists(cache_tag) and self._is_cache(read, cache_tag):
            return excluded(path, f"it is a cache: it holds a {CACHE_TAG}"), []
        texts: list[tuple[int, str, bytes]] = []
        if self.spec.gitignore and path not in self._bases and exists(dot_git):
            directory = git.git_directory(path)
            if directory is not None:
                if self._above(path).in_repository:  # of the parent: this directory may be entered again
                    return excluded(path, "it is a separate repository"), []
                texts.append((NEW_REPOSITORY, "", b""))
                files = [*files, (git.info_exclude(directory), REPOSITORY)]
        faults = self._read_rules(path, files, names, read, texts)
        if texts:
            self._found[path] = tuple(texts)
            self._chains[path] = self._with_rules(path, self._found[path])
            self._only = self._one()
        return None, faults

    def _is_cache(self, read: ReadFile, cache_tag: Any) -> bool:
        try:
            return (read(cache_tag) or b"").startswith(SIGNATURE)
        except OSError:
            return False

    def _read_rules(
        self, path: Any, files: list[tuple[Any, int]], names: Any, read: ReadFile, texts: list[tuple[int, str, bytes]]
    ) -> list[Fault]:
        faults: list[Fault] = []
        for name, rank in files:
            if names is not None and rank != REPOSITORY and name not in names:
                continue
            file = os.path.join(path, as_kind(name, type(path)))
            try:
                content = git.read_rules(name, follow=True) if rank == REPOSITORY else read(name)
            except OSError as error:
                faults.append(rules_fault(file, error))
                continue
            if content:
                texts.append((rank, text_of(file), content))
                problems = rules_of(content, text_of(file), self.spec.ignore_case).problems
                faults += [
                    Fault(file, "rules", 0, f"line {line}: '{text}' can match nothing: {why}", "pattern")
                    for line, text, why in problems
                ]
        return faults

    def _with_rules(self, path: Any, texts: tuple[tuple[int, str, bytes], ...]) -> Chain:
        chain = self._above(path)
        start = len(chain.relative(text_of(path)))
        scopes = [
            Scope(rank, rules_of(content, source, self.spec.ignore_case), start)
            for rank, source, content in texts
            if rank != NEW_REPOSITORY
        ]
        # Of several rule files in a directory, the last one in the options has the highest precedence.
        return chain.with_scopes(scopes[::-1], repository_at=start if texts[0][0] == NEW_REPOSITORY else None)

    def _above(self, path: Any) -> Chain:
        """Return the rules that apply in the parent directory; for a root, those of the Spec."""
        if path in self._bases:
            return self._bases[path]
        return next((self._chains[each] for each in islice(upwards(path), 1, None) if each in self._chains), NOTHING)

    def sift(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any]) -> tuple[Any, Any, Any, list[Fault]]:
        """Return the names of directories, of links among them, and of others, without excluded entries; and faults."""
        chain = self.chain(path)
        relative = chain.relative(text_of(path))
        names = dirs + files if dirs else files
        texts, joined = as_texts(names)
        out = self._excluded(chain, relative, texts, joined, texts[: len(dirs)], as_texts(links)[0] if links else [])
        if out:
            gone = out if texts is names else {name for name, text in zip(names, texts, strict=True) if text in out}
            dirs, links, files = ([name for name in some if name not in gone] for some in (dirs, links, files))
        faults: list[Fault] = []
        if self.spec.prune is not None and dirs:
            dirs, faults = self._pruned(path, relative, dirs)
            kept = set(dirs)
            links = [name for name in links if name in kept]
        return dirs, links, files, faults

    def select(self, path: Any, names: list[Any]) -> list[Any]:
        """Return the names of non-directories that are selected by name and depth."""
        relative = self.chain(path).relative(text_of(path))
        return self.selection.names(relative, names, as_texts(names)[0])

    def _excluded(
        self, chain: Chain, relative: str, texts: list[str], joined: str, dirs: list[str], links: list[str]
    ) -> set[str]:
        out: set[str] = set()
        if not self.spec.hidden and "\0." in joined:
            out.update(text for text in texts if text[0] == ".")
        if self.spec.gitignore and "\0.git\0" in joined:
            out.add(".git")
        if chain.scopes:
            rules = chain.rules_in(relative)
            candidates = rules.candidates(texts, joined)
            directories = set(dirs).difference(links) if candidates else ()
            for text in candidates:
                rule = rules.decide(text, text in directories)
                if rule is not None and not rule.negated:
                    out.add(text)
        return out

    def _pruned(self, path: Any, relative: str, dirs: list[Any]) -> tuple[list[Any], list[Fault]]:
        prune: Any = self.spec.prune
        try:
            if hasattr(prune, "should_ignore_directory"):
                below = relative.encode("latin-1")
                prefix: Any = below if isinstance(path, bytes) else os.fsdecode(below)
                return [name for name in dirs if not prune.should_ignore_directory(prefix + name)], []
            kept = set(prune(path, list(dirs)))
            return [name for name in dirs if name in kept], []
        except Exception as error:  # of the caller's code: any
            message = f"prune failed, all subdirectories are kept: {type(error).__name__}: {error}"
            return dirs, [Fault(path, "prune", 0, message, "prune")]

    def rule_excluding(self, path: Any, name: Any, is_dir: bool) -> str | None:
        """Return the rule or the option that excludes an entry by its name; None if it is included."""
        chain = self.chain(path)
        text = text_of(name)
        if not self.spec.hidden and text[0] == ".":
            return "no_hidden"
        if self.spec.gitignore and text == ".git":
            return "gitignore: .git itself"
        rule = chain.rules_in(chain.relative(text_of(path))).decide(text, is_dir)
        return str(rule) if rule is not None and not rule.negated else None


NOTHING = Chain((), 0)


def as_kind(name: Any, kind: type) -> Any:
    """Return a name as str or bytes."""
    return os.fsencode(name) if kind is bytes else os.fsdecode(name)


def as_texts(names: list[Any]) -> tuple[list[str], str]:
    """Return names with a character for each byte, mostly the same objects; and joined, see Index."""
    if names and isinstance(names[0], str):
        joined = join(names)
        if joined.isascii():
            return names, joined
    texts = [text_of(name) for name in names]
    return texts, join(texts)
