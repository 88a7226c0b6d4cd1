"""The filter options, parsed and complete: they travel to the workers with the scan options."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from scanner.errors import OptionError
from scanner.filters import git, values
from scanner.filters.chain import COMMAND, GIT, IGNORE, REPOSITORY, USER
from scanner.filters.conditions import Condition, conditions_of
from scanner.filters.rules import Rules, rules_of
from scanner.filters.wildmatch import text_of
from scanner.model import Fault, Path


class RuleText(NamedTuple):
    """The content of a rule file or of an option. `inside`: see Scope."""

    rank: int
    source: str
    content: bytes
    inside: str = ""


class PatternFile(NamedTuple):
    """A file of `exclude_from`: read once, because it may be a pipe."""

    name: Any
    content: bytes


class RootRules(NamedTuple):
    """The rules that apply in a root: from options, from files above it, and from the user's excludes."""

    texts: tuple[RuleText, ...]
    in_repository: bool


class Spec(NamedTuple):
    """Parsed filter options.

    `bases`: rules of each root. `files`: names of rule files to look for, with ranks. `types`: letters of the types
    that all options allow. `conditions`: of entries that are not directories. `reported`: faults of rule files outside
    the tree. Other fields are the options of the same names, in the form in which they are compared.
    """

    bases: dict[Path, RootRules]
    files: tuple[tuple[str, int], ...] = ()
    gitignore: bool = False
    ignore_case: bool = False
    include: bytes = b""
    tags: tuple[str, ...] = ()
    caches: bool = False
    hidden: bool = True
    min_depth: int = 0
    max_depth: int | None = None
    types: str = values.ALL_TYPES
    conditions: tuple[Condition, ...] = ()
    directory_conditions: tuple[Condition, ...] = ()
    empty: bool = False
    prune: Callable[[Any, list[Any]], Any] | None = None
    reported: tuple[Fault, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def needs_entries(self) -> bool:
        """Whether the selection needs more of an entry than its name."""
        return self.selects_types or bool(self.conditions)

    @property
    def selects_types(self) -> bool:
        return len(self.types) < len(values.ALL_TYPES)

    @property
    def is_native(self) -> bool:
        """Whether the compiled walker can apply it, and leave directories to Python where a rule may match a name."""
        opens_last = self.empty and self.max_depth is not None
        is_exact = all(condition.is_exact for condition in self.conditions + self.directory_conditions)
        return is_exact and not (opens_last or self.include or self.prune is not None or self.ignore_case)

    @property
    def only_compares(self) -> bool:
        """Whether the compiled walker can apply all of it: types, status, depths, hidden names."""
        rules = (
            self.files or self.gitignore or self.tags or self.caches or any(base.texts for base in self.bases.values())
        )
        return self.is_native and not rules

    @property
    def hides_directories(self) -> bool:
        """Whether directories are entered that are not shown."""
        return self.min_depth > 0 or "d" not in self.types or self.empty or bool(self.directory_conditions)

    @property
    def hides_entries(self) -> bool:
        """Whether entries are excluded by type, status, depth, or as hidden ones."""
        return self.min_depth > 0 or self.needs_entries or not self.hidden


def command_texts(exclude: tuple[str, ...], files: Any, ignore_case: bool) -> list[RuleText]:
    """Return the patterns in options, the highest precedence first. Raises OptionError if one can match no name."""
    texts = []
    content = patterns_of("exclude", exclude, ignore_case)
    if content:
        texts.append(RuleText(COMMAND, "exclude", content))
    for name, found in reversed(read_once(files)):
        refuse_problems(rules_of(found, str(name), ignore_case), "exclude_from")
        texts.append(RuleText(COMMAND, text_of(name), found))
    return texts


def read_once(files: Any) -> tuple[PatternFile, ...]:
    """Read the files of `exclude_from`, unless they were read before. Raises OptionError."""
    if isinstance(files, tuple) and all(isinstance(each, PatternFile) for each in files):
        return files
    return tuple(PatternFile(name, _content(name)) for name in values.strings("exclude_from", files))


def _content(name: Any) -> bytes:
    try:
        with open(name, "rb") as file:
            return file.read(git.MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise OptionError(f"exclude_from {os.fsdecode(name)!r}: cannot read it: {reason}") from None


def patterns_of(option: str, patterns: tuple[str, ...], ignore_case: bool) -> bytes:
    """Return patterns as the lines of a rule file. Raises OptionError."""
    if not patterns:
        return b""
    for pattern in patterns:
        if not isinstance(pattern, str) or "\n" in pattern or "\0" in pattern or not pattern:
            raise OptionError(f"{option} must be patterns as in a .gitignore, not {pattern!r}")
    # Unlike in a file, a '#' starts no comment, and trailing spaces are part of the pattern.
    lines = ["\\" + each if each.startswith("#") else each for each in patterns]
    content = "\n".join(_with_trailing_space(line) for line in lines)
    try:
        encoded = os.fsencode(content)
    except UnicodeEncodeError:
        raise OptionError(f"{option} must be patterns that a name can match, not {content!r}") from None
    refuse_problems(Rules(enumerate(text_of(content).split("\n"), 1), option, ignore_case), option)
    return encoded


def _with_trailing_space(line: str) -> str:
    """Escape a trailing space, which a rule file would otherwise ignore."""
    rest = line.removesuffix(" ")
    escaped = (len(rest) - len(rest.rstrip("\\"))) % 2
    return rest + "\\ " if rest != line and not escaped else line


def refuse_problems(rules: Rules, option: str) -> None:
    """Raise OptionError for the first line that can match nothing."""
    if rules.problems:
        line, pattern, why = rules.problems[0]
        where = f" (line {line} of {rules.source})" if rules.source != option else ""
        raise OptionError(f"{option} {pattern!r}{where} can match nothing: {why}")


def root_rules(
    root: Path, command: list[RuleText], gitignore: bool, users_excludes: Callable[[str | None], str | None]
) -> tuple[RootRules, list[Fault]]:
    """Return the rules that apply in a root, and faults of rule files. `command`: the rules in options."""
    texts, faults = list(command), []
    repository = git.repository_above(root) if gitignore else None
    files: list[tuple[int, str, str]] = []
    if repository is not None:
        top, directory = repository
        above = git.above_root(root, top)
        files += [(GIT, f"{parent}/.gitignore", inside) for parent, inside in reversed(above)]
        files.append((REPOSITORY, git.info_exclude(directory), above[0][1] if above else ""))
    users = users_excludes(repository[0] if repository is not None else None) if gitignore else None
    if users is not None:
        files.append((USER, users, files[-1][2] if files else ""))
    for rank, name, inside in files:
        try:
            content = git.read_rules(name, follow=rank != GIT)
        except OSError as error:
            faults.append(rules_fault(name, error))
            continue
        if content:
            texts.append(RuleText(rank, text_of(name), content, inside))
    return RootRules(tuple(texts), repository is not None), faults


def rules_fault(path: Any, error: OSError) -> Fault:
    """Return the fault of an unreadable rule file."""
    return Fault(path, "rules", error.errno or 0, error.strerror or str(error), "rules")


def spec_of(options: Any, roots: tuple[Path, ...]) -> Spec:
    """Parse the filter options of `options`, a ScanOptions. Raises OptionError."""
    case = bool(options.ignore_case)
    command = command_texts(values.strings("exclude", options.exclude), options.exclude_from, case)
    include = patterns_of("include", values.strings("include", options.include), case)
    bases, faults = {}, []
    users_excludes = cache(git.users_excludes)  # runs git once for each repository
    for root in roots:
        bases[root], unreadable = root_rules(root, command, options.gitignore, users_excludes)
        faults += unreadable
    files = [(name, IGNORE) for name in values.names_of("ignore_files", options.ignore_files)]
    conditions = conditions_of(options)
    return Spec(
        bases, files=tuple(files + [(".gitignore", GIT)] * options.gitignore), gitignore=options.gitignore,
        ignore_case=case, include=include, tags=values.names_of("exclude_if_present", options.exclude_if_present),
        caches=options.exclude_caches, hidden=options.hidden, min_depth=options.min_depth, max_depth=options.max_depth,
        types=_types(options), conditions=conditions.others, directory_conditions=conditions.directories,
        empty=options.empty, prune=options.prune,
        reported=tuple(faults), own=options.own,
    )  # fmt: skip


def _types(options: Any) -> str:
    """Return the types that all options allow. Files have a size; files and directories may be empty."""
    allowed = set(values.types_of(options.types))
    allowed &= set("f" if values.sizes_of(options.size) else values.ALL_TYPES)
    allowed &= set("fd" if options.empty else values.ALL_TYPES)
    return "".join(letter for letter in values.ALL_TYPES if letter in allowed)


def refuse_prune(prune: Any, method: str) -> None:
    """Raise OptionError if worker processes cannot call `prune`. `method`: the start method."""
    if not (callable(prune) or hasattr(prune, "should_ignore_directory")):
        raise OptionError("prune must be callable or have a method should_ignore_directory")
    if method == "fork":
        return
    import pickle

    try:
        packed = pickle.dumps(prune)
    except Exception as error:
        raise OptionError(f"prune must be picklable for worker processes (or use backend='serial'): {error}") from None
    if b"__main__" in packed:
        raise OptionError(
            "prune must be defined in a module that worker processes can import, not in the main script "
            "(or use backend='serial')"
        )
