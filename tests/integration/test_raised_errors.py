"""Errors that reach the caller: raised, warned of, or passed to `onerror`."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.model import Fault
from scanner.options import PUBLIC
from scanner.spelling import ELSEWHERE, SHELL
from tests.support.prunes import broken

SCANS: list[Callable[..., scanner.ScanResult]] = [
    scanner.scan,
    lambda top, **how: scanner.ParallelScanner().scan_sync(top, **how),
    lambda top, **how: asyncio.run(scanner.ParallelScanner().scan(top, **how)),
    lambda top, **how: asyncio.run(scanner.scan_parallel(top, **how)),
]
each_scan = pytest.mark.parametrize("scan", SCANS, ids=["scan", "scan_sync", "ParallelScanner.scan", "scan_parallel"])


@pytest.fixture
def looped(tmp_path: Path) -> Path:
    """A tree with five symlinks that lead to themselves: errors for everyone, with `followlinks`."""
    for name in "abcde":
        (tmp_path / name).symlink_to(name)
    return tmp_path


@each_scan
def test_a_missing_root_is_never_silent(scan: Any, tmp_path: Path) -> None:
    with pytest.warns(scanner.ScanWarning, match="cannot scan '.*/none': No such file or directory"):
        assert scan(tmp_path / "none") == []


def test_the_warning_names_the_line_of_the_caller(tmp_path: Path) -> None:
    async def main() -> None:
        await scanner.ParallelScanner().scan(tmp_path / "none")

    async def parallel() -> None:
        await scanner.scan_parallel(tmp_path / "none")

    for scan in (lambda: scanner.scan(tmp_path / "none"), lambda: asyncio.run(main()), lambda: asyncio.run(parallel())):
        with pytest.warns(scanner.ScanWarning) as caught:
            scan()
        assert [warning.filename for warning in caught] == [__file__]


@each_scan
def test_whoever_collects_errors_is_not_warned(scan: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = scan(tmp_path / "none", errors="collect")
    assert [fault.kind for fault in result.errors] == ["not_found"]


@each_scan
def test_an_unreadable_root_raises_its_own_error(scan: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError) as caught:
        scan(tmp_path / "none", errors="raise")
    assert caught.value.filename == str(tmp_path / "none")
    with pytest.raises(NotADirectoryError):
        scan(tmp_path / "file", errors="raise")


def test_a_result_without_errors_raises_nothing(trees: dict[str, Path]) -> None:
    result = scanner.scan(trees["odd"], errors="raise")
    result.raise_for_errors()
    assert result == list(os.walk(trees["odd"]))


def test_errors_below_the_root_are_raised_as_one(looped: Path) -> None:
    with pytest.raises(scanner.ScanIncomplete) as caught:
        scanner.scan(looped, followlinks=True, errors="raise")
    error = caught.value
    assert isinstance(error, OSError)
    assert isinstance(error, scanner.ScanError)
    assert error.errno == errno.ELOOP
    assert error.filename == error.errors[0].path
    assert len(error.errors) == len(error.exceptions) == 5
    assert all(isinstance(each, OSError) for each in error.exceptions)
    assert error.result is not None
    assert error.result == list(os.walk(looped, followlinks=True))
    text = str(error)
    assert text.startswith("5 errors: Too many levels of symbolic links: '")
    assert text.count("Too many levels") == 3
    assert text.endswith("; and 2 more")
    travelled = pickle.loads(pickle.dumps(error))
    assert (str(travelled), travelled.errors, travelled.result) == (text, error.errors, error.result)


def test_one_error_is_named_alone() -> None:
    error = scanner.ScanIncomplete([Fault.of(PermissionError(errno.EACCES, "Permission denied"), "/srv/a", "open")])
    assert str(error) == "1 error: Permission denied: '/srv/a'"


def test_an_unknown_mode_is_refused_before_anything_starts() -> None:
    for scan in SCANS:
        with pytest.raises(scanner.OptionError, match="errors must be 'raise' or 'collect', not 'ignore'"):
            scan("/none", errors="ignore")


def test_walk_ignores_a_missing_root_as_os_walk_does(tmp_path: Path) -> None:
    assert list(scanner.walk(tmp_path / "none")) == list(os.walk(tmp_path / "none")) == []


def test_a_prune_that_fails_reaches_the_caller(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    top = trees["monorepo"]
    with pytest.raises(scanner.PruneError, match="ZeroDivisionError"):
        list(scanner.walk(top, prune=broken, **backend))
    with pytest.raises(scanner.PruneError, match="ZeroDivisionError"):
        list(scanner.entries(top, prune=broken, **backend))
    with pytest.raises(scanner.PruneError, match="ZeroDivisionError"):
        list(scanner.du(top, prune=broken, **backend))
    with pytest.warns(scanner.ScanWarning, match="ZeroDivisionError"):
        assert scanner.scan(top, prune=broken, **backend) == list(os.walk(top))
    with pytest.raises(scanner.ScanIncomplete, match="ZeroDivisionError"):
        scanner.scan(top, prune=broken, errors="raise", **backend)


def test_a_prune_that_fails_reaches_onerror_and_the_walk_goes_on(
    trees: dict[str, Path], backend: dict[str, Any]
) -> None:
    top = trees["monorepo"]
    reported: list[OSError] = []
    walked = list(scanner.walk(top, prune=broken, onerror=reported.append, **backend))
    assert walked == list(os.walk(top))
    assert {error.filename for error in reported} == {path for path, dirs, _ in walked if dirs}
    assert all("ZeroDivisionError" in str(error) for error in reported)


def test_a_bad_pattern_file_reaches_onerror(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / ".scanignore").write_text("[\n")
    reported: list[OSError] = []
    list(scanner.walk(tmp_path, ignore_files=".scanignore", onerror=reported.append, **backend))
    expected = [str(fault.as_error()) for fault in scanner.scan(tmp_path, ignore_files=".scanignore").errors]
    assert [str(error) for error in reported] == expected != []


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [
        ("follow_links", "followlinks"),
        ("follow-links", "followlinks"),
        ("--follow-links", "followlinks"),
        ("max_worker", "max_workers"),
        ("max-workers", "max_workers"),
        ("workers", "max_workers"),
        ("one_fs", "one_file_system"),
        ("xdev", "one_file_system"),
        ("git_ignore", "gitignore"),
        ("no_hidden", "hidden=False"),
        ("excludes", "exclude"),
        ("one_filesystem", "one_file_system"),
    ],
)
def test_a_misspelt_option_is_recognized(keyword: str, meant: str, tmp_path: Path) -> None:
    message = f"^{keyword!r} is not an option: did you mean {meant}\\?$"
    for call in (scanner.walk, scanner.entries, scanner.scan, scanner.scan_parallel, scanner.ParallelScanner):
        with pytest.raises(TypeError, match=message):
            result: Any = call(tmp_path, **{keyword: True})
            asyncio.run(result)
    with pytest.raises(TypeError, match=message):
        scanner.ScanOptions(**{keyword: True})


def test_a_parameter_of_another_function_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"'onerror' is not an option here: walk and entries take it; scan has errors="):
        scanner.scan(tmp_path, onerror=print)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'errors' is not an option here: scan takes it; walk and entries have onerror"):
        scanner.walk(tmp_path, errors="raise")  # type: ignore[call-arg]


def test_what_is_meant_exists() -> None:
    assert {meant.partition("=")[0] for meant in SHELL.values()} <= {*PUBLIC, *ELSEWHERE}
    assert set(SHELL).isdisjoint(PUBLIC)
