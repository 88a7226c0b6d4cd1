"""`scanner diff`: what it prints and writes, its rules and exit codes."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pyarrow.parquet
import pytest

import scanner
from scanner.errors import OptionError
from scanner.report.changes import BY
from scanner.report.rules import rules_of
from tests.support.mounting import mounting
from tests.support.shell import ROOT, SCANNER, call, run
from tests.support.trees import make

FIELDS = ("size", "blocks", "mode", "uid", "gid", "mtime_ns")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = make(tmp_path / "tree", {
        "a": {"1": None, "b": {"2": None, "c": {"3.txt": None}}}, "e": {"f": {"4": None}},
        "g": {"5": None, "h": {"6": None}},
    })  # fmt: skip
    for path in top.rglob("*"):
        if path.is_file():
            path.write_text("x" * 100)
    return top


@pytest.fixture
def store(top: Path, tmp_path: Path) -> Path:
    """Two snapshots, between which much has changed."""
    store = tmp_path / "nightly.snap"
    time.sleep(0.06)  # what is younger is not known to be moved
    scanner.scan(top, store=store, stat=FIELDS)
    (top / "a" / "1").write_text("less")
    (top / "g" / "h").rename(top / "e" / "hh")
    shutil.rmtree(top / "a" / "b")
    make(top / "new", {"sub": {"x.txt": None}})
    (top / "new" / "sub" / "x.txt").write_text("x" * 50)
    (top / "e").chmod(0o700)
    (top / "e" / "f" / "4").rename(top / "moved 4")
    (top / "g" / "5").unlink()
    (top / "g" / "5").mkdir()
    scanner.scan(top, store=store, stat=FIELDS)
    return store


def code_of(*arguments: Any) -> int:
    return call("diff", *arguments).returncode


def test_each_kind_of_change_is_one_line(top: Path, store: Path) -> None:
    result = call("diff", store, "--itemize")
    assert (result.returncode, result.stderr) == (0, b"")
    head, *lines = result.stdout.decode().splitlines()
    assert head.startswith(f"{top}: -346 B (-57.7%), 3 added, 4 removed, 3 changed, 2 moved since ")
    assert lines == [
        f"M {top}/a/1  (-96 B)",
        f"- {top}/a/b/  3 entries  (-200 B)",
        f"U {top}/e/",
        f"R {top}/g/h/ -> {top}/e/hh/",
        f"T {top}/g/5/  (-100 B)",
        f"R {top}/e/f/4 -> {top}/moved 4",
        f"+ {top}/new/  2 entries  (+50 B)",
    ]


def test_sums_by_directory_are_printed(top: Path, store: Path) -> None:
    lines = call("diff", store).stdout.decode().splitlines()[1:]
    assert [line.split() for line in lines] == [
        ["growth", "added", "removed", "changed", "moved", "directory"],
        ["-296", "B", "0", "4", "1", "0", f"{top}/a"],
        ["+100", "B", "1", "0", "1", "1", str(top)],
        ["-100", "B", "0", "0", "0", "1", f"{top}/e"],
        ["-100", "B", "0", "0", "1", "0", f"{top}/g"],
        ["+50", "B", "2", "0", "0", "0", f"{top}/new"],
    ]


@pytest.mark.parametrize("by", BY)
def test_sums_of_groups_add_up(by: str, store: Path) -> None:
    report = json.loads(call("diff", store, "--json", "--by", by).stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "diff.schema.json").read_text()))
    assert report["total"]["growth"] == sum(group["growth"] for group in report["groups"])
    for name in ("added", "removed", "changed", "moved"):
        assert report["total"][name] == sum(group[name] for group in report["groups"])
    assert report["total"]["growth"] == report["after"]["bytes"] - report["before"]["bytes"]


def test_files_are_written_in_the_format_of_their_suffix(top: Path, store: Path, tmp_path: Path) -> None:
    names = ["t.txt", "t.json", "t.ndjson", "t.csv", "t.parquet", "t.md", "t.xml"]
    files = [word for name in names for word in ("-o", tmp_path / name)]
    assert code_of(store, *files) == 0
    every = [json.loads(line) for line in (tmp_path / "t.ndjson").read_text().splitlines()]
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    changes = list(scanner.Store(store).diff().changes(every=True))
    assert [row["path"] for row in rows] == [each["path"] for each in every] == [change.path for change in changes]
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [(row["kind"], os.fsdecode(row["path"]), row["growth"]) for row in table] == [
        (change.kind, change.path, change.growth) for change in changes
    ]
    assert len(json.loads((tmp_path / "t.json").read_text())["changes"]) == 7
    assert (tmp_path / "t.md").read_text().startswith("**")
    suite = ElementTree.parse(tmp_path / "t.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert code_of(store, "-o", tmp_path / "t.pdf") == 2


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("growth > 0", 0), ("growth < -100", 4), ("growth < -50%", 4), ("growth > 5%", 0), ("removed in a >= 4", 4),
        ("removed in a > 4", 0), ("removed in e >= 1", 0), ("moved == 2", 4), ("added_bytes > 1K", 0),
        ("unknown > 0", 0),
    ],
)  # fmt: skip
def test_a_rule_decides_the_exit_code(rule: str, code: int, store: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text(f"# of our team\n\n{rule}\n")
    for given in (rule, f"@{tmp_path / 'rules'}"):
        result = call("diff", store, "--fail-if", given, "-o", tmp_path / "t.xml")
        assert result.returncode == code
        assert (rule in result.stdout.decode()) == (code == 4)
        suite = ElementTree.parse(tmp_path / "t.xml").getroot()
        assert suite.get("failures") == str(int(code == 4))


@pytest.mark.parametrize("text", ["", "growth", "growth > ", "size > 3", "growth > x", "removed > 5%", "growth >> 3"])
def test_a_text_that_is_no_rule(text: str, store: Path) -> None:
    with pytest.raises(OptionError):
        rules_of([text])
    assert code_of(store, "--fail-if", text) == 2


def test_what_cannot_be_known_is_no_reason_to_pass(top: Path, tmp_path: Path) -> None:
    for _ in range(2):
        scanner.scan(top, store=tmp_path / "names")
    result = call("diff", tmp_path / "names", "--fail-if", "growth > 10G")
    assert (result.returncode, b"sizes are not stored" in result.stdout) == (4, True)


def test_growth_of_nothing_is_more_than_any_share(tmp_path: Path) -> None:
    top, store = make(tmp_path / "t", {"a": None}), tmp_path / "s"
    for text, code in (("", 0), ("", 0), ("x", 4)):
        (top / "a").write_text(text)
        scanner.scan(top, store=store, stat=FIELDS)
        if len(scanner.Store(store).snapshots) > 1:
            assert code_of(store, "--fail-if", "growth > 5%") == code


def test_an_unreadable_directory_is_unknown_and_not_removed(top: Path, store: Path) -> None:
    with mounting() as mounts:
        mounts.memory(top / "e")  # not entered with -x
        scanner.scan(top, store=store, stat=FIELDS)
    names = {change.path for change in scanner.Store(store).diff(2, 3)}
    assert str(top / "e" / "f") in names, "the mount is empty, and that is known"
    other = store.with_name("other")
    scanner.scan(top, store=other, stat=FIELDS, one_file_system=True)
    with mounting() as mounts:
        mounts.memory(top / "e")
        scanner.scan(top, store=other, stat=FIELDS, one_file_system=True)
        diff = scanner.Store(other).diff()
        assert [change for change in diff if change.path.startswith(str(top / "e" / "f"))] == []
        assert diff.unknown == [str(top / "e")]
        assert code_of(other) == 1
        scanner.scan(top, store=other, stat=FIELDS, one_file_system=True)
        assert scanner.Store(other).diff().unknown == []
        assert code_of(other) == 0


def test_an_output_is_never_the_store(store: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(store, tmp_path / "store.json"))
    os.link(other, tmp_path / "hard.json")
    assert code_of(other, "-o", tmp_path / "hard.json") == 2
    before = other.read_bytes()
    assert code_of(other, "-o", other) == code_of(store, other, "-o", other) == 2
    assert code_of(store, "-o", tmp_path / "a.md", "-o", tmp_path / "a.md") == 2
    assert other.read_bytes() == before


def test_snapshots_are_chosen_as_elsewhere(top: Path, store: Path, tmp_path: Path) -> None:
    (top / "third").touch()
    scanner.scan(top, store=store, stat=FIELDS)
    whole = call("diff", store, "1", "3", "--itemize").stdout
    assert b"new/" in whole
    assert b"third" in whole
    for words in (["-3", "-1"], ["@1", "@3"], ["1"], ["-3"]):
        assert call("diff", store, *words, "--itemize").stdout == whole
    assert call("diff", f"{store}@1", f"{store}@3", "--itemize").stdout == whole
    assert b"new/" not in call("diff", store, "--itemize").stdout
    assert code_of(store, "7", "9") == code_of(store, "-1y") == code_of(store, "1", "2", "3") == 2
    assert code_of(tmp_path / "none") == 3


def test_the_tree_as_it_is_now(top: Path, store: Path) -> None:
    (top / "a" / "today").touch()
    before = store.read_bytes()
    lines = call("diff", store, "--live", top, "--itemize").stdout.decode().splitlines()
    assert lines[1:] == [f"+ {top}/a/today"]
    assert store.read_bytes() == before
    assert len(call("diff", store, "1", "--live", top, "--itemize").stdout.splitlines()) == 9


def test_two_stores_of_different_trees(top: Path, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(top, copy, symlinks=True)
    (copy / "a" / "more").touch()
    (copy / "moved 4").rename(copy / "moved again")
    scanner.scan(copy, store=tmp_path / "other", stat=FIELDS)
    changes = {(change.kind, os.path.relpath(change.path, copy)) for change in scanner.diff(store, tmp_path / "other")}
    assert changes == {("+", "a/more"), ("-", "moved 4"), ("+", "moved again")}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    top, store = make(tmp_path / "t", {}), tmp_path / "s"
    scanner.scan(top, store=store)
    (top / os.fsdecode(b"\xff\n\x1b[31m|`")).touch()
    scanner.scan(top, store=store)
    for words in (
        ["--itemize"],
        ["--json"],
        ["-o", tmp_path / "x.csv"],
        ["-o", tmp_path / "x.md"],
        ["-o", tmp_path / "x.xml"],
    ):
        result = run("diff", store, *words)
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"\x1b" not in result.stdout
    ((change),) = scanner.Store(store).diff()
    assert os.fsencode(change.path) == os.fsencode(top) + b"/\xff\n\x1b[31m|`"


def test_the_newer_snapshot_first_tells_what_came_back(top: Path, store: Path) -> None:
    forwards, backwards = (list(scanner.Store(store).diff(*order)) for order in ((1, 2), (2, 1)))
    mirrored = {"+": "-", "-": "+"}
    kinds = Counter((mirrored.get(change.kind, change.kind), change.growth) for change in forwards)
    back = Counter((change.kind, None if change.growth is None else -change.growth) for change in backwards)
    assert back == kinds


def test_the_tree_is_gone(top: Path, store: Path) -> None:
    top.rename(top.with_name("away"))
    result = call("diff", store, "--live", top)
    assert (result.returncode, str(top).encode() in result.stderr) == (3, True)


def test_what_came_into_a_moved_directory(top: Path, store: Path) -> None:
    (top / "a").rename(top / "z")
    make(top / "z" / "new", {"x": None})
    (top / "z" / "new" / "x").write_text("text")
    scanner.scan(top, store=store, stat=FIELDS)
    assert call("diff", store, "--itemize").stdout.decode().splitlines()[1:] == [
        f"R {top}/a/ -> {top}/z/", f"+ {top}/z/new/  1 entries  (+4 B)"
    ]  # fmt: skip


def test_moves_between_roots(tmp_path: Path) -> None:
    one, other = (make(tmp_path / name, {"keep": None, name + " d": {"x": None}}) for name in ("one", "other"))
    store = tmp_path / "s"
    time.sleep(0.06)
    call("list", "--fields", "size,mtime_ns", "--format", "csv", "--store", store, one, other)
    (one / "one d").rename(other / "moved")
    call("list", "--fields", "size,mtime_ns", "--format", "csv", "--store", store, one, other)
    (change,) = scanner.Store(store).diff()
    assert (change.kind, change.source, change.path) == ("R", str(one / "one d"), str(other / "moved"))


def test_a_rule_about_a_directory_counts_what_was_moved_there(top: Path, store: Path) -> None:
    (top / "new" / "sub" / "x.txt").rename(top / "a" / "x.txt")
    scanner.scan(top, store=store, stat=FIELDS)
    for rule, code in (
        ("growth in a > 40", 4), (f"growth in {top}/a > 40", 4), ("growth in ./new < 0", 4), ("growth > 0", 0),
        ("added in /nowhere > 0", 2),
    ):  # fmt: skip
        assert code_of(store, "--fail-if", rule) == code


def test_stores_with_other_columns(top: Path, store: Path, tmp_path: Path) -> None:
    names = tmp_path / "names"
    scanner.scan(top, store=names)
    (top / "moved 4").write_text("longer than before" * 100)
    (top / "e" / "more").touch()
    scanner.scan(top, store=store, stat=FIELDS)
    changes = list(scanner.diff(names, store))
    assert {(change.kind, change.growth) for change in changes} == {("+", None)}


def test_a_closed_standard_output(store: Path) -> None:
    command = f"{' '.join(map(shlex.quote, SCANNER))} diff {shlex.quote(str(store))} >&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert result.returncode == 3
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("rule", ["added in a > 0", "added in ./a > 0", "added in {top}/a > 0", "added in . > 0"])
def test_a_rule_about_a_relative_root(rule: str, tmp_path: Path) -> None:
    top, store = make(tmp_path / "t", {"a": {}}), tmp_path / "s"
    call("scan", "--store", store, ".", cwd=top)
    (top / "a" / "x").touch()
    call("scan", "--store", store, ".", cwd=top)
    result = call("diff", store, "--fail-if", rule.format(top=top), cwd=top)
    assert result.returncode == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.snap"], "'missing.snap' is no file with a store, and a snapshot is a number (41), "),
        (["41"], "there is no finished snapshot of this number; there are 1-"),
        (["--itemize", "--top", "3"], "--top counts groups, which --itemize does not print"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], message: str, store: Path) -> None:
    done = call("diff", store, *arguments)
    assert done.returncode == 2
    assert message in done.stderr.decode()
