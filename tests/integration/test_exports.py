"""Outputs of `scanner list`: wrong options, errors while writing, and no incomplete files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

import scanner
from scanner.errors import OptionError
from tests.support.shell import SCANNER, call
from tests.support.trees import make

FORMATS = [
    "out.txt",
    "out.ndjson",
    "out.csv.gz",
    "out.ndjson.zst",
    "out.parquet",
    "out.sqlite",
    "out.ncdu",
    "out.folded",
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template", "{nope} {path}"], "--template: {nope} is not a field; the fields are path, name, parent,"),
        (["--template", "{path"], "--template '{path' is not valid: expected '}' before end of string"),
        (["--template", "{}"], "--template: {} is not a field"),
        (["--template", "{size:%Q}"], "--template '{size:%Q}' is not valid: Invalid format specifier"),
        (["--template", "{path.__class__}"], "--template: {path.__class__} is not a field"),
        (["--template", "{size:{uid}}"], "--template '{size:{uid}}' is not valid: a format holds another field"),
        (["--template", "{size:c}"], "--template '{size:c}' is not valid: values are not characters"),
        (["--template", "{size:>99999}"], "--template '{size:>99999}' is not valid: the largest width is 4,096"),
        (["--template", "x", "--format", "csv"], "--template and --format: give only one of them"),
        (["--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["-o", "x.json"], "-o 'x.json': several formats are JSON; give --format ndjson or --format ncdu"),
        (["-o", "x.parquet.gz"], "-o 'x.parquet.gz': parquet is not compressed again; remove the suffix .gz"),
        (["--format", "sqlite"], "--format sqlite needs a file: -o FILE"),
        (["--format", "csv", "--fields", "size,weight"], "--fields 'size,weight': must be of all, path, type,"),
        (["--fields", "size"], "--fields is for ndjson, csv, parquet, sqlite, not for paths"),
        (["--format", "csv", "-0"], "-0 is for paths and --template, not for csv"),
        (["--format", "ncdu", "--type", "f"], "--type cannot be used with --format ncdu; use --exclude"),
        (["--format", "ncdu", "/"], "--format ncdu takes one ROOT: its file holds one tree"),
        (["-o", "x", "-o", "x"], "two outputs cannot go to one file"),
        (["-o", "x.csv", "-o", "./x.csv"], "two outputs cannot go to one file"),
        (["-o", "-", "-o", "-"], "two outputs cannot go to one file"),
        (["-o", "x", "--errors", "x"], "two outputs cannot go to one file"),
    ],
)  # fmt: skip
def test_what_is_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = call("list", *arguments, tmp_path, cwd=tmp_path)
    assert message in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert (result.returncode, result.stdout) == (2, b"")
    assert os.listdir(tmp_path) == []


FOREIGN = (
    "x.csv.xz x.tsv x.bz2 x.xlsx x.XLSX x.tar x.tar.gz x.tgz x.zip x.html x.xml x.feather x.TSV.gz x.csv.gz.gz "
    "x.sqlite.xz x.csv.zip x.db3 x.duckdb x.yaml x.Z .tsv a/../x.ods"
)


@pytest.mark.parametrize("name", FOREIGN.split())
def test_suffixes_of_unsupported_formats_are_refused(name: str, tmp_path: Path) -> None:
    result = call("list", "-o", name, tmp_path, cwd=tmp_path)
    error = result.stderr.decode()
    assert error.startswith(f"scanner: -o {name!r}: .")
    assert ".csv, .ndjson, .jsonl, .parquet, .sqlite" in error
    assert error.count("\n") == 1
    assert (result.returncode, result.stdout, os.listdir(tmp_path)) == (2, b"", [])


@pytest.mark.parametrize("name", ["x.JSON", "x.json.gz", "x.Json.ZST", "x.geojson"])
def test_a_suffix_of_json_needs_a_format(name: str, tmp_path: Path) -> None:
    result = call("list", "-o", name, tmp_path, cwd=tmp_path)
    assert b"several formats are JSON" in result.stderr
    assert (result.returncode, os.listdir(tmp_path)) == (2, [])
    assert call("list", "--format", "ndjson", "-o", name, tmp_path, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("name", "like"),
    [("X.CSV", "x.csv"), ("X.Csv.GZ", "x.csv.gz"), ("X.NDJSON", "x.ndjson"), ("x.JSONL.Zst", "x.ndjson.zst"),
     ("x.TXT", "x"), ("x.unknown", "x"), ("x.csv.", "x"), ("a.csv.d", "x"), (".csv", "x.csv")],
)  # fmt: skip
def test_suffixes_are_the_same_in_capital_letters(name: str, like: str, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    for each in (name, like):
        assert call("list", "-o", each, "top", cwd=tmp_path).returncode == 0
    assert (tmp_path / name).read_bytes() == (tmp_path / like).read_bytes()


@pytest.mark.parametrize(
    ("name", "head"), [("X.PARQUET", b"PAR1"), ("X.SQLITE", b"SQLite"), ("X.Db", b"SQLite"), ("X.GZ", b"\x1f\x8b")]
)
def test_suffixes_of_whole_formats_in_capital_letters(name: str, head: bytes, tmp_path: Path) -> None:
    assert call("list", "-o", name, tmp_path, cwd=tmp_path).returncode == 0
    assert (tmp_path / name).read_bytes().startswith(head)


@pytest.mark.parametrize("name", ["e.gz", "e.ndjson.ZST", "e.xz"])
def test_errors_in_a_file_with_the_suffix_of_a_compression_are_refused(name: str, tmp_path: Path) -> None:
    result = call("scan", "--errors", name, tmp_path, cwd=tmp_path)
    message = "errors are written as NDJSON without compression; use another suffix"
    assert result.stderr.decode() == f"scanner: --errors {name!r}: {message}\n"
    assert (result.returncode, os.listdir(tmp_path)) == (2, [])


@pytest.mark.parametrize("name", FORMATS)
def test_a_target_that_is_a_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    result = call("list", "-o", tmp_path / name, tmp_path)
    assert result.stderr.decode() == f"scanner: cannot write '{tmp_path / name}': it is a directory\n"
    assert result.returncode == 3
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk(name: str, trees: dict[str, Path], tmp_path: Path) -> None:
    """One sentence, exit code 3, no incomplete file; another output is complete or missing."""
    script = f"""
        mount -t tmpfs -o size=8k none {tmp_path} || exit 99
        {" ".join(map(str, SCANNER))} list -o {tmp_path}/{name} {trees["monorepo"]}
        code=$?
        ls -A {tmp_path}
        exit $code
    """
    result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60, check=False)
    if result.returncode == 99:
        pytest.skip("nothing can be mounted here")
    error = result.stderr.decode()
    assert error.startswith(f"scanner: cannot write '{tmp_path}/{name}': ")
    assert error.count("\n") == 1
    assert (result.stdout, result.returncode) == (b"", 3)


@pytest.mark.parametrize("name", ["out.parquet", "out.ndjson.zst"])
def test_an_extra_that_is_missing(name: str, tmp_path: Path) -> None:
    """As if it were not installed."""
    hidden = tmp_path / "hidden"
    for module in ("pyarrow", "zstandard", "pandas"):
        (hidden / module).mkdir(parents=True)
        (hidden / module / "__init__.py").write_text(f"raise ImportError('no {module}')")
    (tmp_path / "top").mkdir()
    command = [arg for arg in SCANNER if arg != "-P"]
    result = subprocess.run(
        [*command, "list", "-o", tmp_path / "top" / name, tmp_path / "top"],
        env={**os.environ, "PYTHONPATH": os.fspath(hidden)}, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    extra = "parquet" if "parquet" in name else "zstd"
    assert result.stderr.decode().endswith(
        f"requires an optional dependency: pip install 'parallel-scanner[{extra}]'\n"
    )
    assert result.stderr.count(b"\n") == 1
    assert (result.returncode, os.listdir(tmp_path / "top")) == (2, [])


@pytest.mark.parametrize("name", ["out.ndjson", "out.csv", "out.parquet", "out.sqlite"])
def test_paths_alone_need_no_stat(name: str, trees: dict[str, Path], tmp_path: Path) -> None:
    command = ["strace", "-f", "-e", "trace=statx,newfstatat", "-o", str(tmp_path / "trace"), *SCANNER]
    flags = ["--backend", "serial", "--fields", "path"]
    target = tmp_path / name
    subprocess.run([*SCANNER, "list", *flags, "-o", target, trees["odd"]], check=True)
    assert target.stat().st_size > 0
    template = call("list", "--backend", "serial", "-0", "--template", "{path}", trees["odd"])
    assert template.stdout == call("list", "-0", trees["odd"]).stdout
    if shutil.which("strace"):
        subprocess.run([*command, "list", *flags, "-o", target, trees["odd"]], check=True)
        assert os.fspath(trees["odd"]) + "/" not in (tmp_path / "trace").read_text()
        assert "statx(" not in (tmp_path / "trace").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_time_is_up(name: str, tmp_path: Path, trees: dict[str, Path]) -> None:
    result = call("list", "--timeout", "0.000001", "-o", tmp_path / name, trees["monorepo"])
    assert result.returncode == 75
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    assert call("list", "-o", tmp_path / name, tmp_path / "top").returncode == 0
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("name", FORMATS)
def test_an_old_file_is_replaced_and_keeps_its_mode(name: str, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    target = tmp_path / name
    target.write_text("what was there")
    target.chmod(0o640)
    assert call("list", "-o", target, tmp_path / "top").returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert b"what was there" not in target.read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted([name, "top"])


def test_the_marks_of_ncdu_for_what_is_not_entered(tmp_path: Path) -> None:
    top = make(tmp_path, {"kept": {"f": None}, "tagged": {".nobackup": None, "g": None}, "left": {"h": None}})
    output = call("list", "--format", "ncdu", "--exclude", "left", "--exclude-if-present", ".nobackup", top).stdout
    _, _, _, tree = json.loads(output)
    marks = {}
    for item in tree[1:]:
        info = item[0] if isinstance(item, list) else item
        marks[info["name"]] = info.get("excluded")
    assert marks == {"kept": None, "tagged": "pattern", "left": "pattern"}


def test_reading_does_not_change_access_times(reader: str, tmp_path: Path) -> None:
    top = make(tmp_path, {"scanned": {"below": {"f": None}}, "control": {"f": None}})
    for path in (top / "scanned", top / "scanned" / "below", top / "control"):
        os.utime(path, (1e9, path.stat().st_mtime))
    os.listdir(top / "control")
    if (top / "control").stat().st_atime == 1e9:
        pytest.skip("access times are not kept here")
    scanner.scan(top / "scanned")
    assert (top / "scanned").stat().st_atime == (top / "scanned" / "below").stat().st_atime == 1e9


def test_python_says_so_as_well(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="stat must be True, False, or some of type, size"):
        scanner.scan(tmp_path, stat="weight")
    with pytest.raises(OptionError, match="stat must name the fields to fetch"):
        next(scanner.entries(tmp_path, stat=False))
    with pytest.raises(ValueError, match="no fields were requested: scan with stat=True"):
        scanner.scan(tmp_path).to_arrow()
    with pytest.raises(OptionError, match="stat is for scan and entries: walk gives names only"):
        scanner.walk(tmp_path, stat=True)
