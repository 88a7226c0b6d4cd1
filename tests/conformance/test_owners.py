"""Names of users and groups in every format: those that `find` prints, looked up once, in the coordinator."""

from __future__ import annotations

import csv
import io
import json
import os
import pwd
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from scanner import owners
from tests.support.shell import call
from tests.support.trees import make

FIELDS = "owner,group"
IDS = [(0, 0), (12_345, 1), (1, 54_321), (2**31, 2**31), (2**32 - 2, 2**32 - 2)]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = make(tmp_path / "top", {"d": {f"f{number}": None for number in range(10)}, "link": "nowhere"})
    if os.geteuid() == 0:
        for number, path in enumerate(sorted(top.rglob("*"))):
            os.chown(path, *IDS[number % len(IDS)], follow_symlinks=False)
    return top


def expected(top: Path) -> list[tuple[str, str, str]]:
    output = subprocess.run(["find", top, "-printf", "%p %u %g\\n"], capture_output=True, check=True, text=True).stdout
    return sorted(tuple(line.split(" ")) for line in output.splitlines())  # type: ignore[misc]


def rows_in(file: Path) -> list[Any]:
    match file.suffix:
        case ".txt":
            return [line.split(" ") for line in file.read_text().splitlines()]
        case ".ndjson":
            return [list(json.loads(line).values()) for line in file.read_text().splitlines()]
        case ".csv":
            return list(csv.reader(io.StringIO(file.read_text())))[1:]
        case ".parquet":
            table = pyarrow.parquet.read_table(file)
            return list(zip(*([os.fsdecode(each) if isinstance(each, bytes) else each for each in column.to_pylist()]
                              for column in table.columns), strict=True))  # fmt: skip
    database = sqlite3.connect(file)
    try:
        return database.execute('SELECT path, owner, "group" FROM entries').fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("backend", ["serial", "pool"])
@pytest.mark.parametrize("name", ["a.txt", "a.ndjson", "a.csv", "a.parquet", "a.sqlite"])
def test_names_are_those_of_find(name: str, backend: str, reader: str, top: Path, tmp_path: Path) -> None:
    chosen = ("--template", "{path} {owner} {group}") if name == "a.txt" else ("--fields", FIELDS)
    result = call("list", "--backend", backend, "--workers", "2", *chosen, "-o", tmp_path / name, top)
    assert (result.returncode, result.stderr) == (0, b"")
    assert sorted(map(tuple, rows_in(tmp_path / name))) == expected(top)


@pytest.mark.parametrize("name", ["a.ndjson", "a.parquet", "a.sqlite"])
def test_each_name_is_looked_up_once_and_by_no_worker(
    name: str, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, look_up = tmp_path / "calls", pwd.getpwuid

    def noted(uid: int) -> pwd.struct_passwd:
        with calls.open("a") as file:
            file.write(f"{os.getpid()} {uid}\n")
        return look_up(uid)

    monkeypatch.setattr(pwd, "getpwuid", noted)
    assert (
        call("list", "--backend", "pool", "--workers", "2", "--fields", "owner", "-o", tmp_path / name, top).stderr
        == b""
    )
    lines = calls.read_text().splitlines()
    uids = {os.lstat(path).st_uid for path in (top, *top.rglob("*"))}
    assert sorted(lines) == sorted(f"{os.getpid()} {uid}" for uid in uids)


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.parquet", "a.sqlite"])
def test_a_name_with_special_characters(name: str, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = 'DOMAIN\\a,"b"\nä'
    monkeypatch.setitem(owners.LOOK_UPS, "owner", lambda _: odd)
    assert call("list", "--fields", FIELDS, "-o", tmp_path / name, top).stderr == b""
    assert {row[1] for row in rows_in(tmp_path / name)} == {odd}


def test_a_look_up_that_fails_leaves_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> pwd.struct_passwd:
        raise OSError("the service does not answer")

    monkeypatch.setattr(pwd, "getpwuid", refuse)
    assert owners.owner_of(77) == "77"


def test_times_beside_names_are_exact(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    os.utime(tmp_path / "top", ns=(10**19 + 7, 10**19 + 7))
    seconds = os.lstat(tmp_path / "top").st_mtime_ns
    result = call("list", "--template", "{mtime_ns} {owner}", tmp_path / "top")
    assert result.stdout.split()[0] == b"%d" % seconds


def test_fields_are_added_to_all(top: Path) -> None:
    head, *_ = call("list", "--format", "csv", "--fields", "all,group", top).stdout.splitlines()
    assert head.split(b",")[-2:] == [b"atime_ns", b"group"]
