"""Files that an output replaces: who may use them afterwards, what cannot be replaced, and our own temporary files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.export.replace import ACL
from tests.support.shell import ROOT, SCANNER, run, start
from tests.support.trees import make

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, give files away and set attributes")
OTHER_USER = 1  # neither us nor in our group


def needs(*commands: str) -> pytest.MarkDecorator:
    missing = [command for command in commands if shutil.which(command) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def shell(*command: str | os.PathLike[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def as_plain_user(*arguments: str | os.PathLike[str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command as root without capabilities, which is an ordinary user then."""
    command = ["setpriv", "--bounding-set=-all", "--clear-groups", *SCANNER, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)


@contextlib.contextmanager
def mounted(*command: str | os.PathLike[str]) -> Iterator[Path]:
    """Run a mount command and yield its last argument, the mount point."""
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield Path(command[-1])
    finally:
        subprocess.run(["umount", command[-1]], check=True)


@contextlib.contextmanager
def attribute(flag: str, path: Path) -> Iterator[None]:
    if subprocess.run(["chattr", f"+{flag}", path], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such attributes")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


@pytest.fixture
def open_directory(tmp_path: Path) -> Path:
    """Return a directory of another user that all users may write."""
    place = tmp_path / "open"
    place.mkdir()
    os.chown(place, OTHER_USER, OTHER_USER)
    place.chmod(0o777)
    return place


@needs("setfacl", "getfacl")
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
def test_the_acl_of_what_is_replaced_stays(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    target.touch(0o640)
    shell("setfacl", "-m", "u:1:rw,g:2:r", target)
    os.setxattr(target, "user.note", b"kept")
    before = shell("getfacl", "-c", "-n", target)
    assert run("list", "-o", target, tmp_path).returncode == 0
    assert shell("getfacl", "-c", "-n", target) == before
    assert os.getxattr(target, "user.note") == b"kept"


@needs("setfacl")
def test_the_default_acl_of_a_directory_does_not_widen_a_file_in_it(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.touch()
    target.chmod(0o660)
    shell("setfacl", "-d", "-m", "u:1:rw", tmp_path)
    assert run("list", "-o", target, tmp_path).returncode == 0
    assert ACL not in os.listxattr(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o660


def refusing(call: str, error: str, *arguments: str | os.PathLike[str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command where the system refuses a call."""
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
    return subprocess.run(
        [*traced, *SCANNER, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


@needs("setfacl", "strace")
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
def test_an_acl_that_cannot_be_copied_gives_nothing_to_the_group(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    target.touch(0o644)
    shell("setfacl", "-m", "u:1:rw,u:2:-", target)  # the mode says rw-rw-r-- now; 2 may do less than others
    result = refusing("fsetxattr,setxattr", "EOPNOTSUPP", "list", "-o", target, tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@needs("strace")
@pytest.mark.parametrize("error", ["EPERM", "EACCES", "EOPNOTSUPP", "EINVAL", "ENOSYS", "EIO"])
def test_modes_are_refused(error: str, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.touch(0o644)
    for _ in range(2):
        result = refusing("fchmod,chmod,fchownat,fchown", error, "list", "-o", target, tmp_path)
        assert (result.returncode, result.stderr, os.listdir(tmp_path)) == (0, b"", ["out.csv"])
        assert stat.S_IMODE(target.stat().st_mode) == 0o644


@root_only
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o640, 0o600), (0o660, 0o600), (0o664, 0o644), (0o644, 0o644), (0o604, 0o600), (0o666, 0o666), (0o060, 0o000)],
)
def test_without_permission_to_change_owners_the_own_group_gets_no_access(
    name: str, mode: int, expected: int, open_directory: Path
) -> None:
    target = open_directory / name
    target.touch()
    os.chown(target, OTHER_USER, OTHER_USER)
    target.chmod(mode)
    result = as_plain_user("list", "-o", target, open_directory)
    assert (result.returncode, result.stderr) == (0, b"")
    status = target.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, expected)
    assert os.listdir(open_directory) == [name]


def test_setuid_and_setgid_are_dropped(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.touch()
    target.chmod(0o6755)
    assert run("list", "-o", target, tmp_path).returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


@root_only
@needs("bindfs")
@pytest.mark.parametrize("denied", ["--chmod-deny", "--chown-deny", "--chmod-ignore", "--xattr-none"])
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
def test_a_file_system_that_refuses_modes_and_owners(denied: str, name: str, tmp_path: Path) -> None:
    """Each night, and other people can still read the file."""
    for directory in ("back", "mnt", "top"):
        (tmp_path / directory).mkdir()
    with mounted("bindfs", denied, tmp_path / "back", tmp_path / "mnt") as place:
        for _ in range(3):
            result = run("list", "-o", place / name, tmp_path / "top")
            assert (result.returncode, result.stderr) == (0, b"")
            assert os.listdir(place) == [name]
            assert stat.S_IMODE((place / name).stat().st_mode) & 0o044 == 0o044


@root_only
@needs("unshare")
def test_a_user_namespace_in_which_the_owner_is_unknown(open_directory: Path) -> None:
    target = open_directory / "out.csv"
    target.touch()
    os.chown(target, 1234, 1234)
    target.chmod(0o666)
    command = ["unshare", "-Ur", *SCANNER, "list", "-o", target, open_directory]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    if b"unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    assert (done.returncode, done.stderr, os.listdir(open_directory)) == (0, b"", ["out.csv"])


@root_only
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite", "out.parquet"])
def test_a_mount_point_is_overwritten_in_place_with_a_message(name: str, tmp_path: Path) -> None:
    """As in a container, for a file of the host."""
    top = make(tmp_path / "top", {"f": None})
    host, target = tmp_path / "host", tmp_path / name
    host.write_bytes(b"old" * 100_000)
    target.touch()
    with mounted("mount", "--bind", host, target):
        result = run("list", "-o", tmp_path / "first.csv", "-o", target, top)
        assert result.returncode == 0
        assert result.stderr.decode() == (
            f"scanner: {str(target)!r} is a mount point: it is overwritten in place at the end, not replaced\n"
        )
        assert run("list", "-q", "-o", target, top).stderr == b""
    assert host.read_bytes()[:3] != b"old"
    assert sorted(os.listdir(tmp_path)) == sorted(["first.csv", "host", "top", name])
    if name == "out.sqlite":
        assert paths_in(host) == [str(top), f"{top}/f"]
    if name == "out.csv":
        assert host.read_bytes().count(b"\n") == 3


@root_only
def test_a_mount_point_in_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    host = tmp_path / "host"
    host.touch()
    with mounted("mount", "-t", "tmpfs", "none", tmp_path / "root") as root:
        (root / "out.csv").touch()
        with mounted("mount", "--bind", host, root / "out.csv"):
            subprocess.run(["mount", "-o", "remount,ro", root], check=True)
            assert run("list", "-q", "-o", root / "out.csv", tmp_path / "root").returncode == 0
    assert host.read_bytes().count(b"\n") == 3


@root_only
@needs("chattr")
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_file_that_cannot_be_replaced_is_refused_before_the_scan(name: str, flag: str, tmp_path: Path) -> None:
    target = tmp_path / name
    target.write_bytes(b"old")
    with attribute(flag, target):
        result = run("list", "-o", tmp_path / "first.csv", "-o", target, "-o", "-", tmp_path)
        assert result.stderr.decode().startswith(
            f"scanner: cannot write '{target}': Operation not permitted (it cannot"
        )
        assert (result.returncode, result.stdout) == (3, b"")
        assert os.listdir(tmp_path) == [name]
        assert target.read_bytes() == b"old"


@root_only
def test_a_file_of_another_user_in_a_sticky_directory(open_directory: Path) -> None:
    target = open_directory / "out.csv"
    target.touch()
    os.chown(target, OTHER_USER, OTHER_USER)
    target.chmod(0o666)
    open_directory.chmod(0o1777)
    result = as_plain_user("list", "-o", target, open_directory)
    assert result.stderr.decode().startswith(f"scanner: cannot write '{target}': Operation not permitted (it cannot")
    assert (result.returncode, os.listdir(open_directory)) == (3, ["out.csv"])


@root_only
def test_a_file_that_may_be_written_in_a_directory_that_may_not(open_directory: Path) -> None:
    target = open_directory / "out.csv"
    target.touch()
    os.chown(target, OTHER_USER, OTHER_USER)
    target.chmod(0o666)
    open_directory.chmod(0o755)
    result = as_plain_user("list", "-o", target, open_directory)
    assert result.stderr.decode().startswith(f"scanner: cannot write '{target}': Permission denied")
    assert (result.returncode, os.listdir(open_directory)) == (3, ["out.csv"])


@root_only
@needs("chattr")
def test_a_new_file_in_an_append_only_directory(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.mkdir()
    with attribute("a", place):
        assert run("list", "-o", place / "out.csv", tmp_path).returncode == 0
        assert os.listdir(place) == ["out.csv"]


@root_only
@needs("chattr")
def test_an_output_that_cannot_be_published_does_not_cost_the_others(trees: dict[str, Path], tmp_path: Path) -> None:
    """It becomes immutable while the scan waits for the reader of its standard output."""
    names = [tmp_path / name for name in ("a.csv", "b.csv", "c.sqlite")]
    names[1].write_bytes(b"old")
    outputs = [argument for name in names for argument in ("-o", name)]
    process = start("list", "--errors", tmp_path / "errors", *outputs, "-o", "-", trees["flat"])
    assert process.stdout is not None
    process.stdout.read(1)
    with attribute("i", names[1]):
        _, errors = process.communicate(timeout=60)
    assert errors.decode() == f"scanner: cannot write '{names[1]}': Operation not permitted\n"
    assert process.returncode == 3
    assert names[1].read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv", "c.sqlite", "errors"]
    assert len(paths_in(names[2])) == names[0].read_bytes().count(b"\n") - 1


@needs("strace")
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "EOPNOTSUPP", "EXDEV"])
def test_linking_is_refused(error: str, tmp_path: Path) -> None:
    """As in some sandboxes: the result is copied then."""
    target, top = tmp_path / "out.csv", make(tmp_path / "top", {f"{number:04}": None for number in range(999)})
    for mode in (None, 0o640):
        if mode is not None:
            target.chmod(mode)
        result = refusing("link,linkat", error, "list", "-o", target, top)
        assert (result.returncode, result.stderr) == (0, b"")
        assert target.read_bytes().count(b"\n") == 1001
        assert sorted(os.listdir(tmp_path)) == ["out.csv", "top"]
        assert stat.S_IMODE(target.stat().st_mode) == (0o666 & ~umask() if mode is None else mode)


@needs("strace")
@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
def test_a_mount_point_that_only_the_rename_reveals(name: str, tmp_path: Path) -> None:
    """As where the mount was made meanwhile, or the kernel does not number mounts."""
    target, top = tmp_path / name, make(tmp_path / "top", {"f": None})
    target.write_bytes(b"old" * 100_000)
    result = refusing("rename,renameat,renameat2", "EBUSY", "list", "-o", target, top)
    assert result.returncode == 0
    assert b"it is overwritten in place at the end, not replaced" in result.stderr
    assert target.read_bytes()[:3] != b"old"
    assert sorted(os.listdir(tmp_path)) == sorted([name, "top"])


def umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


@pytest.mark.parametrize("letter", ["x", "é", "漢", "\udcff"])
@pytest.mark.parametrize("suffix", [".csv", ".sqlite"])
def test_a_name_of_as_many_bytes_as_a_name_may_have(letter: str, suffix: str, tmp_path: Path) -> None:
    size = len(os.fsencode(letter))
    name = letter * ((255 - len(suffix)) // size) + suffix
    for _ in range(2):
        assert run("list", "-o", tmp_path / name, tmp_path).returncode == 0
    assert os.listdir(tmp_path) == [name]


def paths_in(database: Path) -> list[str]:
    connection = sqlite3.connect(database)
    try:
        return [path for (path,) in connection.execute("SELECT path FROM entries")]
    finally:
        connection.close()


WAYS = [["--backend", "serial"], ["--backend", "pool"], ["--backend", "auto"], ["-L"], ["--exclude", "other"]]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_scan_does_not_show_its_own_temporary_file(way: list[str], reader: str, tmp_path: Path) -> None:
    top = make(tmp_path / "top", {"a": None, "d": {"b": None}, ".hidden": None})
    (top / "d" / "link").symlink_to(top)
    (top / "link").symlink_to(tmp_path)
    result = run("list", *way, "-o", top / "o.sqlite", "-o", top / "d" / "o.db", "-o", "-", top)
    assert b".part" not in result.stdout
    assert not [path for path in paths_in(top / "o.sqlite") if ".part" in path]
    assert f"{top}/.hidden" in paths_in(top / "o.sqlite")


def test_a_temporary_file_is_in_no_figure_either(reader: str, tmp_path: Path) -> None:
    """Not even as one that is excluded."""
    make(tmp_path, {"a": None})
    result = run("list", "-o", tmp_path / "o.sqlite", "-o", tmp_path / "o.ncdu", tmp_path)
    assert result.returncode == 0
    assert b".part" not in (tmp_path / "o.ncdu").read_bytes()


@root_only
@needs("bindfs")
@pytest.mark.parametrize("command", ["scan", "du", "list", "treemap"])
def test_a_file_system_without_nameless_files(command: str, tmp_path: Path) -> None:
    """All temporary files have names there, and are seen under another device through another mount."""
    for directory in ("back", "mnt", "mirror"):
        (tmp_path / directory).mkdir()
    (tmp_path / "back" / "a").touch()
    with (
        mounted("bindfs", tmp_path / "back", tmp_path / "mnt") as place,
        mounted("bindfs", tmp_path / "back", tmp_path / "mirror") as mirror,
    ):
        for root in (place, mirror, tmp_path):
            extra = ["-o", place / "o.svg"] if command == "treemap" else []
            extra = ["-o", place / "o.txt", "-o", place / "o.csv"] if command == "list" else extra
            extra = ["--json"] if command == "scan" else extra
            extra = ["--apparent-size", "-B", "1"] if command == "du" else extra
            result = run(command, *extra, "--errors", place / "errors", root)
            assert (result.returncode, result.stderr) == (0, b"")
            if command == "scan":
                assert b".part" not in result.stdout
            if command == "list":
                assert b".part" not in (place / "o.txt").read_bytes()
            for name in os.listdir(place):
                assert name in ("a", "errors", "o.svg", "o.txt", "o.csv")


@pytest.mark.parametrize("name", ["o.sqlite", "漢" * 80 + ".db"])
def test_the_next_run_removes_what_a_killed_one_has_left(name: str, trees: dict[str, Path], tmp_path: Path) -> None:
    """Files of a running command stay."""
    killed, living = (start("list", "-o", tmp_path / name, "-o", "-", trees["flat"]) for _ in range(2))
    try:
        for process in (killed, living):
            assert process.stdout is not None
            process.stdout.read(1)
        assert len(os.listdir(tmp_path)) == 2
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=10)
        assert run("list", "-o", tmp_path / name, tmp_path).returncode == 0
        left = [each for each in os.listdir(tmp_path) if each != name]
        assert len(left) == 1
        assert f"-{living.pid}-" in left[0]
        _, errors = living.communicate(timeout=60)
        assert (living.returncode, errors) == (0, b"")
        assert os.listdir(tmp_path) == [name]
        assert len(paths_in(tmp_path / name)) > 25_000
    finally:
        for process in (killed, living):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate(timeout=10)


def test_files_of_others_that_look_alike_stay(tmp_path: Path) -> None:
    names = [".o.csv-notes.part", ".o.csv-12-zz.part", ".other.csv-12-1a.part", "o.csv-12-18c0ffee18c0ffee.part"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".o.csv-12-1b.part").symlink_to(tmp_path / names[0])
    (tmp_path / ".o.csv-12-1c.part").mkdir()
    os.mkfifo(tmp_path / ".o.csv-12-1d.part")
    before = set(os.listdir(tmp_path)) - {".o.csv-12-1d.part"}
    assert run("list", "-o", tmp_path / "o.csv", tmp_path).returncode == 0
    assert set(os.listdir(tmp_path)) - {".o.csv-12-1d.part"} == before | {"o.csv"}


def test_the_next_night_removes_what_a_killed_one_has_left_under_another_name(
    trees: dict[str, Path], tmp_path: Path
) -> None:
    """SQLite needs a name while it writes."""
    process = start("list", "-o", tmp_path / "29.db", "--max-rate", "20", trees["monorepo"])
    deadline = time.monotonic() + 20
    while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    (alive,) = os.listdir(tmp_path)
    (tmp_path / "t").mkdir()
    assert run("list", "-o", tmp_path / "30.csv", tmp_path / "t").returncode == 0
    assert set(os.listdir(tmp_path)) == {alive, "30.csv", "t"}, "its writer lives"
    process.kill()
    process.communicate()
    assert run("list", "-o", tmp_path / "31.db", tmp_path / "t").returncode == 0
    assert set(os.listdir(tmp_path)) == {"30.csv", "31.db", "t"}
