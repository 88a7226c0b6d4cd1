"""Replace a database beside which SQLite left other files, and kill the command at any moment."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import ROOT, SCANNER, run
from tests.support.trees import make

DIE = "import os, sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None); {}; os._exit(9)"
IN_WAL = "d.execute('PRAGMA journal_mode=WAL'); d.execute('INSERT INTO entries(path) VALUES (1)')"
IN_JOURNAL = (
    "d.execute('PRAGMA cache_size=5'); d.execute('BEGIN'); "
    "d.execute('UPDATE entries SET path = path || 1'); d.execute('DELETE FROM entries WHERE rowid % 2')"
)
PERSISTENT = "d.execute('PRAGMA journal_mode=PERSIST'); d.execute('CREATE VIEW v AS SELECT 1')"
WAYS_TO_DIE = {"wal": IN_WAL, "journal": IN_JOURNAL, "persistent journal": PERSISTENT}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "top", {f"{number:04}": None for number in range(2000)})


def rows(path: Path) -> int:
    """Count rows as a reader with write permission does: SQLite then recovers from files beside the database."""
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(database.execute("SELECT count(*) FROM entries").fetchone()[0])
    finally:
        database.close()


def with_sidecars(top: Path, path: Path, way: str) -> None:
    """Create a database, and kill a process that writes to it."""
    assert run("list", "-o", path, top).returncode == 0
    killed = subprocess.run([sys.executable, "-c", DIE.format(WAYS_TO_DIE[way]), path], check=False)
    assert killed.returncode == 9
    assert len(os.listdir(path.parent)) > 1


def only(path: Path) -> bool:
    return os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("way", WAYS_TO_DIE)
def test_the_old_database_was_left_in_the_middle_of_a_write(way: str, top: Path, tmp_path: Path) -> None:
    target = tmp_path / "db" / "o.sqlite"
    target.parent.mkdir()
    with_sidecars(top, target, way)
    make(top, {"more": {f"{number}": None for number in range(3000)}})
    result = run("list", "-o", target, top)
    assert (result.returncode, result.stderr, only(target)) == (0, b"", True)
    assert rows(target) == 5002


@pytest.mark.parametrize("way", WAYS_TO_DIE)
def test_by_a_link_of_another_name(way: str, top: Path, tmp_path: Path) -> None:
    target = tmp_path / "db" / "o.sqlite"
    target.parent.mkdir()
    with_sidecars(top, target, way)
    (tmp_path / "link.db").symlink_to(target)
    result = run("list", "--exclude", "*9", "-o", tmp_path / "link.db", top)
    assert (result.returncode, only(target)) == (0, True)
    assert rows(target) == rows(tmp_path / "link.db") == 1801


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, None])
@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_only_the_sidecar_is_a_database(content: bytes | None, suffix: str, top: Path, tmp_path: Path) -> None:
    """The database itself is missing or invalid: there is nothing to recover, and nothing to keep."""
    target = tmp_path / "db" / "o.sqlite"
    target.parent.mkdir()
    with_sidecars(top, target, "journal" if suffix == "-journal" else "wal")
    for each in os.listdir(target.parent):
        if each != target.name + suffix:
            (target.parent / each).unlink()
    if content is not None:
        target.write_bytes(content)
    result = run("list", "-o", target, top)
    assert (result.returncode, result.stderr, only(target)) == (0, b"", True)
    assert rows(target) == 2001


@pytest.mark.parametrize("busy", [False, True])
def test_a_reader_keeps_the_old_database_open(busy: bool, top: Path, tmp_path: Path) -> None:
    """A reader keeps the old contents; new readers get the new ones."""
    target = tmp_path / "db" / "o.sqlite"
    target.parent.mkdir()
    assert run("list", "-o", target, top).returncode == 0
    reader = sqlite3.connect(target, isolation_level=None)
    try:
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("INSERT INTO entries(path) VALUES (1)")
        if busy:
            reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2002,)
        result = run("list", "--exclude", "*9", "-o", target, top)
        assert (result.returncode, result.stderr) == (0, b"")
        assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2002,)
    finally:
        reader.close()
    assert rows(target) == 1801
    assert only(target)


def test_a_database_is_one_file_that_needs_only_read_permission(top: Path, tmp_path: Path) -> None:
    place = tmp_path / "db"
    place.mkdir()
    assert run("list", "-o", place / "o.sqlite", top).returncode == 0
    assert (place / "o.sqlite").read_bytes()[18:20] == b"\1\1", "the legacy mode of the file format, not WAL"
    place.chmod(0o555)
    (place / "o.sqlite").chmod(0o444)
    reading = (
        "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM entries').fetchone())"
    )
    command = [sys.executable, "-c", reading, place / "o.sqlite"]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", *command]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == b"2001\n"
    place.chmod(0o755)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("way", ["wal", "journal"])
def test_a_kill_at_any_step_leaves_the_old_database_or_the_new_one(way: str, top: Path, tmp_path: Path) -> None:
    """SIGKILL at the first, the second, ... call that removes, renames or links a file."""
    place = tmp_path / "db"
    calls = "unlink,unlinkat,rename,renameat,renameat2,link,linkat,rmdir"
    found = set()
    for number in range(1, 40):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        with_sidecars(top, place / "o.sqlite", way)
        old = {"wal": 2002, "journal": 2001}[way]
        command = ["strace", "-qq", "-o", tmp_path / "trace", "-e", f"trace={calls}"]
        command += ["-e", f"inject={calls}:signal=SIGKILL:when={number}"]
        done = subprocess.run(
            [*command, *SCANNER, "list", "--exclude", "*9", "-o", place / "o.sqlite", top], cwd=ROOT, check=False
        )
        found.add(rows(place / "o.sqlite"))
        assert found <= {old, 1801}
        assert run("list", "-o", place / "o.sqlite", top).returncode == 0
        assert only(place / "o.sqlite"), "files of the killed command are removed"
        if done.returncode == 0:
            break
    assert number > 2
    assert found == {old, 1801}


def test_the_name_of_a_database_is_no_utf8(tmp_path: Path) -> None:
    target = os.fsencode(tmp_path) + b"/o\xff.sqlite"
    open(target + b"-journal", "wb").close()
    result = run("list", "-o", target, tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert os.listdir(os.fsencode(tmp_path)) == [b"o\xff.sqlite"]
