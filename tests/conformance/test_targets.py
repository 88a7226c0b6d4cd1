"""Targets of symbolic links in every format: those that `find` prints."""

from __future__ import annotations

import base64
import csv
import errno
import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from scanner.options import ProducerSpec, ScanOptions
from scanner.run import Run
from tests.support.shell import call

TARGETS = [b"nowhere", b".", b"/", b"d", b"a b", b'"q",\\', b"\n", b"\xff", b"x" * 4000, "ä\u2028".encode()]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for place in (top, top / "d", top / "d" / "e"):
        place.mkdir()
        (place / "file").touch()
        for number, target in enumerate(TARGETS):
            os.symlink(target, os.path.join(os.fsencode(place), b"link%d" % number))
    return top


def expected(top: Path) -> dict[bytes, bytes | None]:
    words = subprocess.run(["find", top, "-printf", "%p\\0%l\\0"], capture_output=True, check=True).stdout.split(b"\0")
    return {path: target or None for path, target in zip(words[:-1:2], words[1::2], strict=True)}


def targets_in(file: Path) -> dict[bytes, Any]:
    match file.suffix:
        case ".txt":
            words = file.read_bytes().split(b"\0")
            return {path: target or None for path, target in zip(words[:-1:2], words[1::2], strict=True)}
        case ".ndjson":
            rows = [json.loads(line) for line in file.read_bytes().splitlines()]
            return {os.fsencode(row["path"]): json_target(row) for row in rows}
        case ".csv":
            with file.open(newline="", errors="surrogateescape") as opened:
                return {os.fsencode(path): os.fsencode(target) or None for path, target in [*csv.reader(opened)][1:]}
        case ".parquet":
            table = pyarrow.parquet.read_table(file)
            return dict(zip(table["path"].to_pylist(), table["target"].to_pylist(), strict=True))
    database = sqlite3.connect(file)
    try:
        rows = database.execute("SELECT path, target FROM entries").fetchall()
    finally:
        database.close()
    return {os.fsencode(path): target.encode() if isinstance(target, str) else target for path, target in rows}


def json_target(row: dict[str, str | None]) -> bytes | None:
    exact, shown = row.get("target_b64"), row["target"]
    if exact is not None:
        return base64.b64decode(exact)
    return None if shown is None else shown.encode()


@pytest.mark.parametrize("backend", ["serial", "pool"])
@pytest.mark.parametrize("name", ["a.txt", "a.ndjson", "a.csv", "a.parquet", "a.sqlite"])
def test_targets_are_those_of_find(name: str, backend: str, reader: str, top: Path, tmp_path: Path) -> None:
    fields = ("-0", "--template", "{path}\\0{target}") if name == "a.txt" else ("--fields", "target")
    result = call("list", "--backend", backend, "--workers", "2", *fields, "-o", tmp_path / name, top)
    assert (result.returncode, result.stderr) == (0, b"")
    assert targets_in(tmp_path / name) == expected(top)


def test_targets_in_one_of_several_outputs(top: Path, tmp_path: Path) -> None:
    names = ["a.ndjson", "a.sqlite", "a.parquet"]
    outputs = [argument for name in names for argument in ("-o", tmp_path / name)]
    assert call("list", "--fields", "target", *outputs, "-o", tmp_path / "a.ncdu", top).stderr == b""
    assert all(targets_in(tmp_path / name) == expected(top) for name in names)


def test_an_unreadable_link_is_an_error_and_has_no_target(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.readlink

    def refuse(name: Any, **kwargs: Any) -> Any:
        if os.path.basename(name) == "link3" and "dir_fd" in kwargs:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return read(name, **kwargs)

    monkeypatch.setattr(os, "readlink", refuse)
    result = call("list", "--backend", "serial", "--fields", "target", "-o", tmp_path / "a.ndjson", top)
    assert result.returncode == 1
    assert b"link3': Permission denied" in result.stderr
    wanted = {path: None if path.endswith(b"link3") else target for path, target in expected(top).items()}
    assert targets_in(tmp_path / "a.ndjson") == wanted


def test_a_snapshot_has_no_targets(top: Path, tmp_path: Path) -> None:
    result = call("list", "--store", tmp_path / "store", "--template", "{target}", top)
    assert (result.returncode, b"a snapshot has no targets" in result.stderr) == (2, True)


def requests_for(top: Path, *fields: str) -> int:
    options = ScanOptions(roots=(str(top),), stat=("type",), backend="serial")
    options = options._replace(producers=(ProducerSpec("table", (fields,)),), pure=True)
    with Run([str(top)], options) as run:
        return sum(chunk.requests for chunk in run.chunks())


def test_a_target_counts_as_a_request(top: Path) -> None:
    assert requests_for(top, "type", "target") - requests_for(top, "type") == 3 * len(TARGETS)
