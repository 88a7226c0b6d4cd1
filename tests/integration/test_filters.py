"""Filters and selection: the same result from every API and backend, compared with `find` where it has the option."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends.pool import PoolBackend
from scanner.errors import OptionError
from tests.conftest import BACKEND_NAMES
from tests.support import prunes
from tests.support.killer import Killer, pools_started
from tests.support.pairwise import pairwise
from tests.support.shell import SCANNER, call
from tools.make_tree import make_tree

TREE = {
    "src/main.py": 10, "src/main.pyc": 20, "src/.hidden/deep/x.py": 5, "src/build/out.o": 3000, "src/build/log.txt": 7,
    "docs/a.md": 2000, "docs/build/b.md": 9, "cache/CACHEDIR.TAG": 0, "cache/data.bin": 4, "nobackup/.nobackup": 0,
    "nobackup/precious.txt": 1, ".top": 1, "a b.txt": 0, "big.bin": 5000,
}  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for name, size in TREE.items():
        place = top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size)
    (top / "cache" / "CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n")
    (top / "link").symlink_to("src")
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(top / "socket"))
    os.utime(top / "docs" / "a.md", (1e9, 1e9))
    os.utime(top / "src" / "build", (2e9, 2e9))
    return top


def listed(top: Path, *flags: str) -> set[str]:
    result = call("list", *flags, top)
    assert (result.returncode, result.stderr) == (0, b"")
    return {os.path.relpath(line, top) for line in result.stdout.decode().splitlines()}


def found(top: Path, *tests: str) -> set[str]:
    output = subprocess.run(["find", top, *tests], capture_output=True, check=True, timeout=60).stdout.decode()
    return {os.path.relpath(line, top) for line in output.splitlines()}


@pytest.mark.parametrize("how", [["--backend", "serial"], ["--backend", "pool", "--workers", "2"]])
@pytest.mark.parametrize(
    ("flags", "tests"),
    [
        (["--type", "f"], ["-type", "f"]),
        (["--type", "l,p"], ["(", "-type", "l", "-o", "-type", "p", ")"]),
        (["--type", "d"], ["-type", "d"]),
        (["--type", "s"], ["-type", "s"]),
        (["--max-depth", "0"], ["-maxdepth", "0"]),
        (["--max-depth", "1"], ["-maxdepth", "1"]),
        (["--max-depth", "2", "--type", "d"], ["-maxdepth", "2", "-type", "d"]),
        (["--min-depth", "2"], ["-mindepth", "2"]),
        (["--min-depth", "1", "--max-depth", "1", "--type", "d"], ["-mindepth", "1", "-maxdepth", "1", "-type", "d"]),
        (["--size", "+1K"], ["-type", "f", "-size", "+1023c"]),
        (["--size", "-10"], ["-type", "f", "-size", "-11c"]),
        (["--size", "+10", "--size", "-2KB"], ["-type", "f", "-size", "+9c", "-size", "-2001c"]),
        (["--size", "0"], ["-type", "f", "-size", "0"]),
        (["--newer", "2030-01-01"], ["-newermt", "2030-01-01"]),
        (["--older", "2010-01-01"], ["!", "-newermt", "2010-01-01"]),
        (["--newer", "@1000000000", "--type", "f"], ["-newermt", "@1000000000", "-type", "f"]),
        (["--newer", "7d", "--type", "f"], ["-newermt", "7 days ago", "-type", "f"]),
        (["--exclude", "build"], ["!", "-path", "*/build", "!", "-path", "*/build/*"]),
        (["--include", "*.py", "--type", "f"], ["-name", "*.py", "-type", "f"]),
        (["--include", "build/"], ["(", "-path", "*/build", "-o", "-path", "*/build/*", ")"]),
        (["--exclude", "*.MD", "--ignore-case"], ["!", "-iname", "*.MD"]),
        (["--no-hidden"], ["!", "-path", "*/.*"]),
    ],
    ids=" ".join,
)
def test_list_equals_find(flags: list[str], tests: list[str], how: list[str], tree: Path) -> None:
    assert listed(tree, *flags, *how) == found(tree, *tests)


def test_newer_than_a_file(tree: Path) -> None:
    assert listed(tree, "--newer", str(tree / "docs" / "a.md")) == found(tree, "-newer", str(tree / "docs" / "a.md"))


def test_with_links_followed_types_are_those_of_targets(tree: Path) -> None:
    assert listed(tree, "-L", "--type", "f") == {
        os.path.relpath(each, tree) for each in found_following(tree, "-type", "f")
    }
    assert "dangling" in listed(tree, "-L", "--type", "l")


def found_following(top: Path, *tests: str) -> list[str]:
    output = subprocess.run(["find", "-L", top, *tests], capture_output=True, check=True, timeout=60).stdout.decode()
    return output.splitlines()


def names(result: Any, top: Any) -> dict[str, tuple[list[str], list[str]]]:
    """Return sorted names of directories and of other entries, by path relative to the top."""
    return {
        os.path.relpath(os.fsdecode(root), os.fsdecode(top)): (
            sorted(map(os.fsdecode, dirs)), sorted(map(os.fsdecode, files)),
        )
        for root, dirs, files in result
    }  # fmt: skip


CASES: list[tuple[dict[str, Any], dict[str, tuple[list[str], list[str]]]]] = [
    (
        {"exclude": ["build/", "*.pyc", "/cache", "nobackup", "docs", "p*", "s*t", "link", ".*"]},
        {".": (["src"], ["a b.txt", "big.bin", "dangling"]), "src": ([], ["main.py"])},
    ),
    (
        {"exclude": ["/*", "!/docs"], "include": "*.md"},
        {".": (["docs"], []), "docs": (["build"], ["a.md"]), "docs/build": ([], ["b.md"])},
    ),
    (
        {"exclude_if_present": ".nobackup", "exclude_caches": True, "exclude": ["src", "docs"], "types": "f"},
        {".": (["cache", "nobackup"], [".top", "a b.txt", "big.bin"])},
    ),
    (
        {"max_depth": 1, "hidden": False, "types": ["l", "p"]},
        {".": (["cache", "docs", "link", "nobackup", "src"], ["dangling", "pipe"])},
    ),
    (
        {"prune": prunes.only_docs, "include": "*.md"},
        {".": (["docs"], []), "docs": (["build"], ["a.md"]), "docs/build": ([], ["b.md"])},
    ),
    (
        {"prune": prunes.Ignored("src", "cache", "nobackup", "docs/build"), "include": "*.md"},
        {".": (["docs"], []), "docs": ([], ["a.md"])},
    ),
]


BY_NAME = {" ".join(options): (options, expected) for options, expected in CASES}
PATH_TYPES: dict[str, Any] = {"str": os.fsdecode, "bytes": os.fsencode}


@pytest.mark.parametrize(
    ("case", "path_type", "backend"), pairwise([*BY_NAME], [*PATH_TYPES], BACKEND_NAMES), indirect=["backend"]
)
def test_walk_and_scan_apply_filters(case: str, path_type: str, tree: Path, backend: dict[str, Any]) -> None:
    options, expected = BY_NAME[case]
    top = PATH_TYPES[path_type](tree)
    result = scanner.scan(top, **options, **backend)
    assert names(result, top) == expected
    assert result.errors == []
    assert list(scanner.walk(top, **options, **backend)) == result
    walked = list(scanner.walk(top, False, **options, **backend))
    assert walked == scanner.scan(top, False, **options, **backend)
    assert names(walked, top) == expected


def test_the_order_is_that_of_os_walk(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    top = trees["monorepo"]
    skipped = sorted({name for _, dirs, _ in os.walk(top) for name in dirs})[::3]
    expected = []
    for root, dirs, files in os.walk(top):
        dirs[:] = [name for name in dirs if name not in skipped]
        expected.append((root, dirs, files))
    assert scanner.scan(top, exclude=skipped, **backend) == expected
    assert list(scanner.walk(top, exclude=skipped, **backend)) == expected


def with_rules(top: Path) -> list[Any]:
    """Write a rule file into every seventh directory that excludes one of its files and one of its directories."""
    for number, (root, dirs, files) in enumerate(list(os.walk(top))):
        if number % 7 == 0 and files:
            lines = [f"/{files[0]}", *(f"/{name}/" for name in dirs[:1]), "!nothing"]
            Path(root, ".scanignore").write_text("\n".join(lines))
    expected = []
    for root, dirs, files in os.walk(top):
        rules = Path(root, ".scanignore")
        out = {line.strip("/") for line in rules.read_text().split("\n")} if rules.exists() else set()
        dirs[:] = [name for name in dirs if name not in out]
        expected.append((root, dirs, [name for name in files if name not in out]))
    return expected


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Return a tree with files of rules, and the result of a walk that applies them."""
    top = tmp_path_factory.mktemp("rules") / "ruled"
    make_tree("monorepo", top, 1500, 9000)
    return top, with_rules(top)


def test_rules_travel_with_tasks(ruled: tuple[Path, list[Any]], backend: dict[str, Any]) -> None:
    top, expected = ruled
    assert scanner.scan(top, ignore_files=".scanignore", **backend) == expected
    assert list(scanner.walk(top, ignore_files=".scanignore", **backend)) == expected


def test_rules_apply_although_workers_are_killed(ruled: tuple[Path, list[Any]], start_method: str) -> None:
    """A directory that happens to kill two workers is lost. Such a result is not compared."""
    top, expected = ruled
    pools: list[PoolBackend]
    exact = 0
    with pools_started() as pools:
        killer = Killer(pools, 5, pause=0.08)
        with killer.at_work():
            while killer.kills < 4 or not exact:
                result = scanner.scan(
                    top, ignore_files=".scanignore", backend="pool", max_workers=3, start_method=start_method
                )
                assert {fault.kind for fault in result.errors} <= {"lost"}
                assert result == expected or result.errors
                exact += not result.errors and result.stats.worker_deaths > 0
                if not result.stats.worker_deaths:
                    killer.hurry()


def test_each_root_has_its_own_rules(tree: Path) -> None:
    (tree / "src" / ".scanignore").write_text("*.pyc\n")
    (tree / "docs" / ".scanignore").write_text("/build\n")
    result = call(
        "list",
        "--ignore-file",
        ".scanignore",
        "--exclude",
        "/a.md",
        "--type",
        "f",
        tree / "docs",
        tree / "src" / "build",
    )
    assert sorted(result.stdout.decode().splitlines()) == [
        f"{tree}/docs/.scanignore", f"{tree}/src/build/log.txt", f"{tree}/src/build/out.o",
    ]  # fmt: skip


def test_the_source_with_the_highest_precedence_decides(tree: Path) -> None:
    """Command line > ignore files > .gitignore, and deeper files before those above."""
    (tree / ".gitignore").write_text("*.md\n*.py\n*.bin\n")
    (tree / ".scanignore").write_text("!*.py\n*.o\n")
    shown = listed(tree, "--gitignore", "--ignore-file", ".scanignore", "--exclude", "!big.bin", "--type", "f")
    assert {"src/main.py", "big.bin"} <= shown
    assert not {"docs/a.md", "src/build/out.o", "cache/data.bin"} & shown


def test_an_invalid_rule_file_is_reported_and_excludes_nothing(tree: Path, backend: dict[str, Any]) -> None:
    (tree / "docs" / ".scanignore").mkdir()
    (tree / "src" / ".scanignore").write_text("*.pyc\n[unclosed\n")
    result = scanner.scan(tree, ignore_files=".scanignore", **backend)
    assert [(fault.path, fault.kind) for fault in result.errors] == [
        (str(tree / "docs" / ".scanignore"), "rules"), (str(tree / "src" / ".scanignore"), "pattern"),
    ] or [(fault.path, fault.kind) for fault in result.errors] == [
        (str(tree / "src" / ".scanignore"), "pattern"), (str(tree / "docs" / ".scanignore"), "rules"),
    ]  # fmt: skip
    (message,) = [fault.message for fault in result.errors if fault.kind == "pattern"]
    assert message == "line 2: '[unclosed' can match nothing: a '[' has no ']'"
    assert names(result, tree)["docs"][1] == ["a.md"]
    assert "main.pyc" not in names(result, tree)["src"][1]


def test_an_unreadable_rule_file_is_an_error_but_an_invalid_line_is_not(tree: Path) -> None:
    (tree / ".scanignore").write_text("[unclosed\n")
    result = call("list", "--ignore-file", ".scanignore", tree)
    assert result.returncode == 0
    assert b".scanignore': line 1: '[unclosed' can match nothing" in result.stderr
    (tree / ".scanignore").unlink()
    os.mkfifo(tree / ".scanignore")
    result = call("list", "--ignore-file", ".scanignore", tree)
    assert result.returncode == 1
    assert b"not a regular file" in result.stderr


def test_excluded_directories_are_not_opened(tree: Path) -> None:
    trace = subprocess.run(
        ["strace", "-f", "-e", "trace=openat,openat2", *(str(part) for part in scan_command(tree))],
        capture_output=True, timeout=60, check=False,
    ) if strace() else pytest.skip("strace is not installed")  # fmt: skip
    opened = trace.stderr.decode()
    assert '"docs"' in opened
    assert '"src"' not in opened
    assert ".hidden" not in opened


def strace() -> bool:
    return subprocess.run(["which", "strace"], capture_output=True, check=False).returncode == 0


def scan_command(tree: Path) -> list[Any]:
    from tests.support.shell import SCANNER

    return [*SCANNER, "list", "--backend", "serial", "--exclude", "src/", "--no-hidden", tree]


def test_a_failing_prune_is_reported_and_keeps_all(tree: Path, backend: dict[str, Any]) -> None:
    result = scanner.scan(tree, prune=prunes.broken, errors="collect", **backend)
    assert result == list(os.walk(tree))
    assert {(fault.operation, fault.kind) for fault in result.errors} == {("prune", "prune")}
    assert "ZeroDivisionError" in result.errors[0].message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": "[a"}, "exclude '[a' can match nothing: a '[' has no ']'"),
        ({"include": ["ok", "[[:alph:]]"]}, r"include '[[:alph:]]' can match nothing: there is no class [:alph:]"),
        ({"exclude": 7}, "exclude must be a string or several strings, not 7"),
        ({"exclude": ""}, "exclude must be patterns as in a .gitignore, not ''"),
        ({"exclude_from": "/nowhere"}, "exclude_from '/nowhere': cannot read it: No such file or directory"),
        ({"ignore_files": "a/b"}, "ignore_files must be file names without a directory, not 'a/b'"),
        ({"types": "fx"}, "types must be some of f,d,l,p,s,b,c, not 'fx'"),
        ({"size": "+1Q"}, "size must be a number of bytes like +1M (at least), -10K (at most) or 0, not '+1Q'"),
        ({"newer": "soon"}, "newer must be a date like"),
        ({"older": "2026-13-01"}, "older must be a date like"),
        ({"newer": float("inf")}, "newer must be a date like"),
        ({"newer": "@" + "9" * 400}, "newer must be a date like"),
        ({"size": "9" * 5000}, "size must be a number of bytes like"),
        ({"size": 1.5}, "size must be a number of bytes like +1M (at least), -10K (at most) or 0, not 1.5"),
        ({"types": 5}, "types must be a string or several strings, not 5"),
        ({"exclude": "\ud800"}, r"exclude must be patterns that a name can match, not '\ud800'"),
        ({"exclude": "é["}, "exclude 'é[' can match nothing: a '[' has no ']'"),
        ({"min_depth": -1}, "min_depth must be a whole number of 0 or more, not -1"),
        ({"prune": 5}, "prune must be callable"),
        ({"prune": lambda path, names: names}, "prune must be picklable for worker processes"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str, tree: Path) -> None:
    with pytest.raises(OptionError, match="^" + re.escape(message)):
        scanner.scan(tree, **options)


def test_a_trailing_space_in_a_pattern_counts_escaped_or_not(tmp_path: Path) -> None:
    for name in ("foo", "foo ", "foo\\"):
        (tmp_path / name).touch()
    for pattern in ("foo ", "foo\\ "):
        assert sorted(scanner.scan(tmp_path, exclude=pattern)[0][2]) == ["foo", "foo\\"]


def test_exclude_from_reads_pipes_and_follows_links(tree: Path) -> None:
    command = f"{' '.join(SCANNER)} list --exclude-from <(echo '*.py') --type f {tree}/src"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert b"main.pyc" in result.stdout
    assert b"main.py\n" not in result.stdout
    (tree / "patterns").write_text("*.py\n")
    (tree / "by-link").symlink_to("patterns")
    assert "main.py" not in scanner.scan(tree / "src", exclude_from=tree / "by-link")[0][2]


def test_stat_of_entries_that_are_not_excluded(tree: Path, backend: dict[str, Any]) -> None:
    """Rule files are read from directories that are already open."""
    (tree / ".scanignore").write_text("*.o\n/docs\n")
    (tree / "src" / ".scanignore").write_text("*.pyc\n")
    (tree / "src" / "build" / ".scanignore").write_text("!out.o\n")
    errors: list[OSError] = []
    options: dict[str, Any] = {"ignore_files": ".scanignore", "exclude_caches": True, **backend}
    entries = list(scanner.entries(tree, stat=("type", "size", "ino"), onerror=errors.append, **options))
    assert errors == []
    assert {entry.path: (entry.size, entry.ino) for entry in entries} == {
        entry.path: (os.lstat(entry).st_size, os.lstat(entry).st_ino) for entry in entries
    }
    result = scanner.scan(tree, stat=("type", "size", "ino"), **options)
    assert set(result.entries()) == {entry for entry in entries if entry.path != f"{tree}/cache"}
    assert {os.path.relpath(entry, tree) for entry in entries} >= {"src/build/out.o", "cache", "src/main.py"}
    assert {os.path.relpath(entry, tree) for entry in entries}.isdisjoint({"docs", "src/main.pyc", "cache/data.bin"})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--exclude", "[a"], "--exclude '[a' can match nothing: a '[' has no ']'"),
        (["--type", "fx"], "--type must be some of f,d,l,p,s,b,c, not 'fx'"),
        (["--size", "big"], "--size must be a number of bytes like +1M (at least), -10K (at most) or 0, not 'big'"),
        (["--ignore-file", ""], "--ignore-file must be file names without a directory, not ''"),
    ],
)
def test_messages_of_the_command_name_the_flag(flags: list[str], message: str, tree: Path) -> None:
    result = call("list", *flags, tree)
    assert (result.returncode, result.stdout, result.stderr.decode()) == (2, b"", f"scanner: {message}\n")


@pytest.mark.parametrize(
    ("flags", "path", "code", "answer"),
    [
        ([], "src/main.py", 0, "in: "),
        (["--exclude", "*.py"], "src/main.py", 1, "excluded by exclude '*.py'"),
        (["--exclude", "src/"], "src/main.py", 1, "excluded by exclude 'src/'"),
        (["--no-hidden"], "src/.hidden/deep", 1, "excluded by no_hidden"),
        (["--max-depth", "1"], "src/main.py", 1, "--max-depth 1"),
        (["--exclude-if-present", ".nobackup"], "nobackup/precious.txt", 1, "it holds '.nobackup'"),
        (["--type", "d"], "src/main.py", 1, "not selected"),
        ([], "link/main.py", 1, "is a link, which is not followed"),
        (["--follow-links"], "link/main.py", 0, "in: "),
        ([], "nothing", 3, "there is no"),
        ([], "/etc/passwd", 3, "does not lie in"),
    ],
)
def test_why(flags: list[str], path: str, code: int, answer: str, tree: Path) -> None:
    result = call("why", *flags, tree, tree / path)
    assert result.returncode == code
    assert answer in (result.stdout + result.stderr).decode()
    in_list = os.path.normpath(path) in listed(tree, *flags)
    assert in_list == (code == 0)


@pytest.mark.parametrize(
    ("root", "path", "code", "answer"),
    [
        ("nope", "nope/x", 3, "cannot be read: No such file or directory"),
        ("file", "file", 3, "cannot be read: Not a directory"),
        (".", "", 2, "PATH is empty"),
    ],
)
def test_why_without_an_answer(root: str, path: str, code: int, answer: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = call("why", tmp_path / root, tmp_path / path if path else "")
    assert (result.returncode, result.stdout) == (code, b"")
    assert answer in result.stderr.decode()


def test_why_names_the_file_and_the_line(tree: Path) -> None:
    (tree / "src" / ".scanignore").write_text("# objects\n\n*.o\n")
    result = call("why", "--ignore-file", ".scanignore", tree, tree / "src" / "build" / "out.o")
    assert result.stdout.decode() == (
        f"out: {tree}/src/build/out.o: '{tree}/src/build/out.o' is excluded by {tree}/src/.scanignore:3: *.o\n"
    )
