"""What a caller wants left out, checked and complete: it travels to the workers with the options."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from scanner.errors import OptionError
from scanner.filters import git
from scanner.filters.chain import COMMAND, GIT, IGNORE, REPOSITORY, USER
from scanner.filters.rules import Rules, rules_of
from scanner.filters.wildmatch import text_of
from scanner.model import Fault, Path


class Text(NamedTuple):
    """The content of a file of rules, or of an option. `inside`: where the root lies below it (see Scope)."""

    rank: int
    source: str
    content: bytes
    inside: str = ""


class Given(NamedTuple):
    """A file of patterns that the caller has named: read once, for it may be a pipe."""

    name: Any
    content: bytes


class Base(NamedTuple):
    """What holds from a root on."""

    texts: tuple[Text, ...]
    in_repository: bool


class Spec(NamedTuple):
    """`files`: names of files of rules to look for, and their ranks; `reported`: Faults of those that hold from above.

    The rest as in ScanOptions, in the form in which it is compared.
    """

    bases: dict[Path, Base]
    files: tuple[tuple[str, int], ...] = ()
    gitignore: bool = False
    ignore_case: bool = False
    include: bytes = b""
    tags: tuple[str, ...] = ()
    caches: bool = False
    hidden: bool = True
    min_depth: int = 0
    max_depth: int | None = None
    types: str = ""
    sizes: tuple[tuple[str, int], ...] = ()
    newer: int | None = None  # nanoseconds
    older: int | None = None
    prune: Callable[[Any, list[Any]], Any] | None = None
    reported: tuple[Fault, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether an entry has to be asked for more than its name."""
        return bool(self.types or self.sizes) or self.newer is not None or self.older is not None


def command_texts(exclude: tuple[str, ...], files: Any, ignore_case: bool) -> list[Text]:
    """The patterns of the caller, the strongest first. Raises OptionError for one that no name can match."""
    texts = []
    content = patterns_of("exclude", exclude, ignore_case)
    if content:
        texts.append(Text(COMMAND, "exclude", content))
    for name, found in reversed(read_once(files)):
        refuse(rules_of(found, str(name), ignore_case), "exclude_from")
        texts.append(Text(COMMAND, text_of(name), found))
    return texts


def read_once(files: Any) -> tuple[Given, ...]:
    """The files of `exclude_from`, those apart that have been read. Raises OptionError."""
    from scanner.filters import values  # which needs Spec

    if isinstance(files, tuple) and all(isinstance(each, Given) for each in files):
        return files
    return tuple(Given(name, _content(name)) for name in values.strings("exclude_from", files))


def _content(name: Any) -> bytes:
    try:
        return git.read_given(name)
    except FileNotFoundError:
        raise OptionError(f"exclude_from names no file: {str(name)!r} is not there") from None
    except (OSError, ValueError) as error:
        raise OptionError(f"exclude_from cannot read {name!r}: {getattr(error, 'strerror', error)}") from None


def patterns_of(option: str, patterns: tuple[str, ...], ignore_case: bool) -> bytes:
    """Patterns as the lines of a file. Raises OptionError."""
    if not patterns:
        return b""
    for pattern in patterns:
        if not isinstance(pattern, str) or "\n" in pattern or "\0" in pattern or not pattern:
            raise OptionError(f"{option} must be patterns as in a .gitignore, not {pattern!r}")
    # A '#' is a comment in a file only, and spaces count.
    lines = ["\\" + each if each.startswith("#") else each for each in patterns]
    content = "\n".join(_with_its_spaces(line) for line in lines)
    try:
        encoded = os.fsencode(content)
    except UnicodeEncodeError:
        raise OptionError(f"{option} must be patterns that a name can match, not {content!r}") from None
    refuse(Rules(enumerate(text_of(content).split("\n"), 1), option, ignore_case), option)
    return encoded


def _with_its_spaces(line: str) -> str:
    """As it must stand in a file so that a space at its end counts."""
    rest = line.removesuffix(" ")
    escaped = (len(rest) - len(rest.rstrip("\\"))) % 2
    return rest + "\\ " if rest != line and not escaped else line


def refuse(rules: Rules, option: str) -> None:
    if rules.problems:
        line, pattern, why = rules.problems[0]
        where = f" (line {line} of {rules.source})" if rules.source != option else ""
        raise OptionError(f"{option} {pattern!r}{where} can match nothing: {why}")


def base_of(
    root: Path, command: list[Text], gitignore: bool, users_excludes: Callable[[str | None], str | None]
) -> tuple[Base, list[Fault]]:
    """What holds from this root on, with what lies above it, and the user's own file."""
    texts, faults = list(command), []
    repository = git.repository_above(root) if gitignore else None
    places: list[tuple[int, str, str]] = []
    if repository is not None:
        top, directory = repository
        above = git.above_root(root, top)
        places += [(GIT, f"{place}/.gitignore", inside) for place, inside in reversed(above)]
        places.append((REPOSITORY, git.info_exclude(directory), above[0][1] if above else ""))
    users = users_excludes(repository[0] if repository is not None else None) if gitignore else None
    if users is not None:
        places.append((USER, users, places[-1][2] if places else ""))
    for rank, name, inside in places:
        try:
            content = git.read_rules(name, follow=rank != GIT)
        except OSError as error:
            faults.append(rules_fault(name, error))
            continue
        if content:
            texts.append(Text(rank, text_of(name), content, inside))
    return Base(tuple(texts), repository is not None), faults


def rules_fault(path: Any, error: OSError) -> Fault:
    return Fault(path, "rules", error.errno or 0, error.strerror or str(error), "rules")


def spec_of(options: Any, roots: tuple[Path, ...]) -> Spec:
    """What `options` (a ScanOptions) want left out below these roots. Raises OptionError."""
    from scanner.filters import values  # which needs Spec

    case = bool(options.ignore_case)
    command = command_texts(values.strings("exclude", options.exclude), options.exclude_from, case)
    include = patterns_of("include", values.strings("include", options.include), case)
    bases, faults = {}, []
    users_excludes = cache(git.users_excludes)  # runs git: once for each repository
    for root in roots:
        bases[root], troubles = base_of(root, command, options.gitignore, users_excludes)
        faults += troubles
    files = [(name, IGNORE) for name in values.names_of("ignore_files", options.ignore_files)]
    return Spec(
        bases,
        tuple(files + [(".gitignore", GIT)] * options.gitignore),
        options.gitignore,
        case,
        include,
        values.names_of("exclude_if_present", options.exclude_if_present),
        options.exclude_caches,
        options.hidden,
        options.min_depth,
        options.max_depth,
        values.types_of(options.types),
        values.sizes_of(options.size),
        None if options.newer is None else values.moment_of("newer", options.newer),
        None if options.older is None else values.moment_of("older", options.older),
        options.prune,
        tuple(faults),
        options.own,
    )


def refuse_prune(prune: Any, method: str) -> None:
    """Raise OptionError for what worker processes could not have."""
    if not (callable(prune) or hasattr(prune, "should_ignore_directory")):
        raise OptionError("prune must be callable, or have a method should_ignore_directory")
    if method == "fork":
        return
    import pickle

    try:
        packed = pickle.dumps(prune)
    except Exception as error:
        raise OptionError(f"prune must be something that can be pickled, for worker processes: {error}") from None
    if b"__main__" in packed:
        raise OptionError(
            "prune must be defined in a module that worker processes can import, not in the main script "
            "(or use backend='serial')"
        )
