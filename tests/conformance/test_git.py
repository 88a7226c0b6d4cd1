"""`gitignore` excludes what git excludes, by the same rule. Compared with git itself."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scanner
from scanner.filters.chain import GIT, Chain, Scope
from scanner.filters.filter import Filter
from scanner.filters.rules import rules_of
from scanner.kernel.read import Reader
from scanner.kernel.walk import Walker
from scanner.model import Task, names
from scanner.options import ScanOptions
from tests.conftest import FULL, OTHERS
from tests.support.pairwise import in_turn

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

EXAMPLES = int(os.environ.get("GIT_EXAMPLES", "300"))
CONFIG = os.devnull
NAMES = [
    "a", "b", "foo", "foobar", "bar", "a.c", "b.o", ".x", "A", "[a]", "a b", "a ", "!a", "#a", "\\a", "*", "**", "a\\",
    "ab", "abc", "é", "FOO", "-", "]", "x\ny",
]  # fmt: skip
ATOMS = [
    "*", "**", "?", "a", "b", "foo", "bar", ".c", ".o", "/", "/", "**/", "/**", "[a-c]", "[!a]", "[^b]", "[]a]", "[a",
    "\\*", "\\a", "\\", "!", "#", " ", "\\ ", "[[:alpha:]]", "[[:bogus:]]", "[z-a]", "[a-]", "é", ".", "A", "[A]",
    "[A-Z]", "[[:upper:]]", "\\A", "[a-c-e]", "[[:]", "[\\]]", "\\/", "***", "[/]", "[!/]", "\r", "\0", "\t",
]  # fmt: skip


def git(top: Path, *arguments: str, **options: Any) -> bytes:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": CONFIG, "GIT_CONFIG_SYSTEM": os.devnull}
    result = subprocess.run(
        ["git", "-C", top, *arguments], capture_output=True, timeout=60, env=environment, check=False, **options
    )  # fmt: skip
    assert result.returncode == 0 or arguments[0] == "check-ignore", result.stderr
    return result.stdout


def not_ignored(top: Path) -> set[bytes]:
    """Return the files that git lists."""
    listed = git(top, "ls-files", "-z", "-co", "--exclude-standard").split(b"\0")
    return {path for path in listed if path and not path.endswith(b"/")}


def shown(top: Path, **options: Any) -> set[bytes]:
    """Return the files that a scan with `gitignore` lists."""
    return files(scanner.scan(os.fsencode(top), gitignore=True, **options), len(os.fsencode(top)) + 1)


def files(walked: Iterable[Any], prefix: int) -> set[bytes]:
    """Return what git treats as files, including symbolic links to directories."""
    return {
        os.path.join(root, name)[prefix:]
        for root, dirs, names in walked
        for name in [*names, *(each for each in dirs if os.path.islink(os.path.join(root, each)))]
    }


@pytest.fixture(scope="module")
def wild_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository with names of all kinds, four levels deep."""
    top = tmp_path_factory.mktemp("wild")
    chosen = random.Random(7)
    (top / "foo" / "foo").mkdir(parents=True)
    for path in sorted("/".join(chosen.choice(NAMES) for _ in range(chosen.randint(1, 4))) for _ in range(170)):
        place = top / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir() if chosen.random() < 0.4 else place.touch()
        except (FileExistsError, NotADirectoryError):
            pass
    Path(os.fsdecode(os.fsencode(top) + b"/n\xff\xfe.o")).touch()
    git(top, "init", "-q")
    return top


lines = st.lists(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=6).map("".join), min_size=1, max_size=4)


@pytest.mark.timeout(600)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=lines, above=lines, again=st.booleans(), ending=st.sampled_from(["\n", "\r\n"]), bom=st.booleans(),
    fold=st.booleans(),
)  # fmt: skip
def test_random_rules_on_a_tree_of_all_kinds_of_names(
    wild_tree: Path, lines: list[str], above: list[str], again: bool, ending: str, bom: bool, fold: bool
) -> None:
    """Two rule files with any lines, one below the other."""
    if again:
        lines = [*lines, "!" + lines[0]]
    (wild_tree / ".gitignore").write_bytes(bom * b"\xef\xbb\xbf" + ending.join(above).encode())
    (wild_tree / "foo" / ".gitignore").write_bytes(ending.join(lines).encode())
    git(wild_tree, "config", "core.ignorecase", str(fold).lower())
    assert shown(wild_tree, backend="serial", ignore_case=fold) == not_ignored(wild_tree)


CASES: dict[str, dict[str, Any]] = {
    "negation": {
        ".gitignore": "*.log\n!keep.log\nlogs/\n!logs/keep.log\n", "a.log": "", "keep.log": "", "logs/keep.log": "",
        "sub/keep.log": "", "sub/b.log": "",
    },
    "anchors": {
        ".gitignore": "/top\nsub/inner\nboth/\n/x/*.c\n", "top": "", "sub/top": "", "sub/inner": "", "a/sub/inner": "",
        "both/f": "", "a/both/f": "", "x/a.c": "", "x/y/a.c": "", "both2": "",
    },
    "stars in all places": {
        ".gitignore": "**/one\ntwo/**\nthree/**/end\nfo**r\nx/fi**/ve\n**/six/**/seven/*\n", "one": "", "a/one": "",
        "two/a": "", "two/b/c": "", "b/two/c": "", "three/end": "", "three/a/b/end": "", "foor": "", "fo/r": "",
        "x/five": "", "x/fi/ve": "", "x/fi/a/ve": "", "six/seven/f": "", "q/six/a/seven/f": "", "q/six/a/seven/g/h": "",
    },
    "trailing spaces and escapes": {
        ".gitignore": "space   \nkept\\ \n\\#hash\n\\!bang\nback\\\\slash\nq\\?\nend\\\n", "space": "", "kept ": "",
        "#hash": "", "!bang": "", "back\\slash": "", "q?": "", "qx": "", "end\\": "", "end": "",
    },
    "character classes": {
        ".gitignore": "[a-c]1\n[!x]2\n[[:digit:]]x\n[]]y\n[a\n[z-a]3\n[\\]]4\n", "a1": "", "d1": "", "x2": "", "y2": "",
        "7x": "", "]y": "", "[a": "", "z3": "", "b3": "", "]4": "",
    },
    "nested overrides": {
        ".gitignore": "*.tmp\n*.bak\n", "a/.gitignore": "!*.tmp\n", "a/b/.gitignore": "*.tmp\n!x.bak\n", "1.tmp": "",
        "a/1.tmp": "", "a/b/1.tmp": "", "a/b/x.bak": "", "a/x.bak": "",
    },
    "an ignored parent with a negated child": {
        ".gitignore": "build/\n!build/keep\nout/*\n!out/keep\n", "build/keep": "", "build/x": "", "out/keep": "",
        "out/x": "", "a/build/keep": "",
    },
    "capital letters": {".gitignore": "*.O\nReadMe\n", "a.o": "", "a.O": "", "readme": "", "ReadMe": ""},
    "directories only": {".gitignore": "thing/\nlink/\n", "thing": "", "a/thing/f": "", "b/thing": "", "link": "->a"},
    "nothing but slashes": {".gitignore": "/\n//\n///\n./\n*//\n", "a/b/c": "", "d": ""},
    "carriage returns and a byte order mark": {
        ".gitignore": b"\xef\xbb\xbf*.a\r\n*.b \r\n*.c\r\r\n", "x.a": "", "x.b": "", "x.c": "", "x.c\r": "", "y": ""
    },
    "bytes that are not UTF-8": {".gitignore": b"\xff*\n?\n", b"\xffx": "", b"\xfe": "", "é": "", "ab": ""},
    "the repository's own rules": {
        ".git/info/exclude": "secret\n", "secret": "", "a/secret": "", "a/.gitignore": "!secret\n", "open": ""
    },
    "a repository in the repository": {
        ".gitignore": "*.o\n", "inner/.git/HEAD": "ref: refs/heads/x\n", "inner/.git/objects/x": "",
        "inner/.git/refs/x": "", "inner/a": "", "b": "", "empty/.git/x": "", "empty/c": "",
    },
    "a rule file that is a symbolic link": {"rules": "b\n", ".gitignore": "->rules", "a": "", "b": ""},
}  # fmt: skip


@pytest.fixture
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for name, content in CASES[request.param].items():
        place = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name))))
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("->"):
            place.symlink_to(content[2:])
        else:
            place.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


@pytest.mark.parametrize(("repository", "backend"), in_turn([*CASES], FULL, OTHERS), indirect=True)
def test_listed_files_are_those_of_git(repository: Path, backend: dict[str, Any]) -> None:
    expected = not_ignored(repository)
    assert shown(repository, **backend) == expected
    prefix = len(os.fsencode(repository)) + 1
    walked = scanner.walk(os.fsencode(repository), topdown=False, gitignore=True, **backend)
    assert files(walked, prefix) == expected


@pytest.mark.parametrize("repository", CASES, indirect=True)
def test_the_deciding_rule_is_that_of_git(repository: Path) -> None:
    top = os.fsencode(repository)
    paths = [
        os.path.join(root, name)[len(top) + 1 :]
        for root, dirs, names in os.walk(top) if b"/.git" not in root for name in dirs + names if name != b".git"
    ]  # fmt: skip
    output = git(repository, "check-ignore", "-z", "-v", "-n", "--stdin", "--no-index", input=b"\0".join(paths))
    for source, line, pattern, path in iterate(output):
        ours = rule_for(repository, path)
        if pattern.startswith(b"!") or not pattern:
            assert ours is None, path
        else:
            assert ours == f"{os.path.relpath(os.path.join(top, source), top).decode()}:{line.decode()}:", path


def iterate(output: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    fields = iter(output.split(b"\0")[:-1])
    return zip(fields, fields, fields, fields, strict=True)


def rule_for(top: Path, path: bytes) -> str | None:
    """Return `FILE:LINE:` of the rule that excludes the path or a directory above it."""
    options = ScanOptions(gitignore=True).starting_at([os.fsencode(top)])
    chosen = Filter(options.filter)
    here = os.fsencode(top)
    for name in path.split(b"/"):
        entries = os.listdir(here) if os.path.isdir(here) else []
        chosen.enter(here, entries, lambda file, here=here: read(os.path.join(here, file)))  # type: ignore[misc]
        place = os.path.join(here, name)
        reason = chosen.rule_excluding(here, name, os.path.isdir(place) and not os.path.islink(place))
        if reason is not None:
            where = re.match(r"(.*?):(\d+): ", reason, re.DOTALL)
            assert where is not None
            return f"{os.path.relpath(where[1], top)}:{where[2]}:"
        here = place
    return None


def read(path: bytes) -> bytes | None:
    return None if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Make a repository with rules on every level."""
    top = tmp_path / "top"
    for name in ("a/b/c/x.o", "a/b/c/y.c", "a/b/c/z.log", "a/b/c/keep.log", "a/b/top.tmp", "a/b/c/build/f", "b/c/q.o"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    git(top, "init", "-q")
    (top / ".gitignore").write_text("*.o\n/a/b/c/build/\n/b/c/y.c\n")
    (top / "a" / ".gitignore").write_text("*.log\nb/*.tmp\n")
    (top / "a" / "b" / ".gitignore").write_text("!keep.log\n")
    (top / ".git" / "info" / "exclude").write_text("/a/b/c/y.c\n")
    return top


@pytest.mark.parametrize("below", ["a", "a/b", "a/b/c", "b"])
def test_rules_above_the_root_apply_up_to_the_top_of_the_repository(below: str, nested: Path, backend: Any) -> None:
    assert shown(nested / below, **backend) == not_ignored(nested / below)


def test_a_worktree_shares_the_rules_of_its_repository(nested: Path, tmp_path: Path) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    git(nested, *who, "commit", "-q", "--allow-empty", "-m", "nothing")
    git(nested, "worktree", "add", "-q", str(tmp_path / "tree"))
    (tmp_path / "tree" / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "b" / "c" / "y.c").touch()
    (tmp_path / "tree" / "kept").touch()
    assert shown(tmp_path / "tree") == not_ignored(tmp_path / "tree") == {b"kept"}


def test_the_users_excludes(nested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "git").mkdir(parents=True)
    (tmp_path / "config" / "git" / "ignore").write_text("/a/b/c/z.log\n*.c\n!top.tmp\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shown(nested) == not_ignored(nested)
    assert b"b/c/y.c" not in shown(nested)
    (tmp_path / "mine").write_text("keep.log\n")
    (tmp_path / ".gitconfig").write_text("[core]\n  excludesFile = ~/mine\n")
    monkeypatch.setattr("tests.conformance.test_git.CONFIG", str(tmp_path / ".gitconfig"))
    assert shown(nested) == not_ignored(nested)


def test_without_a_repository_gitignore_files_below_the_root_apply(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitignore").write_text("*.o\n")
    for name in ("a.o", "a.c", "sub/b.o", "sub/b.c"):
        (tmp_path / name).touch()
    assert shown(tmp_path, **backend) == {b".gitignore", b"a.c", b"sub/b.c"}


def test_a_repository_below_a_root_has_only_its_own_rules(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / ".gitignore").write_text("*.c\n")
    for name in ("a.c", "repo/a.c", "repo/a.o", "repo/inner/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    git(tmp_path / "repo", "init", "-q")
    git(tmp_path / "repo" / "inner", "init", "-q")
    (tmp_path / "repo" / ".git" / "info" / "exclude").write_text("*.o\n")
    assert shown(tmp_path, **backend) == {b".gitignore", b"repo/a.c"}


def write_users_excludes(rules: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dotfiles").write_text(rules)
    (tmp_path / "config" / "git").mkdir(parents=True)
    (tmp_path / "config" / "git" / "ignore").symlink_to(tmp_path / "dotfiles")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_links_to_excludes_of_user_and_repository_are_followed(
    nested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_users_excludes("*.log\n", tmp_path, monkeypatch)
    (tmp_path / "shared").write_text("*.tmp\n")
    (nested / ".git" / "info" / "exclude").unlink()
    (nested / ".git" / "info" / "exclude").symlink_to(tmp_path / "shared")
    assert shown(nested) == not_ignored(nested)
    assert {b"a/b/c/z.log", b"a/b/top.tmp"}.isdisjoint(shown(nested))


def test_anchored_excludes_of_the_user_are_relative_to_each_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: dict[str, Any]
) -> None:
    write_users_excludes("/scratch\nsub/x\n", tmp_path, monkeypatch)
    top = tmp_path / "all"
    for name in ("p/scratch/f", "p/sub/x/g", "p/k", "q/deep/scratch/h", "scratch/i"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    for repository in ("p", "q"):
        git(top / repository, "init", "-q")
    assert not_ignored(top / "p") == {b"k"}
    assert shown(top, **backend) == {b"p/k", b"q/deep/scratch/h"}


def test_an_empty_excludes_file_disables_the_users_excludes(
    nested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_users_excludes("*.c\n", tmp_path, monkeypatch)
    (tmp_path / ".gitconfig").write_text("[core]\n  excludesFile =\n")
    monkeypatch.setattr("tests.conformance.test_git.CONFIG", str(tmp_path / ".gitconfig"))
    assert shown(nested) == not_ignored(nested)


def test_an_incomplete_repository_is_a_directory(nested: Path) -> None:
    (nested / "b" / ".git").mkdir()
    (nested / "b" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert shown(nested) == not_ignored(nested)


@pytest.mark.parametrize("kind", ["directory", "pipe", "nul", "link"])
def test_an_invalid_commondir_is_ignored(
    kind: str, nested: Path, backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in the repository of the root, and in a repository below it."""
    monkeypatch.setattr("scanner.filters.git.GIT_SECONDS", 0.5)  # git itself waits for ever at a pipe
    git(nested / "b", "init", "-q")
    for common in (nested / ".git" / "commondir", nested / "b" / ".git" / "commondir"):
        if kind == "directory":
            common.mkdir()
        elif kind == "pipe":
            os.mkfifo(common)
        elif kind == "nul":
            common.write_bytes(b"a\0b")
        else:
            common.symlink_to("nowhere")
    for options in ({}, {"types": "f"}):
        result = scanner.scan(nested, gitignore=True, **options, **backend)
        assert result.errors == []
        assert f"{nested}/a/b/c" in [root for root, _, _ in result]


def repository_of(files: int, top: Path) -> Path:
    repo = top / "repo"
    repo.mkdir(parents=True)
    git(repo, "init", "-q")
    (repo / ".gitignore").write_text("*.o\n")
    for number in range(files):
        (repo / f"{number}.{'o' if number % 3 == 0 else 'c'}").touch()
    return repo


def test_a_repository_read_in_parts_by_different_workers(tmp_path: Path, reader: str) -> None:
    repo = repository_of(100, tmp_path)
    options = ScanOptions(gitignore=True).starting_at([os.fspath(tmp_path)])
    found: list[Any] = []
    task = Task(1, [os.fspath(tmp_path)], 0, 25, 60)
    while task is not None:
        walker = Walker(options, joined=True)  # a new one for each part, which knows only the Task
        chunk = walker.walk(task)
        walker.close()
        assert [fault for fault in chunk.faults if fault.kind != "excluded"] == []
        found += [name for path, _, _, files in chunk if path == os.fspath(repo) for name in names(files)]
        rules = chunk.rules
        task = Task(1, chunk.leftovers, chunk.position, 25, 60, rules=rules) if chunk.leftovers else None  # type: ignore[assignment]
    assert sorted(found) == sorted([".gitignore", *(f"{number}.c" for number in range(100) if number % 3)])


def test_a_repository_read_again_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = repository_of(10, tmp_path)
    monkeypatch.setenv("SCANNER_PURE", "1")
    original, failed = Reader._sort, []

    def sort(self: Reader, path: Any, entries: Iterator[Any], limit: int, **rest: Any) -> Any:
        def broken() -> Iterator[Any]:
            yield from entries
            raise OSError(errno.EIO, "transient")

        if path == os.fsencode(repo) and not failed:
            failed.append(path)
            return original(self, path, broken(), limit, **rest)
        return original(self, path, entries, limit, **rest)

    monkeypatch.setattr(Reader, "_sort", sort)
    assert shown(tmp_path, backend="serial") == {b"repo/" + path for path in not_ignored(repo)}
    assert failed


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("pattern", "directory", "name"),
    [
        ("*a" * 60 + "*b", "", "a" * 250),
        ("?*" * 100 + "c", "", "a" * 255),
        ("**/a/" * 30 + "b", "a/" * 1000, "b2"),
        ("**/*a*a*a/" * 10 + "**/z", "aaaaaaaaaaaaaaaaaaaaaaaa/" * 130, "q"),
        ("**\\/a" * 12 + "/z", "a/" * 1000, "q"),
        ("foo**/" + "**/a/" * 12 + "z", "foo/" + "a/" * 1000, "q"),
    ],
)
def test_every_pattern_matches_in_bounded_time(pattern: str, directory: str, name: str) -> None:
    """Rules of a scanned tree may be hostile."""
    rules = rules_of(pattern.encode(), "hostile", False)
    directory_rules = Chain((Scope(GIT, rules),), 0).rules_in(directory)
    directory_rules.candidates([name])
    assert directory_rules.decide(name, False) is None
