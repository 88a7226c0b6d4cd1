"""Scan a real file system that fails, hangs and lies: all that is readable is found, the rest reported, in time."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

import scanner
from scanner.kernel import gate
from tests.support.faultfs import FaultFS, unavailable
from tests.support.shell import PATIENCE, SCANNER, run, start

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=f"no FUSE here: {unavailable()}")

TREE = {
    "a": {"f1": 1, "sub": {"g": 1}},
    "b": {"x": 1, "y": 2, "below": {"z": 3}},
    "c": {"h": 1},
    **{f"m{i}": {"f": 1, "n": {"g": 1}} for i in range(12)},
}
B_AND_BELOW = ["/b", "/b/x", "/b/y", "/b/below", "/b/below/z"]
Mounter = Callable[..., FaultFS]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounter]:
    """Return a function that mounts a file system with rules until the test ends."""
    with ExitStack() as stack:

        def mount(*rules: dict[str, Any], tree: dict[str, Any] = TREE, at: str = "m", **spec: Any) -> FaultFS:
            return stack.enter_context(FaultFS(tmp_path / at, tree=tree, rules=rules, **spec))

        yield mount


def paths(tree: Any = TREE, top: str = "") -> list[str]:
    """Return all paths, relative to the mount point, in the order of `list`."""
    files = [f"{top}/{name}" for name, content in tree.items() if not isinstance(content, dict)]
    below = [paths(content, f"{top}/{name}") for name, content in tree.items() if isinstance(content, dict)]
    return [top, *files, *(path for part in below for path in part)]


def listed(fs: FaultFS, *arguments: Any) -> tuple[list[str], list[dict[str, Any]], int]:
    """Return the paths that `scanner list` prints, its errors and its exit code."""
    errors = fs.path.parent / "errors.ndjson"
    result = run("list", "--errors", errors, *arguments, fs.mnt)
    found = [os.fsdecode(line).removeprefix(fs.mnt) for line in result.stdout.split(b"\n")[:-1]]
    return found, [json.loads(line) for line in errors.read_text().splitlines()], result.returncode


def short(fs: FaultFS, errors: list[dict[str, Any]]) -> list[Any]:
    return [(e["path"].removeprefix(fs.mnt), e["operation"], e["kind"], e["attempts"], e["partial"]) for e in errors]


OPENING = [
    ("EIO", "io", 2),
    ("EACCES", "denied", 1),
    ("ETIMEDOUT", "timeout", 1),
    ("ESTALE", "vanished", 3),
    ("ENFILE", "io", 3),
    ("ECONNABORTED", "io", 1),
]


@pytest.mark.parametrize(("name", "kind", "attempts"), OPENING, ids=[name for name, *_ in OPENING])
def test_a_directory_cannot_be_opened(name: str, kind: str, attempts: int, mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "opendir", "errno": name})
    found, errors, code = listed(fs)
    expected = [path for path in paths() if path not in B_AND_BELOW]
    assert [path for path in found if path != "/b"] == expected
    assert ("/b" in found) == (kind != "vanished"), "it may still exist"
    assert short(fs, errors) == [("/b", "open", kind, attempts, False)]
    assert code == (0 if kind == "vanished" else 1)


@pytest.mark.parametrize(("name", "times"), [("EIO", 1), ("ENFILE", 2), ("EAGAIN", 1), ("ESTALE", 3)])
def test_transient_errors_are_retried(name: str, times: int, mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted({"path": "/b", "op": "opendir", "errno": name, "times": times})  # the kernel has a try of its own
    result = scanner.scan(fs.mnt, **backend)
    assert result == list(os.walk(fs.mnt))
    assert result.errors == []
    assert result.stats.as_dict()["retries"] >= 1


@pytest.mark.parametrize(
    ("types", "shown", "queried"), [("f", ["file"], 0), ("d", [], 0), ("p", [], 1), ("f,s", ["file"], 1)]
)
def test_stat_is_called_only_where_types_are_unknown(
    types: str, shown: list[str], queried: int, reader: str, mounted: Mounter, tmp_path: Path
) -> None:
    """As in a directory with read but no search permission. `DirEntry` knows only files, directories and symlinks."""
    real = tmp_path / "real" / "d"
    real.mkdir(parents=True)
    (real / "file").touch()
    os.mkfifo(real / "pipe")
    denied = {"path": "/d/*", "op": ["lookup", "getattr"], "errno": "EACCES"}
    fs = mounted(denied, tree={"$": "mirror", "path": str(real.parent)})
    result = scanner.scan(fs.mnt, types=types)
    assert result == [(fs.mnt, ["d"], []), (f"{fs.mnt}/d", [], shown)]
    assert [(error.path, error.kind) for error in result.errors] == [(f"{fs.mnt}/d/pipe", "denied")] * queried


def test_a_listing_breaks_off(mounted: Mounter, backend: dict[str, Any]) -> None:
    tree = {"b": {"$": "flat", "n": 1000}, "c": {"f": 1}}
    fs = mounted({"path": "/b", "op": "readdir", "errno": "EIO", "after": 500}, tree=tree)
    result = scanner.scan(fs.mnt, **backend)
    assert result == list(os.walk(fs.mnt)), "which drops the entries it has read"
    assert [(f.path, f.operation, f.kind, f.partial) for f in result.errors] == [(f"{fs.mnt}/b", "read", "io", False)]
    kept = scanner.scan(fs.mnt, partial_listings=True, **backend)
    assert [(os.path.basename(root), len(files)) for root, _, files in kept] == [("m", 0), ("b", 500), ("c", 1)]
    assert [f.partial for f in kept.errors] == [True]
    assert kept.stats.as_dict()["retries"] == 1
    raised: list[OSError] = []
    assert list(scanner.walk(fs.mnt, onerror=raised.append, **backend)) == result
    assert [(error.filename, error.errno) for error in raised] == [(f"{fs.mnt}/b", 5)]
    found, errors, code = listed(fs)
    assert len(found) == 3 + 500 + 1
    assert short(fs, errors) == [("/b", "read", "io", 2, True)]
    assert code == 1


def test_the_listing_of_the_root_breaks_off(mounted: Mounter) -> None:
    """Entries that were read are a result: they are written, and the exit code is 1."""
    fs = mounted({"path": "/", "op": "readdir", "errno": "EIO", "after": 30}, tree={"$": "flat", "n": 1000})
    result = run("list", "-o", fs.path.parent / "out", fs.mnt)
    assert result.returncode == 1
    assert len((fs.path.parent / "out").read_bytes().splitlines()) == 31


def test_a_listing_that_breaks_off_once_is_read_again(mounted: Mounter) -> None:
    tree = {"b": {"$": "flat", "n": 1000}}
    fs = mounted({"path": "/b", "op": "readdir", "errno": "ESTALE", "after": 500, "times": 1}, tree=tree)
    found, errors, code = listed(fs)
    assert (len(found), errors, code) == (1002, [], 0)


HANGING = [("opendir", "killable"), ("readdir", "killable"), ("readdir", "hard"), ("lookup", "hard")]


@pytest.mark.parametrize("how", [[], ["--backend", "pool", "--start-method", "forkserver"]], ids=["auto", "forkserver"])
@pytest.mark.parametrize(("operation", "hang"), HANGING)
def test_a_directory_hangs_for_ever(operation: str, hang: str, how: list[str], mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": operation, "hang": hang})
    found, errors, code = listed(fs, "--dir-timeout", "0.5", *how)
    assert [path for path in found if path != "/b"] == [path for path in paths() if path not in B_AND_BELOW]
    assert short(fs, errors) == [("/b", "open", "timeout", 1, False)]
    assert errors[0]["message"] == "no answer within 0.5 s"
    assert code == 1


def test_ten_directories_hang_at_once(mounted: Mounter) -> None:
    hung = [f"/m{i}" for i in range(10)]
    fs = mounted(*({"path": path, "op": "readdir", "hang": "killable"} for path in hung))
    found, errors, code = listed(fs, "--dir-timeout", "1", "--max-hung", "0")
    everything_else = [path for path in paths() if not any(path.startswith(f"{one}/") for one in hung)]
    assert found == everything_else
    assert sorted(error["path"].removeprefix(fs.mnt) for error in errors) == hung
    assert code == 1


def test_a_mount_with_too_many_hung_directories_is_left_alone(mounted: Mounter, tmp_path: Path) -> None:
    (tmp_path / "local" / "mount").mkdir(parents=True)
    (tmp_path / "local" / "z" / "y").mkdir(parents=True)
    tree = {f"{i}": {"f": 1} for i in range(40)}
    fs = mounted({"path": "/[0-9]*", "op": "opendir", "hang": "killable"}, tree=tree, at="local/mount")
    top = tmp_path / "local"
    result = scanner.scan(top, backend="pool", max_workers=2, dir_timeout=0.3)
    assert [root for root, _, _ in result if not root.startswith(fs.mnt)] == [str(top), f"{top}/z", f"{top}/z/y"]
    assert {fault.kind for fault in result.errors} == {"timeout"}
    messages = {fault.message for fault in result.errors}
    assert any(message.startswith("mount quarantined: 3 directories") for message in messages)
    assert 3 <= result.stats.as_dict()["hung_directories"] <= 4, "one may hang while the third is noticed"
    assert sorted(str(fault.path) for fault in result.errors) == sorted(f"{fs.mnt}/{name}" for name in tree)


def test_a_slow_directory_is_not_taken_for_a_hung_one(mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "delay_ms": 400})
    found, errors, code = listed(fs, "--dir-timeout", "3")
    assert (found, errors, code) == (paths(), [], 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hang", ["killable", "hard"])
def test_a_signal_while_a_directory_hangs(hang: str, number: int, mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "hang": hang})
    process = start("scan", fs.mnt)
    fs.wait_until_hung()
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert b"interrupted" in out
    assert err == b""
    assert process.returncode == -number


def test_the_coordinator_is_killed_while_a_worker_waits_for_a_directory(mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "hang": "killable"})
    process = start("scan", "--backend", "pool", "--workers", "2", "--dir-timeout", "0", fs.mnt)
    fs.wait_until_hung()
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert workers
    assert alive == []


def test_the_time_is_over_while_a_directory_hangs(mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "hang": "hard"})
    result = run("scan", "--timeout", "1", "--dir-timeout", "0", "--backend", "pool", fs.mnt)
    assert result.returncode == 75
    assert b"timeout" in result.stdout


def test_a_hung_directory_costs_a_program_that_uses_us_no_more_than_the_command(mounted: Mounter) -> None:
    """The exit of the interpreter does not wait for workers that cannot be killed."""
    fs = mounted({"path": "/b", "op": "readdir", "hang": "hard"})
    code = f"import scanner; print(len(scanner.scan({fs.mnt!r}, dir_timeout=0.5, start_method='spawn').errors))"
    result = subprocess.run(
        [SCANNER[0], "-c", code], capture_output=True, timeout=PATIENCE, check=True, cwd=Path(__file__).parents[2]
    )
    assert (result.stdout, result.stderr) == (b"1\n", b"")


def test_types_are_unknown(mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted({"path": "/*", "dtype": "unknown"})
    result = scanner.scan(fs.mnt, **backend)
    assert result == list(os.walk(fs.mnt))
    assert result.errors == []


def test_a_type_is_unknown_and_its_stat_fails(mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted({"path": "/b", "dtype": "unknown"}, {"path": "/b", "op": "lookup", "errno": "EIO"})
    result = scanner.scan(fs.mnt, **backend)
    assert result == list(os.walk(fs.mnt)), "which silently takes it for a file"
    assert [(f.path, f.operation, f.kind, f.attempts) for f in result.errors] == [(f"{fs.mnt}/b", "stat", "io", 2)]


@pytest.mark.parametrize(
    "rule",
    [{"path": "/a/f1", "dtype": "dir"}, {"path": "/b", "op": "lookup", "errno": "ENOENT"}],
    ids=["replaced", "gone"],
)
def test_a_directory_is_replaced_or_removed_meanwhile(rule: dict[str, Any], mounted: Mounter) -> None:
    fs = mounted(rule)
    _, errors, code = listed(fs)
    assert short(fs, errors) == [(rule["path"], "open", "vanished", 1, False)]
    assert code == 0, "an entry that vanishes is reported, and is no failure"


@pytest.mark.parametrize("inode", [77, "random"])
@pytest.mark.parametrize("follow", [[], ["-L"]], ids=["", "-L"])
def test_inode_numbers_are_not_to_be_trusted(inode: Any, follow: list[str], mounted: Mounter) -> None:
    fs = mounted({"path": "/*", "ino": inode})
    assert listed(fs, *follow) == (paths(), [], 0)


def test_names_are_listed_twice(mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "repeat": 2})
    assert scanner.scan(fs.mnt, **backend) == list(os.walk(fs.mnt))
    assert list(scanner.walk(fs.mnt, **backend)) == list(os.walk(fs.mnt))


def test_a_call_is_interrupted(mounted: Mounter, backend: dict[str, Any]) -> None:
    """Python repeats an interrupted open (PEP 475), but not an interrupted listing."""
    tree = {"b": {"$": "flat", "n": 1000}}
    rule = {"path": "/b", "errno": "EINTR", "times": 1}
    fs = mounted({**rule, "op": "opendir"}, {**rule, "op": "readdir", "after": 500}, tree=tree)
    result = scanner.scan(fs.mnt, **backend)
    assert [len(files) for _, _, files in result] == [0, 1000]
    assert result.errors == []


@pytest.mark.parametrize("kind", ["infinite", "loop"])
def test_a_tree_without_an_end_is_cut_where_one_wants_it(kind: str, mounted: Mounter, backend: dict[str, Any]) -> None:
    fs = mounted(tree={"x": {"$": kind}, "y": {"f": 1}})
    result = scanner.scan(fs.mnt, max_depth=50, **backend)
    assert [root.count("/d") for root, _, _ in result] == [0, *range(49), 0]
    assert result.errors == []


@pytest.mark.parametrize("kind", ["infinite", "loop"])
@pytest.mark.parametrize("backend", [{"backend": "serial"}, {"backend": "pool", "start_method": "fork"}])
def test_a_tree_without_an_end_ends_at_the_greatest_depth(
    kind: str, backend: Any, mounted: Mounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is 50 in this test."""
    monkeypatch.setattr(gate, "MAX_DEPTH", 50)
    fs = mounted(tree={"x": {"$": kind}, "y": {"f": 1}})
    result = scanner.scan(fs.mnt, **backend)
    assert [root.count("/d") for root, _, _ in result] == [0, *range(50), 0]
    assert [(f.kind, f.path.count("/d"), f.message) for f in result.errors] == [
        ("depth", 50, "it lies deeper than 50 levels")
    ]


def test_a_tree_without_an_end_ends_with_the_time(mounted: Mounter) -> None:
    fs = mounted(tree={"$": "infinite", "width": 3})
    result = run("scan", "--timeout", "1", fs.mnt)
    assert result.returncode == 75
    assert b"Outcome             timeout" in result.stdout


def test_the_server_dies(mounted: Mounter) -> None:
    fs = mounted({"path": "/*", "op": "opendir", "delay_ms": 200})
    process = start("scan", "--json", fs.mnt)
    while len(fs.stats()["dirs"]) < 2:  # the root was listed
        time.sleep(0.02)
    fs.die()
    out, _ = process.communicate(timeout=PATIENCE)
    report = json.loads(out)
    assert process.returncode == 1
    assert set(report["errors"]) == {"io"}
    assert report["faults"]


def test_the_fewest_calls_are_made(mounted: Mounter) -> None:
    """Each directory is opened and listed once, for any number of workers.

    Slow enough that each is read by itself: a run of fast ones begins at the root, where look-ups cost nothing.
    """
    fs = mounted(tree={"$": "synth", "fanout": [2] + [1] * 60, "files": 3}, latency_ms={"opendir": 2})
    directories = 1 + 2 * 61
    result = scanner.scan(fs.mnt, backend="pool", max_workers=3)
    assert len(result) == directories
    requests = fs.stats()
    assert requests["ops"]["opendir"] == directories
    assert set(requests["dirs"].values()) == {1}
    assert requests["ops"]["readdir"] == 2 * directories
    assert requests["ops"]["lookup"] == directories - 1, "by name from the parent, not by the whole path"


def test_no_process_is_left_that_could_be_ended(mounted: Mounter) -> None:
    fs = mounted({"path": "/b", "op": "readdir", "hang": "killable"})
    process = start("scan", "-q", "--dir-timeout", "0.3", fs.mnt)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    deadline = time.monotonic() + PATIENCE  # Python's resource tracker ends a little later, by itself
    while left := [pid for pid in psutil.pids() if session_of(pid) == process.pid]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@pytest.mark.parametrize("how", [["--backend", "serial"], ["--backend", "pool", "--workers", "2"]])
def test_failed_stats_are_null_and_reported(how: list[str], mounted: Mounter, reader: str, tmp_path: Path) -> None:
    tree = {"a": 1, "b": 2, "d": {"c": 3, "e": {}}}
    fs = mounted(
        {"path": "/b", "op": "lookup", "errno": "EACCES"}, {"path": "/d/c", "op": "lookup", "errno": "EIO"}, tree=tree
    )
    outputs = [argument for name in ("x.ndjson", "x.csv", "x.ncdu") for argument in ("-o", str(tmp_path / name))]
    result = run("list", *outputs, *how, fs.mnt)
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        f"scanner: cannot read '{fs.mnt}/b': {os.strerror(errno.EACCES)}",
        f"scanner: cannot read '{fs.mnt}/d/c': {os.strerror(errno.EIO)}",
    ]
    rows = {
        row["path"].removeprefix(fs.mnt): row
        for row in map(json.loads, (tmp_path / "x.ndjson").read_text().splitlines())
    }
    assert list(rows) == ["", "/a", "/b", "/d", "/d/c", "/d/e"]
    assert {path: row["size"] for path, row in rows.items() if row["type"] != "d"} == {
        "/a": 1,
        "/b": None,
        "/d/c": None,
    }
    with (tmp_path / "x.csv").open(newline="") as file:
        assert f"{fs.mnt}/b,,,\r\n" in file.read()
    assert '{"name":"b","read_error":true}' in (tmp_path / "x.ncdu").read_text()
    assert run("du", "-b", *how, fs.mnt).returncode == 1


def test_each_failed_stat_of_many_is_reported(mounted: Mounter, reader: str) -> None:
    names = [f"f{number}" for number in range(600)]
    fs = mounted({"path": "/x/f*7", "op": "lookup", "errno": "EACCES"}, tree={"x": dict.fromkeys(names, 1)})
    errors: list[OSError] = []
    entries = {entry.name: entry.size for entry in scanner.entries(fs.mnt, stat="size", onerror=errors.append)}
    failed = {name for name in names if name.endswith("7")}
    assert {os.path.basename(error.filename) for error in errors} == failed
    assert {name for name, size in entries.items() if size is None} == failed
    assert len(errors) == len(failed)
