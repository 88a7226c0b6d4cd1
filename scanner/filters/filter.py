"""What of a directory is left out, decided where it is read.

listing -> enter() -> may it be entered at all? its own files of rules -> Chain
-> sift()  -> what is left out is gone, so it is never opened; what is not wanted is not shown
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from scanner.filters import git
from scanner.filters.chain import GIT, REPOSITORY, Chain, Scope, join
from scanner.filters.rules import Rules, Suspects, rules_of
from scanner.filters.select import Selection
from scanner.filters.spec import Spec, Text, rules_fault
from scanner.filters.wildmatch import text_of
from scanner.model import Fault, Path, excluded, prefix_of, upwards

CACHE_TAG, SIGNATURE = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55"
NEW_REPOSITORY = -1  # as a rank: git looks no further up from here
ReadFile = Callable[[Any], bytes | None]
"""The content of the file of that name in the directory that is read; None if there is none. Raises OSError."""
Found = dict[Path, tuple[tuple[int, str, bytes], ...]]
"""Rules that directories have of their own, for whoever walks below them: rank, source, content of each."""


class Filter:
    """For one Walker. `begin` with each Task; `enter` and `sift` each directory."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.selection = Selection(spec)
        self.looks = (
            spec.gitignore or spec.caches or bool(spec.files or spec.tags)
        )  # at what a directory has of its own
        self._bases = {root: self._base(root) for root in spec.bases}
        self._chains: dict[Path, Chain] = dict(self._bases)
        self._only = self._one()
        self._given: Found = {}
        self._found: Found = {}
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
        """The Chain for all directories, as long as there is but one."""
        return next(iter(self._chains.values())) if len(self._chains) == 1 else None

    def begin(self, rules: Found) -> None:
        """Another Task, with the rules of the directories above what it has to walk."""
        if rules == self._given and not self._found:
            return
        self._chains, self._given, self._found, self._last = dict(self._bases), rules, {}, None
        self._suspects = None
        for path in sorted(rules, key=len):  # what is above comes first
            self._chains[path] = self._with_rules(path, rules[path])
        self._only = self._one()

    def suspects(self, path: Any) -> tuple[Suspects, bool] | None:
        """What a name must have to be of any interest below the directory `path`, and whether that holds for nothing
        else. None if every name may be.
        """
        spec = self.spec
        if self.selection.unwanted is None or spec.ignore_case or spec.prune is not None:
            return None
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
        """What is looked at whatever the rules are."""
        suspects = Suspects()
        suspects.names = {text_of(name) for name, _ in self.spec.files} | {text_of(tag) for tag in self.spec.tags}
        suspects.names |= {CACHE_TAG} if self.spec.caches else set()
        suspects.names |= {".git"} if self.spec.gitignore else set()
        suspects.names |= {text_of(name) for name in self.spec.own}
        suspects.beginnings = set() if self.spec.hidden else {"."}
        return suspects

    def found_above(self, leftovers: Iterable[Path]) -> Found:
        """The rules that have been found and hold for what is left."""
        if not self._found:
            return {}
        above = {each for path in leftovers for each in upwards(path)}
        return {path: texts for path, texts in self._found.items() if path in above}

    @property
    def found(self) -> Found:
        """All that have been found in this Task."""
        return self._found

    def chain(self, path: Any) -> Chain:
        """What holds in the directory `path`."""
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
        """Look at what a directory has of its own. Why it is not entered, if so; and files of rules that are of no use.

        `names`: what is in it, or None where that is not known yet.
        """
        files, tags, cache_tag, dot_git = self._kinds[type(path)]

        def there(name: Any) -> bool:
            return name in names if names is not None else os.path.lexists(os.path.join(path, name))

        for tag in tags:
            if there(tag):
                return excluded(path, f"it holds '{os.fsdecode(tag)}'"), []
        if self.spec.caches and there(cache_tag) and self._is_cache(read, cache_tag):
            return excluded(path, f"it is a cache: it holds a {CACHE_TAG}"), []
        texts: list[tuple[int, str, bytes]] = []
        if self.spec.gitignore and path not in self._bases and there(dot_git):
            directory = git.git_directory(path)
            if directory is not None:
                if self._above(path).in_repository:  # not its own: it may be read again
                    return excluded(path, "it is a repository of its own"), []
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
            place = os.path.join(path, as_kind(name, type(path)))
            try:
                content = git.read_rules(name, follow=True) if rank == REPOSITORY else read(name)
            except OSError as error:
                faults.append(rules_fault(place, error))
                continue
            if content:
                texts.append((rank, text_of(place), content))
                problems = rules_of(content, text_of(place), self.spec.ignore_case).problems
                faults += [
                    Fault(place, "rules", 0, f"line {line}: '{text}' can match nothing: {why}", "pattern")
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
        # Of several files in a directory, the one that was named last is the strongest.
        return chain.with_scopes(scopes[::-1], repository_at=start if texts[0][0] == NEW_REPOSITORY else None)

    def _above(self, path: Any) -> Chain:
        """What holds in the directory above; above a root, what the Spec says."""
        if path in self._bases:
            return self._bases[path]
        return next((self._chains[each] for each in islice(upwards(path), 1, None) if each in self._chains), NOTHING)

    def sift(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any]) -> tuple[Any, Any, Any, list[Fault]]:
        """The names of directories, of links among them, and of others, without what is left out."""
        chain = self.chain(path)
        relative = chain.relative(text_of(path))
        names = dirs + files if dirs else files
        texts, joined = as_texts(names)
        out = self._left_out(chain, relative, texts, joined, texts[: len(dirs)], as_texts(links)[0] if links else [])
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
        """Those of the names of no directories that are shown, as far as names tell."""
        relative = self.chain(path).relative(text_of(path))
        return self.selection.names(relative, names, as_texts(names)[0])

    def _left_out(
        self, chain: Chain, relative: str, texts: list[str], joined: str, dirs: list[str], links: list[str]
    ) -> set[str]:
        out: set[str] = set()
        if not self.spec.hidden and "\0." in joined:
            out.update(text for text in texts if text[0] == ".")
        if self.spec.gitignore and "\0.git\0" in joined:
            out.add(".git")
        if chain.scopes:
            place = chain.place(relative)
            candidates = place.candidates(texts, joined)
            directories = set(dirs).difference(links) if candidates else ()
            for text in candidates:
                rule = place.decide(text, text in directories)
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
        except Exception as error:  # whatever it is, it is the caller's
            message = f"prune failed, all of it is kept: {type(error).__name__}: {error}"
            return dirs, [Fault(path, "prune", 0, message, "prune")]

    def why_out(self, path: Any, name: Any, is_dir: bool) -> str | None:
        """Which rule leaves an entry out by its name; None if none does."""
        chain = self.chain(path)
        text = text_of(name)
        if not self.spec.hidden and text[0] == ".":
            return "no_hidden"
        if self.spec.gitignore and text == ".git":
            return "gitignore: .git itself"
        rule = chain.place(chain.relative(text_of(path))).decide(text, is_dir)
        return str(rule) if rule is not None and not rule.negated else None


NOTHING = Chain((), 0)


def as_kind(name: Any, kind: type) -> Any:
    return os.fsencode(name) if kind is bytes else os.fsdecode(name)


def as_texts(names: list[Any]) -> tuple[list[str], str]:
    """The names with a character for each byte, which are mostly themselves; and joined, see Sieve."""
    if names and isinstance(names[0], str):
        joined = join(names)
        if joined.isascii():
            return names, joined
    texts = [text_of(name) for name in names]
    return texts, join(texts)


__all__ = ["GIT", "Filter", "Found", "Text"]
