"""`scanner.testing`: programs that scan are tested with faults, and with a file system that is not there."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.testing import faults


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/below", "b/below", "c"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / name / f"file{number}").touch()
    (tmp_path / "f").write_bytes(b"abc")
    return tmp_path


def seen(result: scanner.ScanResult) -> list[tuple[str, str, str, int, bool]]:
    top = result[0][0]
    return [(f.path[len(top) :], f.operation, f.kind, f.attempts, f.partial) for f in result.errors]


def test_a_directory_cannot_be_opened(tree: Path, backend: dict[str, Any]) -> None:
    with faults({tree / "a": "EACCES", tree / "b": errno.EIO}):
        result = scanner.scan(tree, **backend)
    assert sorted(seen(result)) == [("/a", "open", "denied", 1, False), ("/b", "open", "io", 2, False)]
    assert [path for path, _, _ in result] == [str(tree), str(tree / "c")]
    assert scanner.scan(tree, **backend) == list(os.walk(tree)), "the faults end with the context"


def test_walk_and_entries_meet_the_same(tree: Path, backend: dict[str, Any]) -> None:
    reported: list[OSError] = []
    with faults({tree / "a": "EACCES"}):
        assert str(tree / "a" / "below") not in [path for path, _, _ in scanner.walk(tree, **backend)]
        list(scanner.walk(tree, onerror=reported.append, **backend))
        list(scanner.entries(tree, onerror=reported.append, **backend))
        with pytest.raises(scanner.ScanIncomplete, match="Permission denied"):
            scanner.scan(tree, errors="raise", **backend)
    assert [(type(error), error.filename) for error in reported] == 2 * [(PermissionError, str(tree / "a"))]


def test_asyncio_meets_the_same(tree: Path) -> None:
    async def main() -> list[str]:
        with faults({tree / "a": "EACCES"}):
            result = await scanner.scan_parallel(tree)
            assert [fault.kind for fault in result.errors] == ["denied"]
            return [path async for path, _, _ in scanner.awalk(tree)]

    assert str(tree / "a" / "below") not in asyncio.run(main())


def test_a_listing_breaks_off(tree: Path, backend: dict[str, Any]) -> None:
    with faults({tree / "c": "read EIO"}):
        result = scanner.scan(tree, **backend)
        partial = scanner.scan(tree, partial_listings=True, **backend)
    assert seen(result) == [("/c", "read", "io", 2, False)]
    assert str(tree / "c") not in [path for path, _, _ in result]
    assert seen(partial) == [("/c", "read", "io", 2, True)]
    (names,) = [dirs + files for path, dirs, files in partial if path == str(tree / "c")]
    assert len(names) == 2


def test_a_file_has_no_status(tree: Path, backend: dict[str, Any]) -> None:
    with faults({tree / "f": "EIO", tree / "c" / "file1": "stat ESTALE"}):
        result = scanner.scan(tree, stat=True, **backend)
        size = {entry.path: entry.size for entry in result.entries()}
        selected = scanner.scan(tree, size="0", **backend)
    assert sorted(fault[:3] for fault in seen(result)) == [("/c/file1", "stat", "vanished"), ("/f", "stat", "io")]
    assert result == list(os.walk(tree))
    assert size[str(tree / "f")] is size[str(tree / "c" / "file1")] is None
    assert size[str(tree / "c" / "file2")] == 0
    assert ("/c/file1", "stat", "vanished") in [fault[:3] for fault in seen(selected)]


@pytest.mark.parametrize("kind", [os.fspath, os.fsencode], ids=["str", "bytes"])
def test_paths_may_be_spelled_differently(
    tree: Path, backend: dict[str, Any], kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    with faults({"a": "EACCES", b"b/": "EACCES", f"{tree}/./c": "EACCES"}):
        assert scanner.scan(kind("."), **backend) == [next(os.walk(kind(".")))]
        assert scanner.scan(kind(tree), **backend) == [next(os.walk(kind(tree)))]


def test_a_root_fails(tree: Path, backend: dict[str, Any]) -> None:
    with faults({tree: "ENOENT"}), pytest.raises(FileNotFoundError):
        scanner.scan(tree, errors="raise", **backend)


def test_warm_workers_meet_them_too(tree: Path, pool: dict[str, Any]) -> None:
    with scanner.ParallelScanner(**pool) as scanning:
        assert not scanning.scan_sync(tree).errors
        with faults({tree / "a": "EACCES"}):
            assert [fault.kind for fault in scanning.scan_sync(tree).errors] == ["denied"]
        assert not scanning.scan_sync(tree).errors


def test_contexts_add_to_each_other_and_end_after_an_exception(tree: Path) -> None:
    def failing() -> list[str]:
        return [fault.path[-1] for fault in scanner.scan(tree).errors]

    with faults({tree / "a": "EACCES"}):
        with pytest.raises(ZeroDivisionError), faults({tree / "b": "EACCES"}):
            assert sorted(failing()) == ["a", "b"]
            raise ZeroDivisionError
        assert failing() == ["a"]
    assert failing() == []


@pytest.mark.parametrize("error", ["EVERYTHING", "write EIO", "", 99_999, "strerror", "errorcode"])
def test_an_unknown_error_is_refused(error: Any) -> None:
    with pytest.raises(scanner.OptionError, match="an error must be a name like EACCES or a number of errno, after"):
        faults({"/srv": error}).__enter__()


def test_it_is_there_without_an_import() -> None:
    assert scanner.testing.faults is faults


# pyfakefs


def test_a_fake_file_system_is_scanned(tree: Path) -> None:
    """In Python, in this process: compiled code and other processes see the real one."""
    fake = pytest.importorskip("pyfakefs.fake_filesystem_unittest")
    with fake.Patcher() as patcher:
        patcher.fs.create_file("/srv/a/x", contents="abc")
        patcher.fs.create_file("/srv/b/y")
        patcher.fs.create_symlink("/srv/link", "/srv/a")
        for backend in ("auto", "serial", "pool"):
            options = scanner.ScanOptions(backend=backend)  # type: ignore[arg-type]
            result = scanner.scan("/srv", stat="size", options=options)
            walked = list(scanner.walk("/srv", options=options))
            sizes = {entry.path: entry.size for entry in scanner.entries("/srv", stat="size", options=options)}
            assert sorted(result) == sorted(walked) == sorted((p, sorted(d), sorted(f)) for p, d, f in os.walk("/srv"))
            assert result.stats.reader == "python"
            assert sizes["/srv/a/x"] == 3
            assert not result.errors
        with pytest.warns(scanner.ScanWarning):
            assert scanner.scan(tree) == [], "the real one is not there"
        with faults({"/srv/a": "EACCES"}):
            assert [fault.kind for fault in scanner.scan("/srv").errors] == ["denied"]
    assert scanner.scan(tree) == list(os.walk(tree))
