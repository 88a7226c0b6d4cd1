"""User code that mypy (strict) and pyright (strict) must accept, with the types that they must infer.

Types are those of `os.walk`: `assert_type` fails for any other, including Any.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import scanner


def types_of_os_walk(text: str, raw: bytes, path: Path, raw_path: os.PathLike[bytes]) -> None:
    assert_type(os.walk(text), Iterator[tuple[str, list[str], list[str]]])
    assert_type(scanner.walk(text), Iterator[tuple[str, list[str], list[str]]])
    assert_type(os.walk(raw), Iterator[tuple[bytes, list[bytes], list[bytes]]])
    assert_type(scanner.walk(raw), Iterator[tuple[bytes, list[bytes], list[bytes]]])
    assert_type(os.walk(path), Iterator[tuple[str, list[str], list[str]]])
    assert_type(scanner.walk(path), Iterator[tuple[str, list[str], list[str]]])
    assert_type(os.walk(raw_path), Iterator[tuple[bytes, list[bytes], list[bytes]]])
    assert_type(scanner.walk(raw_path), Iterator[tuple[bytes, list[bytes], list[bytes]]])


def same_arguments_as_os_walk(text: str) -> None:
    for walk in (os.walk, scanner.walk):
        for root, dirs, files in walk(text, False, print, True):
            assert_type(root, str)
            assert_type(dirs + files, list[str])
    scanner.walk(top=text, topdown=True, onerror=None, followlinks=False)


def entries_have_typed_fields(path: Path, raw: bytes) -> None:
    for entry in scanner.entries(path, stat=("type", "size")):
        assert_type(entry, scanner.Entry[str])
        assert_type(entry.path, str)
        assert_type(entry.name, str)
        assert_type(entry.size, int | None)
        assert_type(entry.is_dir(follow_symlinks=False) or entry.is_file() or entry.is_symlink(), bool)
        assert_type(entry.stat(follow_symlinks=False), os.stat_result)
        assert_type(entry.mtime, float | None)
        assert_type(entry.owner, str | None)
        with open(entry, "rb") as file:
            file.read(entry.size or 0)
    assert_type(scanner.entries(raw), Iterator[scanner.Entry[bytes]])


def totals_are_typed(text: str, raw: bytes, path: Path) -> None:
    assert_type(scanner.du(text), Iterator[scanner.Total[str]])
    assert_type(scanner.du([raw, raw], time="atime", depth=1), Iterator[scanner.Total[bytes]])
    for total in scanner.du((path, text), files=True, exclude="*.o"):
        assert_type(total.path, str)
        assert_type(total.disk + total.own_entries, int)
        assert_type(total.latest_ns, int | None)


def answers_are_typed(path: Path, raw: bytes) -> None:
    answer = scanner.why(path / "x", path, gitignore=True)
    assert_type(answer, scanner.Answer)
    assert_type(answer.reason, str | None)
    assert_type(answer.is_included, bool | None)
    scanner.why(raw)


def results_are_lists_of_tuples(text: str, raw: bytes) -> None:
    result = scanner.scan(text, stat=True)
    assert_type(result, scanner.ScanResult[str])
    assert_type(result[0], tuple[str, list[str], list[str]])
    assert_type(result.entries(), Iterator[scanner.Entry[str]])
    assert_type(result.errors, list[scanner.Fault[str]])
    assert_type(result.stats, scanner.ScanStats)
    assert_type(scanner.scan(raw), scanner.ScanResult[bytes])
    same: list[tuple[str, list[str], list[str]]] = result
    same.sort()


def faults_have_literal_kinds(raw: bytes) -> None:
    for fault in scanner.scan(raw).errors:
        assert_type(fault.path, bytes)
        if fault.kind == "denied" and fault.operation == "open":
            raise fault.as_error()


async def the_same_from_asyncio(text: str, raw_path: os.PathLike[bytes]) -> None:
    assert_type(await scanner.scan_parallel(text, 4, None, "1.5h", exclude="*.o"), scanner.ScanResult[str])
    async with scanner.ParallelScanner(max_workers=2, timeout=None, gitignore=True) as parallel:
        assert_type(parallel, scanner.ParallelScanner)
        assert_type(await parallel.scan(raw_path), scanner.ScanResult[bytes])
        assert_type(parallel.scan_sync(text), scanner.ScanResult[str])
        assert_type(parallel.get_errors(), list[scanner.Fault[Any]])
        assert_type(parallel.get_error_summary()["total"], int)


def keep_all(path: Any, names: list[Any]) -> list[Any]:
    return names


class NoCaches:
    def should_ignore_directory(self, relative_path: str) -> bool:
        return relative_path.endswith("cache")


def options_are_reusable(text: str) -> None:
    options = scanner.ScanOptions(
        backend="pool", start_method="fork", timeout="1h", window="64M", types=("f", "l"), size=["+1M", "-1G"],
        newer=datetime(2026, 1, 1), older="7d", prune=NoCaches(), exclude_from=[Path("rules")], max_depth=3,
        owner=["alice", 0], group="!staff", perm=0o644, links="+1", newer_atime=Path("stamp"), empty=True,
    )  # fmt: skip
    assert_type(options.max_workers, int | None)
    scanner.walk(text, options=options, backend="serial")
    scanner.entries(text, options=options, stat="size")
    scanner.scan(text, options=options, types="d", prune=keep_all)
    scanner.ParallelScanner(options=options, max_workers=2)


def timeouts_have_a_result(text: str) -> None:
    try:
        scanner.scan(text, timeout=1)
    except scanner.ScanTimeout as error:
        if error.result is not None:
            assert_type(error.result, scanner.ScanResult[Any])


def errors_are_raised_or_collected(text: str) -> None:
    result = scanner.scan(text, errors="raise")
    result.raise_for_errors()
    try:
        scanner.ParallelScanner().scan_sync(text, errors="raise")
    except scanner.ScanIncomplete as error:
        assert_type(error.errors, list[scanner.Fault[Any]])
        assert_type(error.exceptions, tuple[OSError, ...])
        assert_type(error.result, scanner.ScanResult[Any] | None)


async def walks_do_not_block_the_event_loop(text: str, raw: bytes) -> None:
    async for root, dirs, files in scanner.awalk(text, onerror=print, max_workers=2):
        assert_type(root, str)
        assert_type(dirs + files, list[str])
    async for some in scanner.awalk(raw, batch=100):
        assert_type(some, list[tuple[bytes, list[bytes], list[bytes]]])
    async with aclosing(scanner.aentries(text, stat=("type", "size"))) as entries:
        async for entry in entries:
            assert_type(entry, scanner.Entry[str])
    async for batch in scanner.aentries(raw, batch=100):
        assert_type(batch, list[scanner.Entry[bytes]])
    result = await scanner.scan_parallel(text, stat=True)
    async for walked in result:
        assert_type(walked, tuple[str, list[str], list[str]])
    async for entry in result.aentries():
        assert_type(entry, scanner.Entry[str])
    async for batch_of_text in result.aentries(batch=100):
        assert_type(batch_of_text, list[scanner.Entry[str]])


def faults_are_injected(path: Path) -> None:
    with scanner.testing.faults({path: "EACCES", "/srv": 5, b"/srv/b": "read EIO"}):
        scanner.scan(path)
