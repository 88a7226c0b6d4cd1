"""Equality with `os.walk`, element for element: every profile, backend, direction and kind of path."""

from __future__ import annotations

import contextlib
import functools
import os
import sysconfig
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.conftest import BACKEND_NAMES
from tests.support.pairwise import pairwise
from tests.support.trees import os_walk

PATH_MAX = 4096  # bytes, with the NUL at the end
PROFILES = ["monorepo", "skewed", "flat", "deep", "odd"]


# Followed, the symlinks of the odd tree to `..` and `/` lead through the whole machine: see the test of a loop below.
FOLLOWED = [(profile, follow) for profile in PROFILES for follow in (False, True) if (profile, follow) != ("odd", True)]
PATH_TYPES: dict[str, Callable[[Any], Any]] = {"str": str, "bytes": os.fsencode, "path": Path}
COLUMNS: list[list[Any]] = [FOLLOWED, [True, False], [*PATH_TYPES]]
FULL = "pool-fork"
"""The backend on which all combinations run; on the others, each pair of values occurs."""
CASES = [*product(*COLUMNS, [FULL]), *(row for row in pairwise(*COLUMNS, BACKEND_NAMES) if row[-1] != FULL)]


@pytest.mark.parametrize(("followed", "topdown", "path_type", "backend"), CASES, indirect=["backend"], ids=str)
def test_walk_and_scan_equal_os_walk(
    followed: tuple[str, bool],
    topdown: bool,
    path_type: str,
    backend: dict[str, Any],
    trees: dict[str, Path],
) -> None:
    profile, followlinks = followed
    top = PATH_TYPES[path_type](str(trees[profile]))
    expected = walked_by_os(os.fspath(top), topdown, followlinks)
    walked = list(scanner.walk(top, topdown, None, followlinks, **backend))
    scanned = scanner.scan(top, topdown, followlinks=followlinks, **backend)
    assert as_far_as_os_walk_comes(walked) == expected
    assert as_far_as_os_walk_comes(scanned) == expected
    assert scanned == walked


@functools.cache
def walked_by_os(top: Any, topdown: bool, followlinks: bool) -> list[Any]:
    return os_walk(top, topdown=topdown, followlinks=followlinks)


def as_far_as_os_walk_comes(walked: list[Any]) -> list[Any]:
    """Without the directories whose paths are longer than the system takes: ours are found, those of `os.walk` not."""
    return [item for item in walked if len(os.fsencode(item[0])) < PATH_MAX]


@pytest.mark.parametrize("backend", ["serial", "auto", "pool-fork", "serial pure"], indirect=True)
def test_beyond_path_max_the_walk_goes_on(backend: dict[str, Any], trees: dict[str, Path]) -> None:
    top = str(trees["deep"])
    expected = list(deep_walk(top))
    assert max(len(root) for root, _, _ in expected) > 2 * PATH_MAX
    assert list(scanner.walk(top, **backend)) == expected
    result = scanner.scan(os.fsencode(top), **backend)
    assert [os.fsdecode(root) for root, _, _ in result] == [root for root, _, _ in expected]
    assert result.errors == []


@pytest.mark.parametrize("topdown", [True, False], ids=["topdown", "bottomup"])
def test_links_are_followed_round_a_loop(topdown: bool, backend: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "back").symlink_to("..")
    (tmp_path / "c").symlink_to("a/b")
    (tmp_path / "dangling").symlink_to("nowhere")
    expected = os_walk(str(tmp_path), topdown=topdown, followlinks=True)
    assert len(expected) > 40
    assert list(scanner.walk(tmp_path, topdown, followlinks=True, **backend)) == [tuple(item) for item in expected]
    assert scanner.scan(tmp_path, topdown, followlinks=True, **backend) == expected


REAL_TREES = ["/usr/lib", sysconfig.get_paths()["stdlib"]]


@pytest.mark.parametrize(
    ("top", "topdown", "backend"), pairwise(REAL_TREES, [True, False], BACKEND_NAMES), indirect=["backend"]
)
def test_real_trees_of_this_machine(top: str, topdown: bool, backend: dict[str, Any]) -> None:
    """Other processes may write there, as Python does when it compiles a module: the comparison is repeated then."""
    before, expected = None, walked_by_os(top, topdown, False)
    while expected != before:
        walked = list(scanner.walk(top, topdown, **backend))
        scanned = scanner.scan(top, topdown, **backend)
        if walked == scanned == expected:
            break
        before, expected = expected, os_walk(top, topdown=topdown)
    assert walked == expected
    assert scanned == expected


def prune_sort_reverse(walk: Callable[..., Any], top: Any) -> list[Any]:
    """A consumer that does everything a consumer may do to `dirs`."""
    seen = []
    for number, (root, dirs, files) in enumerate(walk(top)):
        seen.append((root, dirs.copy(), sorted(files)))
        if number % 4 == 0:
            dirs.sort()
        elif number % 4 == 1:
            dirs.reverse()
        elif number % 4 == 2:
            del dirs[::3]
        else:
            dirs[:] = [*dirs[1:], *dirs[:1], "not-there"[: len(dirs) * 9]]
    return seen


@pytest.mark.parametrize("profile", PROFILES)
def test_a_consumer_that_prunes_sorts_and_reverses(
    profile: str, backend: dict[str, Any], trees: dict[str, Path]
) -> None:
    top = str(trees[profile])
    expected = prune_sort_reverse(os.walk if profile != "deep" else lambda path: iter(os_walk_live(path)), top)
    assert prune_sort_reverse(lambda path: scanner.walk(path, **backend), top) == expected


@functools.cache
def deep_walk(top: str) -> tuple[Any, ...]:
    return tuple(os_walk_live(top))


def os_walk_live(top: str) -> Any:
    """`os.walk` top-down without recursion and without a limit to paths; checked against it below."""
    stack = [top]
    while stack:
        path = stack.pop()
        with contextlib.ExitStack() as open_ones, contextlib.suppress(FileNotFoundError):
            entries = list(os.scandir(reached(path, open_ones)))
            dirs = [entry.name for entry in entries if entry.is_dir()]
            links = {entry.name for entry in entries if entry.is_symlink()}
            files = [entry.name for entry in entries if not entry.is_dir()]
            yield path, dirs, files
            stack += [os.path.join(path, name) for name in reversed(dirs) if name not in links]


def reached(path: str, open_ones: contextlib.ExitStack) -> int:
    """A descriptor of a directory, however long its path: a part at a time."""
    most = PATH_MAX // 4  # characters, each of which may take four bytes
    descriptor, rest = None, path
    while rest:
        part = rest if len(rest) < most else rest[: rest.rindex("/", 0, most)]
        rest = rest[len(part) :].lstrip("/")
        descriptor = os.open(part, os.O_RDONLY, dir_fd=descriptor)
        open_ones.callback(os.close, descriptor)
    assert descriptor is not None
    return descriptor


@pytest.mark.parametrize("profile", ["monorepo", "deep"])
def test_the_stand_in_for_deep_trees_is_os_walk(profile: str, trees: dict[str, Path]) -> None:
    assert as_far_as_os_walk_comes(list(os_walk_live(str(trees[profile])))) == os_walk(str(trees[profile]))


@pytest.mark.parametrize("profile", ["monorepo", "odd"])
def test_names_that_the_caller_adds_are_visited(profile: str, backend: dict[str, Any], trees: dict[str, Path]) -> None:
    top = str(trees[profile])

    def adding(walk: Callable[..., Any]) -> list[Any]:
        seen = []
        for root, dirs, files in walk(top):
            seen.append((root, list(dirs), files))
            if root == top:
                dirs.insert(0, os.path.join(dirs[0], ""))  # a second name for the same directory
                dirs.append(dirs[1])  # and the same name twice
        return seen

    assert adding(lambda path: scanner.walk(path, **backend)) == adding(os.walk)


def test_onerror_gets_the_errors_of_os_walk(backend: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    def errors_of(walk: Callable[..., Any]) -> list[Any]:
        errors: list[OSError] = []
        for _, dirs, _ in walk(str(tmp_path), onerror=errors.append):
            dirs.append("missing")
        return [(type(error), error.errno, error.strerror, error.filename) for error in errors]

    ours = errors_of(lambda top, onerror: scanner.walk(top, True, onerror, **backend))
    assert ours == errors_of(os.walk)
    assert len(ours) == 3


@pytest.mark.parametrize("top", ["missing", "file", "dangling", "", b"missing"])
def test_roots_that_cannot_be_walked(
    top: Any, backend: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    expected: list[OSError] = []
    assert list(os.walk(top, onerror=expected.append)) == []
    errors: list[OSError] = []
    assert list(scanner.walk(top, onerror=errors.append, **backend)) == []
    assert [(type(e), str(e)) for e in errors] == [(type(e), str(e)) for e in expected]
    result = scanner.scan(top, errors="collect", **backend)
    assert result == []
    assert [str(fault.as_error()) for fault in result.errors] == [str(error) for error in expected]


def test_a_root_with_a_nul_is_refused_as_by_os_walk(backend: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        list(scanner.walk("a\0b", **backend))
    with pytest.raises(ValueError, match="embedded null byte"):
        scanner.scan("a\0b", **backend)


@pytest.mark.parametrize("top", [".", "./", "sub/", "sub//", "sub/."])
def test_the_root_is_spelled_as_given(
    top: str, backend: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert list(scanner.walk(top, **backend)) == list(os.walk(top))
    assert scanner.scan(top, False, **backend) == list(os.walk(top, topdown=False))


def test_nothing_below_the_root_is_read_before_it_was_in_hand(pool: dict[str, Any], tmp_path: Path) -> None:
    """The first prune is free: what is made below the root after that was not seen before."""
    (tmp_path / "late").mkdir()
    (tmp_path / "pruned").mkdir()
    walked = scanner.walk(tmp_path, **pool)
    _, dirs, _ = next(walked)
    (tmp_path / "late" / "child").mkdir()
    dirs.remove("pruned")
    assert [root for root, _, _ in walked] == [str(tmp_path / "late"), str(tmp_path / "late" / "child")]
