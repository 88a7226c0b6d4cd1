"""The tools for each format read what `scanner list` writes, with every path byte for byte."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pandas
import pyarrow.parquet
import pytest
import zstandard

import scanner
from scanner.fields import FIELDS
from tests.support.records import without_times
from tests.support.shell import call
from tests.support.trees import build

Row = dict[str, Any]
Rows = dict[bytes, Row]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = build(tmp_path_factory, "odd", 40, 300)
    os.link(top / "empty", top / "another-name") if (top / "empty").is_file() else (top / "x").write_bytes(b"x" * 5000)
    return top


def expected(top: Path) -> Rows:
    """By os.walk and os.lstat."""
    paths = [os.fsencode(top)]
    for path, dirs, files in os.walk(os.fsencode(top)):
        paths += [os.path.join(path, name) for name in dirs + files]
    return {path: facts(os.lstat(path)) for path in paths}


def facts(status: os.stat_result) -> Row:
    kinds = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}
    values = {name: getattr(status, f"st_{name}") for name in FIELDS if name != "type"}
    return {"type": kinds[stat.S_IFMT(status.st_mode)], **values}


def written(top: Path, tmp_path: Path, name: str, *flags: str) -> Path:
    file = tmp_path / name
    result = call("list", *flags, "-o", file, top)
    assert (result.returncode, result.stderr) == (0, b"")
    return file


def without_atime(rows: Rows) -> Rows:
    """Other processes may read the tree."""
    return {path: {name: value for name, value in row.items() if name != "atime_ns"} for path, row in rows.items()}


def by_path(rows: list[tuple[bytes, Row]]) -> Rows:
    assert len({path for path, _ in rows}) == len(rows)
    return without_atime(dict(rows))


def test_ndjson(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.ndjson", "--fields", "all")
    rows = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        path = row.pop("path").encode()
        encoded = row.pop("path_b64", None)
        rows.append((path if encoded is None else base64.b64decode(encoded), row))
    assert by_path(rows) == without_atime(expected(odd))


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_ndjson_by_jq(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.ndjson")
    output = subprocess.run(["jq", "-r", ".path_b64 // (.path | @base64)", file], capture_output=True, check=True)
    assert sorted(map(base64.b64decode, output.stdout.splitlines())) == sorted(expected(odd))


def test_csv(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.csv", "--fields", "all")
    text = file.read_bytes().decode(errors="surrogateescape")
    head, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == ["path", *FIELDS]
    rows = [(os.fsencode(path), dict(zip(FIELDS, [kind, *map(int, numbers)], strict=True)))
            for path, kind, *numbers in lines]  # fmt: skip
    assert by_path(rows) == without_atime(expected(odd))
    assert text.count("\r\n") >= len(lines)


def test_csv_by_pandas(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.csv")
    frame = pandas.read_csv(file, encoding_errors="surrogateescape", dtype={"path": object}, keep_default_na=False)
    assert sorted(map(os.fsencode, frame["path"])) == sorted(expected(odd))
    assert frame["size"].sum() == sum(row["size"] for row in expected(odd).values())


def test_parquet(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.parquet", "--fields", "all")
    table = pyarrow.parquet.read_table(file)
    assert table.column_names == ["path", *FIELDS]
    times = {name: table[name].cast(pyarrow.int64()) for name in FIELDS if name.endswith("_ns")}
    columns = {name: times.get(name, table[name]).to_pylist() for name in table.column_names}
    rows = [(values[0], dict(zip(FIELDS, values[1:], strict=True))) for values in zip(*columns.values(), strict=True)]
    assert by_path(rows) == without_atime(expected(odd))
    assert pyarrow.parquet.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_parquet_by_pandas(odd: Path, tmp_path: Path) -> None:
    frame = pandas.read_parquet(written(odd, tmp_path, "list.parquet"))
    assert sorted(frame["path"]) == sorted(expected(odd))


def test_sqlite(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.sqlite", "--fields", "all")
    database = sqlite3.connect(file)
    rows = [(os.fsencode(path), dict(zip(FIELDS, row, strict=True)))
            for path, *row in database.execute(f"SELECT path, {', '.join(FIELDS)} FROM entries")]  # fmt: skip
    assert by_path(rows) == without_atime(expected(odd))
    assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plan = "EXPLAIN QUERY PLAN SELECT size FROM entries WHERE path = 'x'"
    assert "USING INDEX" in database.execute(plan).fetchone()[3]
    database.close()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_sqlite_by_its_shell(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.sqlite")
    output = subprocess.run(["sqlite3", file, "SELECT hex(path) FROM entries"], capture_output=True, check=True)
    assert sorted(map(bytes.fromhex, output.stdout.decode().splitlines())) == sorted(expected(odd))


@pytest.mark.parametrize("flags", [[], ["--exclude", "*.py"]])
@pytest.mark.skipif(shutil.which("ncdu") is None, reason="needs ncdu")
def test_ncdu(flags: list[str], odd: Path, tmp_path: Path) -> None:
    """ncdu exports the same tree that it has loaded."""
    file = written(odd, tmp_path, "tree.ncdu", *flags)
    copy = tmp_path / "copy"
    subprocess.run(["ncdu", "-f", file, "-o", copy], check=True, capture_output=True, timeout=60)
    mine, theirs = ncdu_tree(file), ncdu_tree(copy)
    assert mine == theirs
    assert set(mine) == set(expected(odd))
    for path, row in expected(odd).items():
        if flags and path.endswith(b".py"):
            assert mine[path] == (0, 0, "pattern")
        else:
            assert mine[path] == (row["size"], 512 * row["blocks"], None), path


def ncdu_tree(file: Path) -> dict[bytes, tuple[int, int, Any]]:
    """Size, bytes on disk and mark of everything in ncdu's JSON."""
    found = {}

    def take(info: Any, above: str) -> str:
        path = os.path.join(above, info["name"])
        found[os.fsencode(path)] = info.get("asize", 0), info.get("dsize", 0), info.get("excluded")
        return path

    def enter(directory: Any, above: str) -> None:
        path = take(directory[0], above)
        for item in directory[1:]:
            enter(item, path) if isinstance(item, list) else take(item, path)

    _, _, _, top = json.loads(file.read_bytes().decode(errors="surrogateescape"))
    enter(top, "")
    return found


def test_folded_stacks(odd: Path, tmp_path: Path) -> None:
    """Each line ends with a number, as flame graphs need; their sum is the disk usage of the tree."""
    lines = written(odd, tmp_path, "sizes.folded").read_bytes().splitlines()
    total = call("du", "-s", "-B", "1", odd).stdout.split()[0]
    assert sum(int(line.rsplit(b" ", 1)[1]) for line in lines) == int(total)
    assert len(lines) == sum(1 for _ in os.walk(odd))


def test_a_template(odd: Path, tmp_path: Path) -> None:
    file = written(odd, tmp_path, "list.txt", "-0", "--template", r"{size:>9,} {type} {name}\t{parent}/{name}")
    lines = file.read_bytes().split(b"\0")[1:-1]
    assert len(lines) == len(expected(odd)) - 1
    for line in lines:
        before, _, path = line.partition(b"\t" + os.fsencode(odd))
        row = facts(os.lstat(os.fsencode(odd) + path))
        assert before == f"{row['size']:>9,} {row['type']} ".encode() + os.path.basename(path)


@pytest.mark.parametrize("command", [["gzip", "-t"], ["zstd", "-q", "-t"]])
def test_compression(command: list[str], odd: Path, tmp_path: Path) -> None:
    suffix = "gz" if command[0] == "gzip" else "zst"
    plain = written(odd, tmp_path, "list.ndjson").read_bytes()
    file = written(odd, tmp_path, f"list.ndjson.{suffix}")
    if shutil.which(command[0]):
        subprocess.run([*command, file], check=True)
    body = file.read_bytes()
    unpacked = (
        gzip.decompress(body) if suffix == "gz" else zstandard.ZstdDecompressor().decompressobj().decompress(body)
    )
    assert unpacked == plain


@pytest.mark.parametrize(
    "name", ["a.ndjson", "a.csv", "a.parquet", "a.sqlite", "a.ncdu", "a.folded", "a.ndjson.gz", "a.csv.zst", "a.txt"]
)
def test_two_scans_give_identical_bytes(name: str, odd: Path, tmp_path: Path) -> None:
    ways = [["--backend", "serial"], ["--backend", "pool", "--workers", "1"], ["--backend", "pool", "--workers", "4"]]
    fields = [] if name.split(".")[1] in ("ncdu", "folded", "txt") else ["--fields", "type,size,mtime_ns,ino"]
    bodies: set[bytes] = set()
    for number, way in enumerate(ways):
        (tmp_path / str(number)).mkdir()
        bodies.add(written(odd, tmp_path / str(number), name, *fields, *way).read_bytes())
    bodies = set(map(without_times, bodies))
    assert len(bodies) == 1


def test_several_outputs_of_one_scan_are_those_of_one_each(odd: Path, tmp_path: Path) -> None:
    names = ["a.ndjson", "a.csv.gz", "a.parquet", "a.sqlite", "a.ncdu", "a.folded", "a.txt"]
    outputs = [argument for name in names for argument in ("-o", str(tmp_path / f"all-{name}"))]
    result = call("list", "--backend", "pool", "--workers", "2", *outputs, "-o", "-", odd)
    assert (result.returncode, result.stderr) == (0, b"")
    for name in names:
        several, one = ((tmp_path / f"all-{name}"), written(odd, tmp_path, name))
        assert without_times(several.read_bytes()) == without_times(one.read_bytes()), name
    assert result.stdout == (tmp_path / "all-a.txt").read_bytes()


def test_a_result_as_a_table_of_arrow_and_of_pandas(odd: Path) -> None:
    result = scanner.scan(odd, stat=True)
    table, frame = result.to_arrow(), result.to_pandas()
    wanted = {path: row["size"] for path, row in expected(odd).items()}
    assert dict(zip(table["path"].to_pylist(), table["size"].to_pylist(), strict=True)) == wanted
    assert {os.fsencode(path): size for path, size in zip(frame["path"], frame["size"], strict=True)} == wanted
    status = os.lstat(odd)
    assert (frame["mtime_ns"].astype("int64").iloc[0], frame["ino"].iloc[0]) == (status.st_mtime_ns, status.st_ino)
