"""Snapshot stores where something cannot be trusted: the file system, its inodes, the root, the disk, the store itself.

Each case ends as docs/snapshots.md says, and older snapshots stay as they were.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner import mounts
from scanner.kernel import devices, walk
from scanner.kernel.record import HEAD
from scanner.model import UNEXPECTED
from scanner.snapshot import writer
from scanner.snapshot.store import Snapshot
from tests.support.faultfs import FaultFS, unavailable
from tests.support.faultfs.mount import TYPE
from tests.support.mounting import mounting
from tests.support.shell import PATIENCE, SCANNER, as_user, call, run
from tests.support.trees import make

needs_fuse = pytest.mark.skipif(unavailable() is not None, reason=f"no FUSE here: {unavailable()}")

SPEC: dict[str, Any] = {"a": {"b": {"f": None}, "g": None}, "c": {"d": {"h": None}}, "e": {}}
COUNT = 6
"""Directories of SPEC, the top included."""
LATER = 1_700_000_100
"""Time of a mount point, in seconds since 1970. Everything below is 100 s older, and so not racy."""
RELIABLE = ("ext4", "xfs", "btrfs", "zfs", "overlay", "nfs4", "ceph")
UNRELIABLE = ("cifs", "smb3", "9p", "virtiofs", "vfat", "ntfs3", "fuse", "fuse.sshfs", "fuse.ext4", "unheard-of")
SERIAL: dict[str, Any] = {"backend": "serial"}
KNOWING = [SERIAL, {"backend": "auto"}, {"backend": "pool", "max_workers": 2, "start_method": "fork"}]
"""Backends whose workers know what a test has changed in this process."""
TRUSTS: list[dict[str, Any]] = [{}, {"trust": "files", "stat": True}]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "tree", SPEC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "nightly.snap"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a directory to mount on."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def frozen(top: Path, *rules: Mapping[str, Any], at: Path | None = None) -> FaultFS:
    """Return a FUSE file system with the content of `top`, whose directory times never move."""
    rules = ({"path": "/", "stamp": LATER}, *rules)
    return FaultFS(at or top.with_name("mount"), tree={"$": "mirror", "path": str(top)}, rules=rules)


@pytest.fixture
def trusted_fuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count directory times of the FUSE file system as reliable."""
    monkeypatch.setattr(devices, "RELIABLE", devices.RELIABLE | {TYPE})


@contextmanager
def seen_as(kind: str, point: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a tmpfs have another type in the table of mounts: for types that this kernel cannot mount."""
    with monkeypatch.context() as patched:
        table = point.with_name("mountinfo")
        with open(mounts.MOUNTS, "rb") as lines, open(table, "wb") as changed:
            for line in lines:
                is_here = line.split()[4] == os.fsencode(point)
                changed.write(line.replace(b" - tmpfs ", b" - %s " % kind.encode()) if is_here else line)
        patched.setattr(mounts, "MOUNTS", str(table))
        yield


def let_time_pass(store: Path) -> None:
    """Let the newest ctime that was seen on the root's file system be later than all times in the tree: no directory is
    racy then, without waiting. Like the fixture `later`, for clocks other than that of this kernel.
    """
    database = sqlite3.connect(store)
    database.execute("UPDATE roots SET newest = ?", (time.time_ns() + 10**10,))
    database.commit()
    database.close()


def stamps(top: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, mtime and ctime of each directory, by its path below `top`."""
    found = {}
    for path, _, _ in os.walk(top):
        status = os.stat(path)
        found[path.removeprefix(str(top))] = status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    return found


def changes(top: Path) -> Iterator[None]:
    """Change names in three directories of SPEC, one at each step."""
    (top / "a" / "b" / "new").touch()
    yield
    (top / "c" / "d" / "h").unlink()
    yield
    make(top / "e", {"package": {"inner": {"x": None}}})
    yield


def move(top: Path) -> None:
    """Move a directory, after `changes`."""
    (top / "a" / "b").rename(top / "c" / "b")


def scanned(top: Path, store: Path, **options: Any) -> Snapshot:
    """Scan, and compare result and snapshot with os.walk. Return the figures of the snapshot."""
    expected = list(os.walk(top))
    assert scanner.scan(top, store=store, **options) == expected
    stored = scanner.Store(store)
    assert stored.scan() == expected
    assert stored.check() == []
    return stored.snapshots[-1]


def ended(result: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    return result.returncode, result.stderr.decode()


def read_back(store: Path, which: int = -1) -> bytes:
    """Return what `list` prints of a snapshot."""
    result = run("list", "--from", f"{store}@{which}")
    assert ended(result) == (0, "")
    return result.stdout


# ---- directory times


@needs_fuse
def test_directory_times_of_a_fuse_file_system_never_move(top: Path, store: Path, backend: dict[str, Any]) -> None:
    with frozen(top) as fs:
        for _ in range(2):
            scanned(fs.path, store, **backend)
        before = stamps(fs.path)
        for _ in changes(top):
            pass
        move(top)
        after = stamps(fs.path)
        assert all(after[path] == before[path] for path in after.keys() & before.keys()), "no time shows a change"
        expected = list(os.walk(fs.path))
        fs.reset()
        assert scanner.scan(fs.path, store=store, **backend) == expected
        assert len(fs.stats()["dirs"]) == len(after), "each directory was opened"
    newest = scanner.Store(store).snapshots[-1]
    assert (newest.state, newest.read, newest.kept) == ("complete", len(after), 0)
    assert newest.unreliable == COUNT - 2, "all that had the same times, but the mount point, which is racy"


@needs_fuse
@pytest.mark.parametrize("options", TRUSTS, ids=["names", "files"])
@pytest.mark.usefixtures("reader")
def test_each_kind_of_change_on_a_fuse_file_system_is_seen(options: dict[str, Any], top: Path, store: Path) -> None:
    with frozen(top) as fs:
        scanned(fs.path, store, **options, **SERIAL)
        for _ in changes(top):
            assert list(scanner.walk(fs.path, store=store, **SERIAL)) == list(os.walk(fs.path))
            newest = scanned(fs.path, store, **options, **SERIAL)
            assert (newest.read, newest.kept) == (newest.directories, 0)
        move(top)
        scanned(fs.path, store, **options, **SERIAL)
        newest = scanned(fs.path, store, **options, **SERIAL)
        assert newest.unreliable == newest.directories - 1, "all but the mount point, which is racy"


@needs_fuse
@pytest.mark.parametrize("backend", KNOWING, ids=lambda backend: backend["backend"])
@pytest.mark.usefixtures("reader", "trusted_fuse")
def test_a_recheck_finds_that_times_of_a_trusted_file_system_never_move(
    backend: dict[str, Any], top: Path, store: Path
) -> None:
    with frozen(top) as fs:
        for _ in range(2):
            scanned(fs.path, store, **backend)
        outdated = list(os.walk(fs.path))
        for _ in changes(top):
            pass
        expected = list(os.walk(fs.path))
        assert scanner.scan(fs.path, store=store, **backend) == outdated, "they were trusted: nothing shows the changes"
        assert scanner.Store(store).snapshots[-1].kept == COUNT - 1
        result = scanner.scan(fs.path, store=store, recheck=1.0, **backend)
        assert result == expected
        assert [fault.kind for fault in result.errors] == [UNEXPECTED]
        found = scanner.Store(store).snapshots[-1]
        assert (found.state, found.rechecked, found.stale) == ("incomplete", COUNT - 1, 3)
        (top / "e" / "more").touch()
        result = scanner.scan(fs.path, store=store, **backend)
        assert result == list(os.walk(fs.path))
        assert result.stats.snapshot["trust"] == "nothing"
        assert result.stats.snapshot["kept"] == 0
        (top / "e" / "still more").touch()
        assert list(scanner.walk(fs.path, store=store, **backend)) == list(os.walk(fs.path))
        assert scanner.Store(store).scan(1) == outdated


@needs_fuse
@pytest.mark.parametrize("options", TRUSTS, ids=["names", "files"])
@pytest.mark.usefixtures("reader", "later")
def test_a_fuse_mount_below_a_reliable_root_costs_only_itself(
    options: dict[str, Any], top: Path, tmp_path: Path, store: Path
) -> None:
    root = make(tmp_path / "root", {"near": SPEC, "far": {}})
    with frozen(top, at=root / "far") as fs:
        scanned(root, store, **options, **SERIAL)
        newest = scanned(root, store, **options, **SERIAL)
        assert (newest.kept, newest.read, newest.unreliable) == (COUNT + 1, COUNT, COUNT - 1)
        for _ in changes(top):
            expected = list(os.walk(root))
            fs.reset()
            assert scanner.scan(root, store=store, **options, **SERIAL) == expected
            assert len(fs.stats()["dirs"]) == len(list(os.walk(top)))
            assert scanner.Store(store).snapshots[-1].kept == COUNT + 1


def scanned_twice(top: Path, store: Path, **options: Any) -> Snapshot:
    """Scan until no directory is racy, and return the figures of the scan after that."""
    scanned(top, store, **options)
    let_time_pass(store)
    scanned(top, store, **options)
    newest = scanned(top, store, **options)
    assert newest.racy == 0
    return newest


@pytest.mark.parametrize("kind", [*UNRELIABLE, *RELIABLE])
@pytest.mark.usefixtures("reader", "later")
def test_the_type_of_a_file_system_decides_whether_directories_are_read(
    kind: str, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounting() as mounted:
        mounted.memory(disk)
        make(disk, SPEC)
        with seen_as(kind, disk, monkeypatch):
            found = [scanned_twice(disk, tmp_path / f"s{len(each)}", **each, **SERIAL) for each in TRUSTS]
    figures = [(newest.read, newest.kept, newest.unreliable) for newest in found]
    assert figures == [(0, COUNT, 0) if kind in RELIABLE else (COUNT, 0, COUNT)] * len(TRUSTS)


def test_a_real_mount_of_a_type_that_is_not_relied_on(disk: Path, store: Path, backend: dict[str, Any]) -> None:
    with mounting() as mounted:
        mounted.memory(disk, kind="ramfs")
        newest = scanned_twice(make(disk, SPEC), store, **backend)
    assert (newest.read, newest.kept, newest.unreliable) == (COUNT, 0, COUNT)


# ---- inodes


@pytest.mark.usefixtures("reader", "later")
def test_inodes_of_an_overlay_are_others_after_each_mount(disk: Path, tmp_path: Path, store: Path) -> None:
    lower, upper = make(tmp_path / "lower", {}), make(tmp_path / "upper", {})
    with mounting() as mounted:
        mounted.memory(lower)
        mounted.memory(upper)
        make(lower, SPEC)
        before: dict[str, tuple[int, int, int]] = {}
        for first in ("a/b", "c/d", "e"):
            with mounting() as overlay:
                overlay.overlay(lower, upper, disk)
                os.stat(disk / first)
                now = stamps(disk)
                newest = scanned(disk, store, **SERIAL)
            same = [path for path in before if now[path] == before[path]]
            assert not before or len(same) <= COUNT // 2, "most inodes are others"
            assert [now[path][1:] for path in before] == [stamp[1:] for stamp in before.values()], "the times are not"
            assert (newest.read, newest.kept) == (COUNT - len(same), len(same))
            before = now


@needs_fuse
@pytest.mark.parametrize("options", [*TRUSTS, {"recheck": 1.0}], ids=["names", "files", "recheck"])
@pytest.mark.usefixtures("reader", "trusted_fuse")
def test_inodes_of_a_trusted_file_system_are_others_at_each_request(
    options: dict[str, Any], top: Path, store: Path
) -> None:
    with frozen(top, {"path": "/?*", "ino": "random"}) as fs:
        scanned(fs.path, store, **options, **SERIAL)
        for _ in changes(top):
            newest = scanned(fs.path, store, **options, **SERIAL)
            assert (newest.read, newest.kept, newest.stale) == (newest.directories, 0, 0)


# ---- the root


@needs_fuse
def test_a_root_that_is_not_mounted(top: Path, store: Path) -> None:
    point = top.with_name("mount")
    point.mkdir()
    with frozen(top):
        scanned(point, store)
        listing = read_back(store)
    code, message = ended(run("scan", "--store", store, point))
    assert code == 3
    assert f"where {TYPE} was): is it mounted?" in message
    assert len(scanner.Store(store).snapshots) == 1
    assert read_back(store) == listing
    with frozen(top):
        assert scanned(point, store).number == 2


def test_a_root_that_is_not_mounted_over_a_file_system_of_the_same_type(disk: Path, store: Path) -> None:
    with mounting() as mounted:
        mounted.memory(disk)
        point = make(disk / "point", {})
        with mounting() as inner:
            inner.memory(point)
            make(point, SPEC)
            scanned(point, store)
            listing = read_back(store)
        code, message = ended(run("scan", "--store", store, point))
    assert code == 3
    assert "(inode " in message
    assert "was): is it mounted?" in message
    assert len(scanner.Store(store).snapshots) == 1
    assert read_back(store) == listing


@needs_fuse
def test_the_server_of_the_root_is_dead(top: Path, store: Path) -> None:
    with frozen(top) as fs:
        scanned(fs.path, store)
        expected, listing = list(os.walk(fs.path)), read_back(store)
        fs.die()
        result = run("scan", "--store", store, "--keep", "1", fs.path)
        assert result.returncode == 3
    assert [snapshot.state for snapshot in scanner.Store(store).snapshots] == ["complete", "failed"]
    assert read_back(store, 1) == listing, "a failed scan removes no older snapshot"
    with frozen(top) as fs:
        scanned(fs.path, store)
    assert scanner.Store(store).scan(1) == expected


@needs_fuse
@pytest.mark.usefixtures("reader")
def test_a_directory_of_a_fuse_file_system_is_unreadable_for_one_night(top: Path, store: Path) -> None:
    with frozen(top) as fs:
        scanned(fs.path, store, **SERIAL)
        expected = list(os.walk(fs.path))
        fs.rules([{"path": "/a", "op": "opendir", "errno": "EACCES"}])
        result = scanner.scan(fs.path, store=store, **SERIAL)
        assert [(fault.path, fault.kind) for fault in result.errors] == [(str(fs.path / "a"), "denied")]
        assert (read := scanner.Store(store).scan()) == result
        assert read.errors == result.errors
        assert scanner.Store(store).snapshots[-1].state == "incomplete"
        fs.rules([])
        scanned(fs.path, store, **SERIAL)
    assert scanner.Store(store).scan(1) == expected


# ---- options and roots


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (["--exclude", "*.o"], "exclude"),
        (["-x"], "one_file_system"),
        (["--one-mount"], "one_mount"),
        (["--skip-fs", "proc"], "skip_fs"),
        (["--exclude-if-present", ".nobackup"], "exclude_if_present"),
        (["--max-depth", "2"], "max_depth"),
        (["--gitignore"], "gitignore"),
        (["-L"], "followlinks"),
    ],
)
def test_an_option_that_differs_is_named(option: list[str], name: str, top: Path, store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.snap"
    assert call("scan", "--store", store, *option, top).returncode == 0
    assert call("scan", "--store", other, top).returncode == 0
    for arguments, before, here in (([store], "with", "without"), ([other, *option], "without", "with")):
        code, message = ended(call("scan", "--store", *arguments, top))
        assert code == 2
        assert f"was made {before} {name}" in message
        assert f"this scan is {here} {name}" in message
    assert len(scanner.Store(store).snapshots) == len(scanner.Store(other).snapshots) == 1


# ---- the disk of the store


def make_large(top: Path) -> Path:
    """Make a tree of which a snapshot takes more than 1 MB."""
    return make(top, {f"d{number}": {f"{each:02}" + "x" * 248: None for each in range(16)} for number in range(400)})


@pytest.mark.parametrize("backend_name", ["serial", "auto"])
@pytest.mark.usefixtures("reader")
def test_the_disk_fills_up_before_any_row_is_stored(backend_name: str, top: Path, disk: Path, tmp_path: Path) -> None:
    """All rows of the second snapshot arrive within COMMIT_SECONDS, in one transaction."""
    store, output, options = disk / "s", tmp_path / "out.txt", ["--backend", backend_name]
    with mounting() as mounted:
        mounted.memory(disk, options="size=1m")
        assert run("list", "--store", store, *options, top).returncode == 0
        before, listing = list(os.walk(top)), read_back(store)
        make_large(top / "more")
        expected = run("list", top).stdout
        code, message = ended(run("list", "--store", store, *options, "-o", output, top))
        assert code == 3
        assert f"'{store}' cannot be used: database or disk is full" in message
        assert output.read_bytes() == expected, "the scan itself is complete"
        assert [each.state for each in scanner.Store(store).snapshots] == ["complete", "open"]
        assert scanner.Store(store).check() == []
        assert read_back(store) == listing
        mounted.remount(disk, "size=64m")
        assert run("list", "--store", store, *options, "-o", output, top).returncode == 0
        assert output.read_bytes() == expected
        assert scanner.Store(store).snapshots[-1].state == "complete"
        assert scanner.Store(store).scan() == list(os.walk(top))
        assert scanner.Store(store).scan(1) == before
        assert scanner.Store(store).check() == []


@pytest.mark.usefixtures("reader")
def test_the_disk_fills_up_after_some_rows_are_stored(top: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    monkeypatch.setattr(walk, "CHUNK_TEXT", 2000)  # bytes of paths: Chunks of some 20 directories
    store = disk / "s"
    with mounting() as mounted:
        mounted.memory(disk, options="size=1m")
        scanned(top, store, **SERIAL)
        before, listing = list(os.walk(top)), read_back(store)
        make_large(top / "more")
        with pytest.raises(scanner.StoreError, match="full") as caught:
            scanner.scan(top, store=store, **SERIAL)
        assert caught.value.result == list(os.walk(top)), "the scan itself is complete"
        half = scanner.Store(store).snapshots[-1]
        assert half.state == "open"
        assert half.directories > 0, "some rows are stored"
        assert scanner.Store(store).check() == []
        assert read_back(store) == listing
        mounted.remount(disk, "size=64m")
        result = scanner.scan(top, store=store, **SERIAL)
        assert result == list(os.walk(top))
        assert result.stats.snapshot["number"] == half.number
        assert result.stats.snapshot["settled"] == half.directories, "what is stored is not read again"
        assert scanner.Store(store).scan() == result
        assert scanner.Store(store).scan(1) == before
        assert scanner.Store(store).check() == []


def test_the_disk_is_full_before_the_scan(top: Path, disk: Path, tmp_path: Path) -> None:
    store, output = disk / "s", tmp_path / "out.txt"
    with mounting() as mounted:
        mounted.memory(disk, options="size=1m")
        scanned(top, store)
        before, listing = store.read_bytes(), read_back(store)
        with pytest.raises(OSError, match="No space left"), open(disk / "other", "wb", buffering=0) as other:
            while other.write(bytes(4096)):
                pass
        code, message = ended(run("list", "--store", store, "-o", output, top))
        assert code == 3
        assert f"'{store}' cannot be used: database or disk is full" in message
        assert not output.exists(), "it is refused before anything is read"
        assert store.read_bytes() == before
        assert read_back(store) == listing
        assert scanner.Store(store).check() == []
        (disk / "other").unlink()
        assert scanned(top, store).number == 2


def test_a_store_on_a_read_only_file_system(top: Path, disk: Path, tmp_path: Path) -> None:
    store, output = disk / "s", tmp_path / "out.txt"
    with mounting() as mounted:
        mounted.memory(disk)
        for _ in changes(top):
            expected = run("list", "--store", store, top).stdout
        before = store.read_bytes()
        mounted.remount(disk, "ro")
        code, message = ended(run("list", "--store", store, "-o", output, top))
        assert (code, message) == (3, f"scanner: '{store}' cannot be opened: Read-only file system\n")
        assert not output.exists(), "it is refused before anything is read"
        code, message = ended(run("snapshots", "--prune", "--keep", "1", store))
        assert (code, message) == (3, f"scanner: '{store}' cannot be opened: Read-only file system\n")
        assert run("list", "--from", store).stdout == expected
        assert run("snapshots", "--check", store).returncode == 0
        assert list(scanner.walk(top, store=store)) == scanner.Store(store).scan() == list(os.walk(top))
        assert run("snapshots", "--export", "-1", tmp_path / "one.snap", store).returncode == 0
        assert read_back(tmp_path / "one.snap") == expected
        assert store.read_bytes() == before
        mounted.remount(disk, "rw")
        assert scanned(top, store).number == 4


@pytest.mark.parametrize("what", ["file", "directory", "both"])
def test_a_store_without_the_permission_to_write_it(what: str, top: Path, disk: Path) -> None:
    store = disk / "s"
    for _ in changes(top):
        expected = as_user("list", "--store", store, top).stdout
    (disk / "s.lock").unlink()
    before = store.read_bytes()
    try:
        if what != "directory":
            store.chmod(0o444)
        if what != "file":
            disk.chmod(0o555)
        code, message = ended(as_user("scan", "--store", store, top))
        assert code == 3
        assert f"'{store}' cannot be" in message
        assert "Permission denied" in message or "readonly" in message
        stored = as_user("list", "--from", store)
        assert (*ended(stored), stored.stdout) == (0, "", expected)
        assert as_user("snapshots", "--check", store).returncode == 0
        assert store.read_bytes() == before
    finally:
        disk.chmod(0o755)


@contextmanager
def unfinished(store: Path, top: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a scan that has stored some rows, and waits until its output is read."""
    command = [*SCANNER, "list", "--store", str(store), "--trust", "nothing", "--max-rate", "150", str(top)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ((newest := scanner.Store(store).snapshots[-1]).state == "open" and newest.entries):
            assert process.poll() is None, "it does not wait"
            assert time.monotonic() < deadline, "it stores nothing"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def test_a_store_of_a_killed_scan_on_a_read_only_file_system(trees: dict[str, Path], disk: Path) -> None:
    store, top = disk / "s", trees["monorepo"]
    with mounting() as mounted:
        mounted.memory(disk)
        expected = run("list", "--store", store, top).stdout
        with unfinished(store, top):
            pass
        assert (disk / "s-wal").exists(), "SQLite had no chance to tidy up"
        shutil.copyfile(store, disk / "copy")
        mounted.remount(disk, "ro")
        assert read_back(disk / "copy") == expected
        assert read_back(store) == expected
        assert [each.state for each in scanner.Store(store).snapshots] == ["complete", "open"]
        assert scanner.Store(store).check() == []
        mounted.remount(disk, "rw")
        assert run("list", "--store", store, top).stdout == expected
        assert read_back(store, 1) == read_back(store, 2) == expected


def test_a_store_on_a_network_file_system_can_only_be_read(
    top: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounting() as mounted:
        mounted.memory(disk)
        live = call("list", "--store", disk / "s", top).stdout
        before = (disk / "s").read_bytes()
        with seen_as("nfs4", disk, monkeypatch):
            code, message = ended(call("scan", "--store", disk / "s", top))
            assert code == 3
            assert "is on nfs4: a store is written on a local file system" in message
            stored = call("list", "--from", disk / "s")
            assert (*ended(stored), stored.stdout) == (0, "", live)
        assert (disk / "s").read_bytes() == before


@needs_fuse
def test_a_new_store_on_a_fuse_file_system_is_refused(top: Path) -> None:
    with frozen(top) as fs:
        code, message = ended(run("scan", "--store", fs.path / "e" / "s", top))
    assert code == 3
    assert f"is on {TYPE}: a store is written on a local file system" in message


# ---- the store


def test_a_second_scan_while_one_writes_the_store(trees: dict[str, Path], store: Path) -> None:
    top = trees["monorepo"]
    expected = run("list", "--store", store, top).stdout
    with unfinished(store, top) as first:
        for _ in range(2):
            code, message = ended(run("scan", "--store", store, top))
            assert (code, "in use by another scan" in message) == (75, True)
        code, message = ended(run("snapshots", "--prune", "--keep", "1", store))
        assert (code, "in use by another scan" in message) == (75, True)
        assert read_back(store) == expected, "reading back goes on"
        output, errors = first.communicate(timeout=PATIENCE)
    assert (first.returncode, errors, output) == (0, b"", expected)
    assert [each.state for each in scanner.Store(store).snapshots] == ["complete", "complete"]
    assert scanner.Store(store).check() == []
    assert run("scan", "--store", store, top).returncode == 0


def damage_record(store: Path, path: str, place: str) -> None:
    """Flip a bit in the record of a directory, or cut it off."""
    database = sqlite3.connect(store)
    key = (os.fsencode(path),)
    (record,) = database.execute("SELECT record FROM versions WHERE path = ?", key).fetchone()
    names = HEAD.size + len(path)
    at = {"checksum": 0, "path": HEAD.size, "names": names, "columns": len(record) - 1, "end": len(record) - 2}[place]
    damaged = record[:at] + (b"" if place == "end" else bytes([record[at] ^ 1]) + record[at + 1 :])
    database.execute("UPDATE versions SET record = ? WHERE path = ?", (damaged, *key))
    database.commit()
    database.close()


@pytest.mark.parametrize("place", ["checksum", "path", "names", "columns", "end"])
@pytest.mark.usefixtures("reader", "later")
def test_a_damaged_record_costs_one_directory(place: str, top: Path, store: Path) -> None:
    scanned(top, store, **SERIAL)
    damage_record(store, "a/b", place)
    result = scanner.scan(top, store=store, **SERIAL)
    assert result == scanner.Store(store).scan() == list(os.walk(top)), "the new snapshot is whole"
    figures = result.stats.snapshot
    assert (figures["damaged"], figures["read"], figures["kept"]) == (1, 1, COUNT - 1)


@pytest.mark.parametrize("place", ["checksum", "path", "names", "columns", "end"])
@pytest.mark.usefixtures("reader", "later")
def test_directories_below_a_damaged_record_are_removed(place: str, top: Path, store: Path) -> None:
    make(top / "a" / "b", {"x": {"y": {}}, "z": {}})
    scanned(top, store, **SERIAL)
    damage_record(store, "a/b", place)
    shutil.rmtree(top / "a" / "b" / "x")
    assert scanner.scan(top, store=store, **SERIAL) == scanner.Store(store).scan() == list(os.walk(top))
    database = sqlite3.connect(store)
    found = {path for (path,) in database.execute("SELECT path FROM directories")}
    database.close()
    assert found == {path for path, _, _ in os.walk(top)}


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_header(content: bytes) -> bytes:
    return bytes(100) + content[100:]


def with_zeros(content: bytes) -> bytes:
    return content[:16384] + bytes(len(content) - 16384)


@pytest.mark.parametrize("damage", [half, without_header, with_zeros])
def test_a_damaged_file(damage: Callable[[bytes], bytes], top: Path, store: Path, tmp_path: Path) -> None:
    call("scan", "--store", store, top)
    content = damage(store.read_bytes())
    store.write_bytes(content)
    for arguments in (["list", "--from", store], ["snapshots", store], ["scan", "--store", store, top]):
        code, message = ended(run(*arguments))
        assert code == 3
        assert f"'{store}' is damaged" in message
        assert "see `scanner snapshots --check`, or use another store" in message
    assert len(store.read_bytes()) == len(content), "it is not deleted"
    assert run("snapshots", "--check", store).returncode in (1, 3)
    assert run("scan", "--store", tmp_path / "other", top).returncode == 0
