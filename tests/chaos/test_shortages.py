"""Too few descriptors, processes, memory, disk space; too many levels."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends.serial import SerialBackend
from scanner.kernel import gate
from scanner.kernel.pack import no_listing
from scanner.kernel.read import LEAST_LIMIT, Reader
from scanner.kernel.walk import Walker
from scanner.model import Task
from scanner.options import ScanOptions
from tests.support.shell import SCANNER
from tests.support.trees import make

LEVELS = 100_000


def limited(limit: int, value: int, command: list[Any]) -> subprocess.CompletedProcess[bytes]:
    """Run a command with a resource limit."""
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
    )


@pytest.mark.parametrize("how", [["--backend", "serial"], ["--backend", "pool"]], ids=["serial", "pool"])
def test_few_descriptors(how: list[str], trees: dict[str, Path]) -> None:
    """A path of 5,000 levels does not need 5,000 of them."""
    result = limited(resource.RLIMIT_NOFILE, 100, [*SCANNER, "scan", "--json", *how, trees["deep"]])
    report = json.loads(result.stdout)
    assert result.returncode == 0
    assert report["outcome"] == "complete"
    assert report["scanned_directories"] == 5401


def test_hardly_any_descriptors(trees: dict[str, Path]) -> None:
    """Directories are retried after pauses. More threads would not shorten these."""
    result = limited(resource.RLIMIT_NOFILE, 8, [*SCANNER, "list", "--workers", "2", trees["deep"]])
    assert (result.returncode, result.stdout.count(b"\n")) == (0, 5401 + 800)


def test_no_descriptor_is_left_for_a_moment(tmp_path: Path) -> None:
    """Parents that are held open are closed, and then the directory is read."""
    top = str(make(tmp_path, {"a": {"b": {"c": {"d": {"f": None}}}}, "z": {}}))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    walker = Walker(ScanOptions(roots=(top,)), joined=True)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 4, hard))  # the way down needs more than four
    try:
        chunk = walker.walk(Task(1, [top], 0, 10_000, 60.0))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        walker.close()
    assert chunk.faults == []
    assert chunk.directories == 6
    assert chunk.retries > 0


def test_no_descriptor_is_left_at_all(tmp_path: Path, reader: str) -> None:
    top = str(make(tmp_path, {"a": {}}))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    directories = Reader(ScanOptions(roots=(top,)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        *_, faults, _, _ = directories.read(top, 100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        directories.close()
    assert [(fault.errno, fault.attempts) for fault in faults] == [(errno.EMFILE, 3)]


def test_too_little_memory_for_a_huge_directory_makes_for_smaller_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scandir` runs out of memory when more than 700 entries are requested at once."""
    monkeypatch.setenv("SCANNER_PURE", "1")
    make(tmp_path, {f"f{i}": None for i in range(5000)})
    original = Reader._sort

    def sort(self: Reader, path: Any, entries: Iterator[os.DirEntry[str]], limit: int, **rest: Any) -> Any:
        def greedy() -> Iterator[os.DirEntry[str]]:
            for number, entry in enumerate(entries):
                if number >= 700:
                    raise MemoryError
                yield entry

        class Entries:
            close = getattr(entries, "close", lambda: None)
            __iter__ = staticmethod(greedy)

        return original(self, path, Entries() if limit > 700 else entries, limit, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "_sort", sort)
    monkeypatch.setattr("scanner.kernel.read.FIRST_LIMIT", 4 * LEAST_LIMIT)
    result = scanner.scan(tmp_path, backend="serial")
    assert result.errors == []
    assert [len(files) for _, _, files in result] == [5000]


@contextmanager
def chain(levels: int, siblings: str = "") -> Iterator[Path]:
    """Directories, one in the other; every tenth with a file. In memory, where there is some, and what was made last is
    found first: when the siblings' turn comes, all of the chain has been walked.
    """
    top = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    here = os.open(top, os.O_RDONLY)
    for level in range(levels):
        if level % 10 == 0:
            os.close(os.open("f", os.O_CREAT, dir_fd=here))
        for name in f"{siblings}d":
            os.mkdir(name, dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        yield top
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


@pytest.fixture(scope="module")
def abyss() -> Iterator[Path]:
    with chain(LEVELS) as top:
        yield top


@pytest.mark.parametrize(
    "backend",
    ["auto", "pool-fork", *(pytest.param(name, marks=pytest.mark.slow) for name in ("serial", "serial pure"))],
    indirect=True,
)
def test_a_hundred_thousand_levels(abyss: Path, backend: dict[str, Any]) -> None:
    options = [f"--{name.replace('_', '-').replace('max-', '')}={value}" for name, value in backend.items()]
    result = subprocess.run([*SCANNER, "scan", *options, abyss], capture_output=True, timeout=60, check=True, text=True)
    report = dict(re.findall(r"^(\w+) {2,}(.+)$", result.stdout, re.MULTILINE))
    assert (report["Directories"], report["Files"]) == (f"{LEVELS + 1:,}", f"{LEVELS // 10:,}")
    assert report["Errors"] == "none"


def test_a_hundred_thousand_levels_one_by_one(abyss: Path) -> None:
    """Each path is a character longer than the last, so all of them together would be ten gigabytes."""
    prefix = len(str(abyss))
    lengths = [len(root) - prefix for root, _, _ in scanner.walk(abyss, backend="serial")]
    assert lengths == list(range(0, 2 * LEVELS + 1, 2))


@pytest.mark.parametrize("pure", ["", "1"])
@pytest.mark.parametrize(
    ("levels", "siblings", "most"),
    [(8_000, "", 1.1), (4_000, "ab", 3)],
    ids=["down", "up again"],
)
def test_the_way_down_is_not_gone_again_for_each_task(
    levels: int, siblings: str, most: float, pure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths longer than the system takes are opened from what is still open there, not from the root."""
    original, opened = os.open, []

    def count(path: Any, *args: Any, **options: Any) -> int:
        opened.append(path)
        return original(path, *args, **options)

    monkeypatch.setenv("SCANNER_PURE", pure)
    with chain(levels, siblings) as top, monkeypatch.context() as patched:
        patched.setattr(os, "open", count)
        result = scanner.scan(top, backend="serial")
    assert len(result) == 1 + levels * (1 + len(siblings))
    assert result.stats.tasks > 10
    assert len(opened) < most * len(result)


@pytest.mark.slow
def test_a_hundred_thousand_levels_one_by_one_from_workers(abyss: Path, pool: dict[str, Any]) -> None:
    assert sum(1 for _ in scanner.walk(abyss, **pool)) == LEVELS + 1


@pytest.mark.parametrize("backend", [{"backend": "serial"}, {"backend": "pool", "start_method": "fork"}])
def test_a_tree_deeper_than_the_limit_is_reported(
    backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MAX_DEPTH", 2)
    top = make(tmp_path, {"1": {"2": {"3": {"4": {}}}}, "a": {}})
    result = scanner.scan(top, **backend)
    assert [fault[:2] + fault[3:5] for fault in result.errors] == [
        (f"{top}/1/2/3", "open", "it lies deeper than 2 levels", "depth")
    ]
    assert result == [item for item in os.walk(top) if not item[0].endswith(("/3", "/4"))]


@pytest.mark.parametrize("backend", ["serial", "auto"])
def test_walk_gives_all_names_although_memory_was_short(
    backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {f"f{i}": None for i in range(3000)})
    original, failed = Reader._sort, []

    def sort(self: Reader, *args: Any, **kwargs: Any) -> Any:
        if not failed:
            failed.append(True)
            fault = scanner.Fault(str(tmp_path), "read", errno.ENOMEM, "Cannot allocate memory", "io")
            return no_listing(fault)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Reader, "_sort", sort)
    monkeypatch.setattr("scanner.kernel.read.FIRST_LIMIT", 4 * LEAST_LIMIT)
    assert [len(files) for _, _, files in scanner.walk(tmp_path, backend=backend)] == [3000]


def test_where_no_thread_can_be_started_either(trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    expected = list(os.walk(trees["monorepo"]))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert scanner.scan(trees["monorepo"], backend="pool") == expected
        assert list(scanner.walk(trees["monorepo"], backend="pool")) == expected


def test_waiting_for_leave_to_go_on_takes_no_processor(trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """With `max_rate`, a scan in this process sleeps instead of polling."""
    polls = 0
    original = SerialBackend.events

    def events(self: SerialBackend, timeout: float) -> list[Any]:
        nonlocal polls
        polls += 1
        return original(self, timeout)

    monkeypatch.setattr(SerialBackend, "events", events)
    result = scanner.scan(trees["monorepo"], max_rate=1000, backend="serial")
    assert len(result) == 401
    assert polls < 1000
