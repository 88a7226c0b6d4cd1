"""Outputs that fail or whose reader leaves, beside others; and the record of the scan that they hold."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet
import pytest

from tests.conftest import READERS
from tests.support.pairwise import pairwise
from tests.support.shell import ROOT, SCANNER, as_user, call, run
from tests.support.trees import make


def piped(arguments: str, reader: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command with a reader that leaves early; return the exit code of the command."""
    script = f"PYTHONPATH={ROOT} {' '.join(SCANNER)} {arguments} | {reader}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], cwd=cwd, capture_output=True, check=False, timeout=60)


BACKENDS = ["serial", "pool", "auto"]


ORDERS = ["-o a.csv -o - -o c.sqlite", "-o - -o a.csv.gz -o c.parquet --errors e"]


@pytest.mark.parametrize(("order", "way", "reader"), pairwise(ORDERS, BACKENDS, [*READERS]), indirect=["reader"])
def test_a_reader_that_leaves_costs_no_other_output(
    order: str, way: str, reader: str, trees: dict[str, Path], tmp_path: Path
) -> None:
    result = piped(f"list --backend {way} {order} {trees['flat']}", "head -n 1", tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    names = [word for word in order.split() if word[:1] != "-"]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    (tmp_path / "whole").mkdir()
    for name in names[:1]:  # where no time is recorded
        whole = tmp_path / "whole" / name
        assert call("list", "-o", whole, trees["flat"]).returncode == 0
        assert (tmp_path / name).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("command", ["list", "list --format ndjson", "du", "scan --sizes", "scan --json"])
def test_a_reader_that_leaves_costs_neither_the_errors_nor_a_report(
    command: str, trees: dict[str, Path], tmp_path: Path
) -> None:
    report = "--report r.json" if "scan" in command else ""
    result = piped(f"{command} {report} --errors e {trees['monorepo']}", "true", tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert sorted(os.listdir(tmp_path)) == (["e", "r.json"] if report else ["e"])


@pytest.mark.parametrize("form", ["csv", "ncdu", "ndjson", "parquet"])
def test_a_reader_that_leaves_before_the_head_is_written(form: str, trees: dict[str, Path], tmp_path: Path) -> None:
    """A file is given up neither by the others nor for them."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    outputs = f"list --format {form} -o - -o o.out"
    result = piped(f"{outputs} --errors e {trees['odd']} <fifo", "true >fifo", tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert sorted(os.listdir(tmp_path)) == ["e", "fifo", "o.out"]


def test_a_reader_that_leaves_ends_a_list_that_has_no_other_output(trees: dict[str, Path], tmp_path: Path) -> None:
    result = piped(f"list {trees['flat']}", "head -n 1", tmp_path)
    assert (result.returncode, result.stderr, result.stdout.count(b"\n")) == (0, b"", 1)


@pytest.mark.parametrize("name", ["/dev/full", "-"])
def test_a_full_disk_costs_no_other_output(name: str, trees: dict[str, Path], tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*SCANNER, "list", "-o", name, "-o", tmp_path / "a.csv", "--errors", tmp_path / "e", trees["flat"]],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    target = "to standard output" if name == "-" else "'/dev/full'"
    assert result.stderr.decode() == f"scanner: cannot write {target}: No space left on device\n"
    assert (result.returncode, sorted(os.listdir(tmp_path))) == (3, ["a.csv", "e"])
    assert (tmp_path / "a.csv").read_bytes().count(b"\n") > 25_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
def test_every_output_fails(trees: dict[str, Path], tmp_path: Path) -> None:
    os.mknod(tmp_path / "full.parquet", stat.S_IFCHR | 0o666, os.stat("/dev/full").st_rdev)
    result = run("list", "-o", "/dev/full", "-o", tmp_path / "full.parquet", trees["flat"])
    lines = result.stderr.decode().splitlines()
    assert sorted(lines) == sorted(
        f"scanner: cannot write {name!r}: No space left on device" for name in ("/dev/full", f"{tmp_path}/full.parquet")
    )
    assert result.returncode == 3


def test_errors_that_cannot_be_written_cost_no_output(trees: dict[str, Path], tmp_path: Path) -> None:
    make(tmp_path / "top", {"shut": {}})
    (tmp_path / "top" / "shut").chmod(0)
    result = as_user("list", "-q", "--errors", "/dev/full", "-o", tmp_path / "a.csv", tmp_path / "top")
    assert result.stderr == b"scanner: cannot write '/dev/full': No space left on device\n"
    assert (result.returncode, (tmp_path / "a.csv").exists()) == (3, True)
    (tmp_path / "top" / "shut").chmod(0o755)


def test_a_report_that_cannot_be_written_beside_a_reader_that_leaves(trees: dict[str, Path], tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "full.json")
    result = piped(f"scan --report full.json --report r.md {trees['monorepo']}", "true", tmp_path)
    assert result.stderr == b"scanner: cannot write 'full.json': No space left on device\n"
    assert (result.returncode, (tmp_path / "r.md").exists()) == (3, True)


@pytest.fixture
def partly_shut(tmp_path: Path) -> Any:
    top = make(tmp_path / "top", {"a": None, "shut": {"hidden": None}, "d": {"also": {}}})
    odd = os.fsencode(top) + b"/d/\xff"
    os.mkdir(odd, 0)
    (top / "shut").chmod(0)
    yield top
    (top / "shut").chmod(0o755)
    os.chmod(odd, 0o755)


def sqlite_record(path: Path) -> dict[str, Any]:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    try:
        scans = [dict(row) for row in database.execute("SELECT * FROM scan")]
        unreadable = [dict(row) for row in database.execute("SELECT * FROM unreadable")]
    finally:
        database.close()
    roots = [{"path": scan.pop("root"), "absolute_path": scan.pop("absolute_path")} for scan in scans]
    for fault in unreadable:
        if isinstance(fault["path"], bytes):
            fault["path"] = fault["path"].decode(errors="replace")
    return {**scans[0], "roots": roots, "unreadable": unreadable}


def records(place: Path) -> dict[str, dict[str, Any]]:
    metadata = pyarrow.parquet.read_metadata(place / "o.parquet").metadata
    trailer = (place / "o.ndjson").read_text().splitlines()[-1]
    return {
        "parquet": json.loads(metadata[b"scan"]),
        "ndjson": json.loads(trailer)["scan"],
        "sqlite": sqlite_record(place / "o.sqlite"),
        "report": json.loads((place / "r.json").read_text()),
    }


@pytest.mark.parametrize("way", BACKENDS)
def test_every_structured_output_says_what_scan_it_is_of(
    way: str, reader: str, partly_shut: Path, tmp_path: Path
) -> None:
    """A comparison of two outputs shows that the contents of `shut` are unknown."""
    before = datetime.now().astimezone().replace(microsecond=0)
    outputs = [argument for kind in ("parquet", "ndjson", "sqlite") for argument in ("-o", f"{tmp_path}/o.{kind}")]
    relative = os.path.relpath(partly_shut)
    assert as_user("list", "--backend", way, "--trailer", *outputs, relative).returncode == 1
    assert as_user("scan", "--backend", way, "--report", tmp_path / "r.json", relative).returncode == 1
    for form, record in records(tmp_path).items():
        assert record["roots"] == [{"path": relative, "absolute_path": str(partly_shut)}], form
        assert record["host"] == os.uname().nodename
        assert record["outcome"] == "incomplete"
        begun, ended = (datetime.fromisoformat(record[name]) for name in ("started_at", "finished_at"))
        assert before.timestamp() - 1 <= begun.timestamp() <= ended.timestamp() <= datetime.now().timestamp()
        unreadable = record.get("unreadable", record.get("faults"))
        assert {fault["path"] for fault in unreadable} == {f"{relative}/shut", f"{relative}/d/\ufffd"}
        assert {fault["kind"] for fault in unreadable} == {"denied"}


def test_a_whole_scan_of_two_roots_has_nothing_unreadable(tmp_path: Path) -> None:
    roots = [make(tmp_path / name, {"f": None}) for name in ("one", "two")]
    assert run("list", "-o", tmp_path / "o.sqlite", *roots).returncode == 0
    record = sqlite_record(tmp_path / "o.sqlite")
    assert [root["absolute_path"] for root in record["roots"]] == [str(root) for root in roots]
    assert (record["outcome"], record["unreadable"]) == ("complete", [])


def test_a_root_that_is_missing_is_not_a_deletion(tmp_path: Path) -> None:
    make(tmp_path / "one", {"f": None})
    assert run("list", "-o", tmp_path / "o.sqlite", tmp_path / "one", tmp_path / "gone").returncode == 1
    assert [fault["path"] for fault in sqlite_record(tmp_path / "o.sqlite")["unreadable"]] == [f"{tmp_path}/gone"]


@pytest.mark.parametrize("way", BACKENDS)
@pytest.mark.parametrize(
    "command", [["list", "-o", "a.csv"], ["list"], ["du"], ["treemap", "-o", "a.svg"]], ids=" ".join
)
def test_every_command_that_scans_writes_reports(command: list[str], way: str, tmp_path: Path, fonts: None) -> None:
    top = make(tmp_path / "top", {"d": {"f": 5}, "g": None})
    without = call(*command, "--backend", way, top, tmp_path / "gone", cwd=tmp_path)
    reports = ["--report", "r.json", "--report", "r.md", "--report", "r.html"]
    result = call(*command, "--backend", way, *reports, top, tmp_path / "gone", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (without.returncode, without.stdout)
    data = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(data, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    assert (data["outcome"], data["scanned_directories"], data["entries"]) == ("incomplete", 2, 3)
    assert data["resources"]["processes"]
    assert "| Directories | 2 |" in (tmp_path / "r.md").read_text()
    assert "<html" in (tmp_path / "r.html").read_text()


def test_a_report_that_cannot_be_drawn_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'scanner.report.html': raise RuntimeError('no fonts')\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    result = run("scan", "--report", "r.html", "--report", "r.md", ".", cwd=tmp_path, env=environment)
    assert (result.returncode, result.stderr) == (3, b"scanner: cannot write 'r.html': RuntimeError: no fonts\n")
    assert b"Outcome             complete" in result.stdout
    assert (tmp_path / "r.md").exists()
    assert not (tmp_path / "r.html").exists()


def test_a_list_whose_output_fails_still_has_a_report(trees: dict[str, Path], tmp_path: Path) -> None:
    result = run("list", "-o", "/dev/full", "--report", tmp_path / "r.json", trees["flat"])
    assert (result.returncode, json.loads((tmp_path / "r.json").read_text())["outcome"]) == (3, "complete")


@pytest.mark.parametrize(
    "command", ["list -o r.json", "list --errors r.json", "du --errors r.json", "scan --errors r.json"]
)
def test_a_report_and_another_output_in_one_file_are_refused(command: str, tmp_path: Path) -> None:
    result = run(*command.split(), "--report", "./r.json", ".", cwd=tmp_path)
    assert (result.returncode, result.stdout, os.listdir(tmp_path)) == (2, b"", [])
    assert b"two outputs cannot go to one file" in result.stderr


@pytest.mark.parametrize("option", ["--errors", "--report"])
@pytest.mark.parametrize("command", ["list", "scan", "du"])
def test_a_file_that_standard_output_goes_to_is_refused(command: str, option: str, tmp_path: Path) -> None:
    with open(tmp_path / "r.json", "wb") as file:
        done = subprocess.run(
            [*SCANNER, command, option, file.name, tmp_path], stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert b"two outputs cannot go to one file" in done.stderr


def test_ndjson_has_no_trailer_without_the_option(tmp_path: Path) -> None:
    make(tmp_path / "top", {"f": None})
    assert b'"scan"' not in run("list", "--format", "ndjson", tmp_path / "top").stdout
    result = run("list", "--trailer", tmp_path / "top")
    assert result.stderr.startswith(b"scanner: --trailer is for ndjson, not for paths")
    assert result.returncode == 2


def test_errors_to_standard_output(tmp_path: Path) -> None:
    top = make(tmp_path / "top", {"f": None})
    result = run("list", "--errors", "-", "-o", "o.csv", top, top / "gone", cwd=tmp_path)
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == [f"{top}/gone"]
    assert sorted(os.listdir(tmp_path)) == ["o.csv", "top"]
    for arguments in (["list"], ["list", "-o", "-"], ["scan"], ["du"]):
        result = run(*arguments, "--errors", "-", top, cwd=tmp_path)
        assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (2, b"", 1)
        assert b"--errors" in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["o.csv", "top"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("C:\\\\new", "C:\\new"), ("a\\tb\\nc", "a\tb\nc"), ("\\\\\\n", "\\\n"), ("\\\\\\\\t", "\\\\t"),
        ("\\x41\\q", "\\x41\\q"), ("end\\", "end\\"), ("\\\\0", "\\0"),
    ],
)  # fmt: skip
def test_escapes_of_a_template_are_read_from_left_to_right(template: str, expected: str, tmp_path: Path) -> None:
    assert run("list", "--template", template, tmp_path).stdout.decode() == expected + "\n"


@pytest.mark.parametrize("command", ["treemap -o p.html", "treemap -o P.SVG", "scan --sizes --report r.html"])
def test_quiet_is_quiet_also_where_home_cannot_be_written(command: str, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    environment = {**os.environ, "HOME": "/proc/none", "PYTHONPATH": str(ROOT)}
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [*SCANNER, *command.split(), "-q", "top"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_reports_have_suffixes_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    names = ["R.JSON", "R.Md", "R.HTML"]
    flags = [argument for name in names for argument in ("--report", name)]
    assert run("scan", "--sizes", *flags, "top", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "R.JSON").read_text())["outcome"] == "complete"
    assert 'class="treemap"' in (tmp_path / "R.HTML").read_text()


@pytest.mark.parametrize("name", ["p.html", "P.SVG"])
def test_a_treemap_writes_nothing_into_home(name: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run([*SCANNER, "treemap", "-o", name, "home"], cwd=tmp_path, env=environment, check=True)
    assert os.listdir(tmp_path / "home") == []


def test_a_treemap_does_not_load_matplotlib() -> None:
    code = "import sys, scanner.report.html; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("arguments", ["-o {0}/a.csv -o -", "-o {0}/a.csv -o /dev/stdout", "-o {0}/a.csv --errors -"])
def test_a_closed_standard_output_never_becomes_an_output_file(arguments: str, tmp_path: Path) -> None:
    """The next file that is opened would get its descriptor."""
    (tmp_path / "t").mkdir()
    line = f"{' '.join(SCANNER)} list {arguments.format(tmp_path)} {tmp_path}/t {tmp_path}/missing >&-"
    result = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=60)
    assert result.returncode == 3
    if (tmp_path / "a.csv").exists():
        assert len((tmp_path / "a.csv").read_text().splitlines()) == 2
        assert "{" not in (tmp_path / "a.csv").read_text()


def test_an_output_that_standard_output_goes_to_as_well(tmp_path: Path) -> None:
    line = f"{' '.join(SCANNER)} list -o {tmp_path}/a.csv -o - {tmp_path} >{tmp_path}/a.csv"
    result = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=60)
    assert result.returncode == 2
    assert b"two outputs cannot go to one file" in result.stderr
