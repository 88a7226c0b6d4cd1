"""The command with a snapshot store: what it prints, and what it refuses."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.kernel.read import Reader
from scanner.kernel.record import pack_record, record_at
from scanner.snapshot.lock import Lock
from tests.support.mounting import mounting
from tests.support.shell import SCANNER, call, run
from tests.support.trees import make

FORMATS = ("paths", "csv", "ndjson", "ncdu", "folded")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "tree", {"a": {"b": {"c": None}, "d": None}, "e": {}, "f": None, ".g": {"h": None}})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "nightly.snap"


def change(store: Path, *statements: str) -> None:
    database = sqlite3.connect(store)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def run_python(code: str, *arguments: Path) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout


def rewrite(store: Path, path: bytes, *, damaged: bool = False, **head: int) -> None:
    """Change the head of a record, or damage the record."""
    database = sqlite3.connect(store)
    ((data,),) = database.execute("SELECT record FROM versions WHERE path = ?", (path,)).fetchall()
    if damaged:
        data = data[:-1] + bytes([data[-1] ^ 1])
    else:
        record = record_at(data)
        data = pack_record(record.head._replace(**head), record.path, record.names, record.columns)
    database.execute("UPDATE versions SET record = ? WHERE path = ?", (data, path))
    database.commit()
    database.close()


def ended(result: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    return result.returncode, result.stderr.decode()


@pytest.mark.usefixtures("later")
def test_the_report_counts_what_was_read_and_what_was_kept(top: Path, store: Path) -> None:
    assert b"Snapshot            1: 5 directories read, 0 unchanged" in call("scan", "--store", store, top).stdout
    (top / "e" / "new").touch()
    time.sleep(0.02)
    assert b"Snapshot            2: 1 directories read, 4 unchanged" in call("scan", "--store", store, top).stdout
    report = json.loads(call("scan", "--json", "--store", store, "--recheck", "50%", top).stdout)["snapshot"]
    assert report["number"] == 3
    assert report["read"] == report["rechecked"] > 0
    assert report["stale"] == 0


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_the_same_from_the_store(form: str, top: Path, store: Path) -> None:
    assert call("list", "--format", form, "--store", store, top).returncode == 0
    live = call("list", "--format", form, top)
    shutil.rmtree(top)
    stored = call("list", "--format", form, "--from", store)
    assert ended(stored) == (0, "")
    assert _without_time(stored.stdout) == _without_time(live.stdout)


def _without_time(output: bytes) -> bytes:
    """Drop the head of an ncdu export, which has the time."""
    return output.partition(b"},\n")[2] if output.startswith(b"[1,") else output


def test_du_is_the_same_from_the_store(top: Path, store: Path) -> None:
    (top / "a" / "large").write_bytes(b"x" * 100_000)
    os.link(top / "a" / "large", top / "e" / "twice")
    live = call("du", "--store", store, top)
    shutil.rmtree(top)
    assert call("du", "--from", store).stdout == live.stdout
    assert call("du", "--from", f"{store}@1", top / "a").stdout.splitlines()[-1].endswith(b"/a")


def test_a_filter_of_the_scan_holds_when_it_is_read_back(top: Path, store: Path) -> None:
    (top / ".gitignore").write_text("b/\n*.o\n")
    (top / "x.o").touch()
    live = call("list", "--gitignore", "--store", store, top)
    assert b"x.o" not in live.stdout
    assert call("list", "--from", store).stdout == live.stdout


def test_sizes_that_were_not_stored_are_refused(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    code, message = ended(call("du", "--from", store))
    assert code == 2
    assert "has no size" in message


def test_the_file_is_for_its_owner_only(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert sorted(path.name for path in store.parent.glob("nightly.snap*")) == ["nightly.snap", "nightly.snap.lock"]


def test_other_options_are_refused(top: Path, store: Path) -> None:
    call("scan", "--store", store, "--exclude", "*.o", top)
    code, message = ended(call("scan", "--store", store, top))
    assert code == 2
    assert "was made with exclude '*.o', this scan is without exclude" in message


def test_other_roots_are_refused(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    code, message = ended(call("scan", "--store", store, top / "a"))
    assert (code, f"store '{store}' is of '{top}'" in message) == (2, True)


def test_another_directory_at_the_root_is_refused(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    top.rename(top.with_name("moved"))
    make(top, {})
    code, message = ended(call("scan", "--store", store, top))
    assert code == 3
    assert "is it mounted?" in message
    assert len(scanner.Store(store).snapshots) == 1


def test_another_file_system_at_the_root_is_refused(top: Path, store: Path) -> None:
    with mounting() as mounts:
        mounts.memory(top)
        call("scan", "--store", store, top)
        mounts.unmount()
        code, message = ended(call("scan", "--store", store, top))
    assert code == 3
    assert "where tmpfs was" in message


def test_two_scans_at_once(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    lock = Lock(str(store))
    try:
        code, message = ended(call("scan", "--store", store, top))
    finally:
        lock.release()
    assert code == 75
    assert "in use by another scan" in message


def test_a_store_of_a_newer_version(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    change(store, "PRAGMA user_version = 99")
    before = store.read_bytes()
    for arguments in (["scan", "--store", store, top], ["list", "--from", store], ["snapshots", store]):
        code, message = ended(call(*arguments))
        assert (code, "has format 99" in message) == (2, True)
    assert store.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_store(content: bytes, top: Path, store: Path) -> None:
    store.write_bytes(content)
    for arguments in (["scan", "--store", store, top], ["list", "--from", store], ["snapshots", store]):
        code, message = ended(call(*arguments))
        assert code in (2, 3)
        assert str(store) in message
        assert "Traceback" not in message
    assert store.read_bytes() == content


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("backend", ["serial", "auto"])
def test_a_damaged_row_is_read_again(backend: str, top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    rewrite(store, b"a", damaged=True)
    assert call("snapshots", "--check", store).returncode == 1
    report = json.loads(call("scan", "--json", "--store", store, "--backend", backend, top).stdout)["snapshot"]
    assert (report["damaged"], report["read"]) == (1, 1)
    assert scanner.Store(store).scan() == list(os.walk(top))
    assert call("snapshots", "--check", store).returncode == 1  # the first snapshot is damaged still
    assert call("snapshots", "--prune", "--keep", "1", store).returncode == 0
    assert call("snapshots", "--check", store).returncode == 0


def test_damaged_pages_end_in_a_message(tmp_path: Path, store: Path) -> None:
    top = make(
        tmp_path / "large", {f"{number:03}": {f"{each:03}": None for each in range(40)} for number in range(300)}
    )
    call("scan", "--store", store, top)
    with store.open("r+b") as file:
        for page in range(2, 20):
            file.seek(page * 16384)
            file.write(os.urandom(16384))
    for arguments in (["scan", "--store", store, top], ["list", "--from", store], ["snapshots", "--check", store]):
        result = run(*arguments)
        assert result.returncode in (1, 3)
        assert b"damaged" in result.stderr + result.stdout
        assert b"Traceback" not in result.stderr


def test_a_full_disk_keeps_the_other_outputs(tmp_path: Path, top: Path) -> None:
    for number in range(400):
        make(top / f"directory {number}", {"x" * 200 + str(each): None for each in range(20)})
    with mounting() as mounts:
        disk = tmp_path / "disk"
        disk.mkdir()
        mounts.memory(disk)
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        result = run("list", "--store", disk / "s", "-o", tmp_path / "out.txt", top)
        assert result.returncode == 3
        assert b"full" in result.stderr
        assert sorted((tmp_path / "out.txt").read_bytes().splitlines()) == sorted(run("list", top).stdout.splitlines())
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        assert run("list", "--store", disk / "s", "-o", tmp_path / "out.txt", top).returncode == 0
        assert scanner.Store(disk / "s").scan() == list(os.walk(top))


def test_a_store_that_cannot_be_written(top: Path, tmp_path: Path) -> None:
    code, message = ended(call("scan", "--store", tmp_path / "none" / "s", top))
    assert code == 3
    assert "No such file or directory" in message


def test_an_unreadable_directory_keeps_its_rows(top: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_PURE", "1")
    call("scan", "--store", store, top)
    target = top / "a" / "b"
    target.rename(top / "away")
    os.symlink("b", target)  # not a directory: ELOOP when it is opened as one
    os.unlink(target)
    (top / "away").rename(target)
    real = os.open

    def refuse(path: Any, *arguments: Any, **keywords: Any) -> int:
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    result = call("scan", "--store", store, "--trust", "nothing", "--backend", "serial", top)
    monkeypatch.undo()
    assert result.returncode == 1
    assert scanner.Store(store).snapshots[-1].state == "incomplete"
    assert [fault.kind for fault in scanner.Store(store).scan().errors] == ["denied"]
    assert call("scan", "--store", store, top).returncode == 0
    assert scanner.Store(store).scan() == list(os.walk(top))


@pytest.mark.usefixtures("later")
def test_a_recheck_that_finds_a_difference_distrusts_the_store(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    status = (top / "e").stat()
    (top / "e" / "hidden change").touch()
    time.sleep(0.02)
    after = (top / "e").stat()
    rewrite(store, b"e", mtime=after.st_mtime_ns, ctime=after.st_ctime_ns)
    assert status.st_mtime_ns != after.st_mtime_ns
    result = call("scan", "--store", store, "--recheck", "1", top)
    assert result.returncode == 1
    assert b"directory times" in result.stdout + result.stderr or b"outdated" in result.stdout + result.stderr
    report = json.loads(call("scan", "--json", "--store", store, top).stdout)["snapshot"]
    assert (report["trust"], report["kept"]) == ("nothing", 0)


@pytest.mark.usefixtures("later")
def test_only_listed_directories_are_read(top: Path, store: Path, tmp_path: Path) -> None:
    call("scan", "--store", store, top)
    (top / "e" / "new").touch()
    (top / "a" / "b" / "unseen").touch()
    (tmp_path / "changed").write_text("e/new\n")
    report = json.loads(call("scan", "--json", "--store", store, "--changed", tmp_path / "changed", top).stdout)
    assert (report["snapshot"]["read"], report["snapshot"]["kept"]) == (2, 3), "the directory and those above it"
    listed = call("list", "--from", store).stdout.splitlines()
    assert os.fsencode(top / "e" / "new") in listed
    assert os.fsencode(top / "a" / "b" / "unseen") not in listed


@pytest.mark.usefixtures("later")
def test_a_list_of_files_brings_new_directories(top: Path, store: Path, tmp_path: Path) -> None:
    call("scan", "--store", store, top)
    make(top / "a", {"package": {"inner": {"module.py": None}}})
    (tmp_path / "changed").write_bytes(b"a/package/inner/module.py\0")
    call("scan", "--store", store, "--changed", tmp_path / "changed", top)
    assert scanner.Store(store).scan() == list(os.walk(top))


@pytest.mark.usefixtures("reader")
def test_a_record_that_is_cut_off_does_not_spoil_its_neighbours(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    before = run("list", "--from", store).stdout.splitlines()
    change(store, "UPDATE versions SET record = substr(record, 1, 70) WHERE path = CAST('a/b' AS BLOB)")
    result = run("list", "--from", store)
    assert result.returncode == 1
    assert os.fsencode(top / "a" / "b") in result.stderr
    below = os.fsencode(top / "a" / "b") + b"/"
    assert result.stdout.splitlines() == [path for path in before if not path.startswith(below)]
    call("scan", "--store", store, top)
    assert scanner.Store(store).scan() == list(os.walk(top))


def test_a_lost_record_is_an_error_and_no_empty_directory(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    change(store, "DELETE FROM versions WHERE path = CAST('a/b' AS BLOB)")
    result = run("list", "--from", store)
    assert (result.returncode, result.stderr.count(os.fsencode(top / "a" / "b"))) == (1, 1)
    result = run("snapshots", "--check", store)
    assert result.returncode == 1
    assert f"{str(top / 'a' / 'b')!r}: its record is missing" in result.stderr.decode()


def test_a_damaged_row_is_no_reason_to_look_into_the_tree(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    rewrite(store, b"a", damaged=True)
    result = call("list", "--from", store)
    assert result.returncode == 1
    assert b"damaged" in result.stderr
    assert os.fsencode(top / "a" / "d") not in result.stdout


def test_an_interrupted_scan_without_sizes_is_not_continued_with_them(trees: dict[str, Path], store: Path) -> None:
    top = trees["monorepo"]
    run("list", "--store", store, "--timeout", "1", "--max-rate", "250", top)
    assert run("du", "--store", store, top).stdout == run("du", top).stdout


@pytest.mark.usefixtures("later")
def test_targets_of_symlinks_and_rules_are_no_reason_to_distrust_times(top: Path, store: Path) -> None:
    (top / "link").symlink_to("e")
    (top / ".gitignore").write_text("f\n")
    call("scan", "--gitignore", "--store", store, top)
    (top / "e").rmdir()
    (top / "e").touch()
    (top / ".gitignore").write_text("nothing\n")
    time.sleep(0.02)
    for _ in range(2):
        assert call("scan", "--gitignore", "--store", store, "--recheck", "1", top).returncode == 0


def test_a_mount_that_appears_is_not_read_back(top: Path, store: Path) -> None:
    call("scan", "-x", "--store", store, top)
    with mounting() as mounts:
        mounts.memory(top / "a" / "b")
        live = call("list", "-x", "--store", store, top)
    assert call("list", "--from", store).stdout == live.stdout
    assert os.fsencode(top / "a" / "b" / "c") not in live.stdout


def test_fields_of_other_types_are_damage(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    change(store, "UPDATE versions SET record = 'text', flags = 'x', files = 'none' WHERE path = CAST('a' AS BLOB)")
    for arguments in (["scan", "--store", store, top], ["list", "--from", store]):
        result = run(*arguments)
        assert b"Traceback" not in result.stderr
    assert scanner.Store(store).scan() == list(os.walk(top))


def test_options_that_need_a_store(top: Path) -> None:
    assert ended(call("scan", "--keep", "3", top)) == (2, "scanner: --keep needs --store\n")


def test_symlinks_that_were_followed_are_followed_when_read_back(top: Path, store: Path) -> None:
    (top / "link").symlink_to("a")
    live = call("list", "-L", "--store", store, top)
    assert b"link/b/c" in live.stdout
    assert call("list", "--from", store).stdout == live.stdout


def test_nested_roots_are_refused(top: Path, store: Path) -> None:
    code, message = ended(call("scan", "--store", store, top, top / "a"))
    assert (code, "lie in each other" in message or "lies in another" in message) == (2, True)


def test_a_time_limit_leaves_the_snapshot_open_and_the_next_scan_goes_on(trees: dict[str, Path], store: Path) -> None:
    top = trees["monorepo"]
    first = run("list", "--store", store, "--timeout", "1", "--max-rate", "250", top)
    assert first.returncode == 75
    assert scanner.Store(store).snapshots[-1].state == "open"
    report = store.with_name("report.json")
    second = run("list", "--store", store, "--report", report, top)
    assert second.returncode == 0
    assert second.stdout == run("list", top).stdout
    snapshot = json.loads(report.read_text())["snapshot"]
    assert snapshot["settled"] > 0
    assert snapshot["settled"] + snapshot["read"] == len(list(os.walk(top)))
    assert [part["outcome"] for part in snapshot["parts"]] == ["interrupted", "complete"]


def test_restart_does_not_go_on(trees: dict[str, Path], store: Path) -> None:
    run("list", "--store", store, "--timeout", "1", "--max-rate", "250", trees["monorepo"])
    report = json.loads(run("scan", "--json", "--store", store, "--restart", trees["monorepo"]).stdout)["snapshot"]
    assert (report["settled"], report["number"]) == (0, 1)


def test_prune_and_export(top: Path, store: Path, tmp_path: Path) -> None:
    contents = {}
    for number in range(1, 6):
        (top / f"file {number}").touch()
        call("scan", "--store", store, top)
        contents[number] = call("list", "--from", store).stdout
    assert call("snapshots", store, "--export", "2", tmp_path / "two").returncode == 0
    assert call("list", "--from", tmp_path / "two").stdout == contents[2]
    assert call("snapshots", store, "--prune", "--keep", "2").returncode == 0
    left = scanner.Store(store)
    assert [snapshot.number for snapshot in left.snapshots] == [4, 5]
    assert left.check() == scanner.Store(tmp_path / "two").check() == []
    assert {number: call("list", "--from", f"{store}@{number}").stdout for number in (4, 5)} == {
        number: contents[number] for number in (4, 5)
    }
    assert call("scan", "-q", "--store", store, "--keep", "1", top).returncode == 0
    assert [snapshot.number for snapshot in scanner.Store(store).snapshots] == [6]


def test_the_view_is_text_for_sql(top: Path, store: Path) -> None:
    call("du", "--store", store, top)
    database = sqlite3.connect(store)
    rows = dict(database.execute("SELECT path, files FROM directories"))
    database.close()
    assert rows == {str(path): len(files) for path, _, files in os.walk(top)}


def test_a_signal_leaves_the_snapshot_open(trees: dict[str, Path], store: Path) -> None:
    command = [*SCANNER, "list", "--store", str(store), "--max-rate", "100", str(trees["monorepo"])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert scanner.Store(store).snapshots[-1].state == "open"


def test_a_relative_root_is_another_one_in_another_directory(top: Path, store: Path) -> None:
    run("scan", "--store", store, "a", cwd=top)
    (top / "e" / "a").mkdir()
    code, message = ended(run("scan", "--store", store, "a", cwd=top / "e"))
    assert (code, str(top / "a") in message) == (2, True)
    assert run("scan", "--store", store, top / "a").returncode == 0
    assert run("list", "--from", store, top / "a" / "b").stdout == run("list", top / "a" / "b").stdout


def test_a_root_that_is_missing_at_first_is_recognized_later(tmp_path: Path, store: Path) -> None:
    top = tmp_path / "late"
    assert run("scan", "--store", store, top).returncode == 3
    for _ in range(2):
        make(top, {"a": None})
        assert run("scan", "--store", store, top).returncode == 0
    top.rename(tmp_path / "away")
    top.mkdir()
    assert run("scan", "--store", store, top).returncode == 3


def test_a_directory_that_a_snapshot_does_not_have(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    for name in ("nowhere", "f"):
        code, message = ended(run("list", "--from", store, top / name))
        assert (code, str(top / name) in message, "snapshot 1" in message) == (2, True, True)


def test_a_store_with_an_at_sign_in_its_name(top: Path, tmp_path: Path) -> None:
    store = tmp_path / "nightly@host.snap"
    call("scan", "--store", store, top)
    assert run("list", "--from", store).stdout == run("list", "--from", f"{store}@1").stdout == run("list", top).stdout


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("pure", ["", "1"])
def test_changed_directories_alone_are_read(pure: str, top: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_PURE", pure)
    (top / "e" / "link").symlink_to("../a/b")
    call("scan", "--store", store, top)
    before = {Path(path).relative_to(top): names for path, *names in os.walk(top)}
    shutil.rmtree(top / "a" / "b")  # the link leads nowhere now
    (top / "e" / "not noticed").touch()
    expected = {path: names for path, names in before.items() if path != Path("a/b")} | {Path("a"): [[], ["d"]]}
    ahead = run_python(
        "import sys, scanner; print(list(scanner.walk(sys.argv[1], store=sys.argv[2], changed=['a'])))", top, store
    )
    (store.parent / "changed").write_text("a\n")
    assert run("scan", "--store", store, "--changed", store.parent / "changed", top).returncode == 0
    for found in (ast.literal_eval(ahead), scanner.Store(store).scan()):
        assert {Path(path).relative_to(top): names for path, *names in found} == expected


@pytest.mark.parametrize("option", [["-o"], ["--report"], ["--errors"]])
@pytest.mark.parametrize("suffix", ["", ".lock", "-wal"])
def test_an_output_is_never_the_store(option: list[str], suffix: str, top: Path, store: Path) -> None:
    call("list", "--store", store, top)
    before = store.read_bytes()
    for use in (["--store", store, top], ["--from", store], ["--from", f"{store}@1"]):
        code, message = ended(call("list", *option, f"{store}{suffix}", *use))
        assert (code, "the snapshot store" in message) == (2, True)
    assert store.read_bytes() == before


def test_a_root_that_is_gone_when_an_interrupted_scan_goes_on(
    trees: dict[str, Path], tmp_path: Path, store: Path
) -> None:
    top = Path(shutil.copytree(trees["monorepo"], tmp_path / "top", symlinks=True))
    assert run("list", "--store", store, "--timeout", "1", "--max-rate", "250", top).returncode == 75
    top.rename(tmp_path / "away")
    for _ in range(2):
        result = run("list", "--store", store, top)
        assert (result.returncode, result.stdout) == (3, b"")
    (tmp_path / "away").rename(top)
    assert run("list", "--store", store, top).stdout == run("list", top).stdout


def test_a_night_without_any_root_is_no_snapshot_to_read(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    expected = run("list", top).stdout
    top.rename(top.with_name("away"))
    assert run("scan", "--store", store, top).returncode == 3
    assert [snapshot.state for snapshot in scanner.Store(store).snapshots] == ["complete", "failed"]
    assert run("list", "--from", store).stdout == expected
    top.with_name("away").rename(top)
    assert run("scan", "--store", store, "--keep", "1", top).returncode == 0
    assert [snapshot.number for snapshot in scanner.Store(store).snapshots] == [3]


def test_a_scan_with_a_rate_gets_on_night_after_night(trees: dict[str, Path], store: Path) -> None:
    top = trees["monorepo"]
    expected, nights = run("list", top).stdout, 0
    while (result := run("list", "--store", store, "--max-rate", "1000", "--timeout", "1", top)).returncode == 75:
        nights += 1
        assert nights < 20
    assert nights > 1
    assert result.stdout == expected


def test_symbolic_links_that_the_scans_did_not_follow(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    code, message = ended(call("list", "-L", "--from", store))
    assert (code, "--follow-links" in message) == (2, True)


def test_a_report_names_the_snapshot_that_it_was_read_from(top: Path, store: Path) -> None:
    call("list", "--format", "ndjson", "--store", store, top)
    report = json.loads(call("scan", "--json", "--from", store).stdout)
    began = scanner.Store(store).snapshots[0].began
    assert report["read_from"] | {"began": "", "ended": ""} == {
        "store": str(store), "number": 1, "state": "complete", "began": "", "ended": "", "host": os.uname().nodename
    }  # fmt: skip
    assert datetime.fromisoformat(report["read_from"]["began"]).timestamp() == int(began)
    assert b"Read from           snapshot 1" in call("scan", "--from", store).stdout
    trailer = call("list", "--format", "ndjson", "--trailer", "--from", store).stdout.splitlines()[-1]
    assert json.loads(trailer)["scan"]["read_from"] == report["read_from"]
    assert "read_from" not in json.loads(call("scan", "--json", top).stdout)


def test_a_root_that_is_a_file_has_no_snapshot(top: Path, store: Path) -> None:
    code, message = ended(call("du", "--store", store, top / "f", top))
    assert (code, str(top / "f") in message) == (2, True)
    call("du", "--store", store, top)
    assert call("du", "--from", store, top / "f").returncode == 2


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_a_store_that_is_no_regular_file(kind: str, top: Path, store: Path) -> None:
    (store.mkdir if kind == "directory" else lambda: os.mkfifo(store))()
    for arguments in (["list", "--store", store, top], ["list", "--from", store], ["snapshots", store]):
        code, message = ended(run(*arguments))
        assert (code, "no regular file" in message) == (2, True)


def test_another_disk_at_the_root(tmp_path: Path, store: Path) -> None:
    disks = [tmp_path / "one.img", tmp_path / "other.img"]
    (tmp_path / "disk").mkdir()
    for disk in disks:
        with open(disk, "wb") as file:
            file.truncate(4 << 20)
        subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    codes = []
    for disk in (disks[0], disks[1], disks[0]):
        with mounting() as mounts:
            mounts.image(disk, tmp_path / "disk")
            codes.append(run("scan", "--store", store, tmp_path / "disk").returncode)
    assert codes == [0, 3, 0]


@pytest.mark.parametrize("which", ["", "-0", "-1.5", "0", "-7", "tomorrow"])
def test_a_snapshot_that_no_text_names(which: str, top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    code, message = ended(call("list", "--from", f"{store}@{which}"))
    assert (code, f"@{which}" in message) == (2, True)


def test_sums_that_exceed_64_bits(reader: str, tmp_path: Path, store: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounting() as mounts:
        mounts.memory(disk)
        for place in ("one", "other"):
            make(disk / place, {"a": None, "b": None})
            for name in ("a", "b"):
                os.truncate(disk / place / name, 7 << 60)
        for _ in range(2):
            assert run("du", "--store", store, disk).returncode == 0
        assert run("du", "--from", store).stdout == run("du", disk).stdout
    assert scanner.Store(store).snapshots[-1].bytes == (1 << 63) - 1
    database = sqlite3.connect(store)
    assert max(size for (size,) in database.execute("SELECT bytes FROM directories")) == (1 << 63) - 1
    database.close()


def test_sums_are_of_files_also_where_directories_are_not_entered(reader: str, top: Path, store: Path) -> None:
    for path in (top / "f", top / "a" / "d", top / ".g" / "h"):
        path.write_text("12345")
    scanner.scan(top, store=store, stat=("size",), max_depth=2)
    assert scanner.Store(store).snapshots[-1].bytes == 15


def test_text_of_a_stranger_does_not_reach_the_terminal(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    change(store, "UPDATE snapshots SET host = char(27) || '[31m'")
    for arguments in (["scan", "--from", store], ["snapshots", store]):
        assert b"\x1b" not in run(*arguments).stdout


@pytest.mark.parametrize("what", ["began = 1e300", "ended = -1e300", "state = 'fine'", "cursor = 'text'"])
def test_values_that_no_scan_writes(what: str, top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    change(store, f"UPDATE snapshots SET {what}")
    for arguments in (["scan", "--from", store], ["scan", "--store", store, top], ["snapshots", store]):
        code, message = ended(call(*arguments))
        assert (code, "is damaged" in message) == (3, True)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("huge"), {"big": {**{f"f{number}": None for number in range(61_000)}, "d": {"e": {}}}}
    )


def holds_nothing(hold: Any, reader: Reader, path: Any, held: Any) -> None:
    """Hold a directory open only while its first entries are skipped."""
    hold(reader, path, held)
    if not reader._skips:
        reader._held.pop(path).close()


def test_a_huge_directory_that_was_not_kept_open(huge: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = huge
    hold = Reader._hold
    monkeypatch.setattr(Reader, "_hold", lambda self, path, held: holds_nothing(hold, self, path, held))
    for _ in range(2):
        assert scanner.scan(top, store=store, backend="serial") == list(os.walk(top))
    assert scanner.Store(store).scan() == list(os.walk(top))
    assert scanner.Store(store).check() == []


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("part", [0, 1, 3])
@pytest.mark.parametrize("is_held", [True, False])
def test_a_damaged_part_of_a_huge_directory(
    is_held: bool, part: int, huge: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = huge
    if not is_held:  # as in a worker that goes on with the directory of another one
        hold = Reader._hold
        monkeypatch.setattr(Reader, "_hold", lambda self, path, held: holds_nothing(hold, self, path, held))
    scanner.scan(top, store=store, backend="serial")
    database = sqlite3.connect(store)
    rows = database.execute("SELECT id, record FROM versions WHERE path = x'626967' ORDER BY part").fetchall()
    assert len(rows) == 4
    number, data = rows[part]
    database.execute("UPDATE versions SET record = ? WHERE id = ?", (data[:-1] + bytes([data[-1] ^ 1]), number))
    database.commit()
    database.close()
    assert scanner.scan(top, store=store, backend="serial") == list(os.walk(top))
    assert scanner.Store(store).scan() == list(os.walk(top))


@pytest.mark.parametrize("start_method", [None, "fork"])  # with and without a thread that writes
def test_an_interruption_from_the_keyboard(start_method: Any, trees: dict[str, Path], tmp_path: Path) -> None:
    top = Path(shutil.copytree(trees["monorepo"], tmp_path / "top", symlinks=True))
    scanner.scan(top, store=tmp_path / "first")
    for path, _, _ in os.walk(top):
        Path(path, "new").touch()
    expected = list(os.walk(top))
    code = (
        "import signal, sys, scanner; signal.signal(signal.SIGALRM, signal.default_int_handler); "
        "signal.setitimer(signal.ITIMER_REAL, float(sys.argv[3])); "
        f"scanner.scan(sys.argv[1], store=sys.argv[2], backend='serial', start_method={start_method!r})"
    )
    interrupted = 0
    for number in range(12):
        store = Path(shutil.copy(tmp_path / "first", tmp_path / f"store{number}"))
        command = [sys.executable, "-c", code, str(top), str(store), str(0.02 + 0.01 * number)]
        result = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert result.returncode in (0, -signal.SIGINT, -signal.SIGALRM), result.stderr
        interrupted += b"KeyboardInterrupt" in result.stderr
        assert scanner.scan(top, store=store, backend="serial") == expected
    assert interrupted


def test_fields_that_are_not_stored_are_refused_before_anything_is_written(top: Path, store: Path) -> None:
    call("scan", "--store", store, top)
    result = call("list", "--format", "csv", "--fields", "size", "--from", store)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"size" in result.stderr


def test_what_lay_behind_a_symbolic_link_that_is_gone(top: Path, tmp_path: Path, store: Path) -> None:
    make(tmp_path / "elsewhere", {"x": None})
    (tmp_path / "elsewhere" / "x").write_text("12345")
    link = top / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for name in ("link", "renamed"):
        link = link.rename(top / name)
        scanner.scan(top, store=store, stat=("size",), followlinks=True)
        assert scanner.Store(store).snapshots[-1].bytes == 5
