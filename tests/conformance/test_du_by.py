"""`scanner du --by`: the sums of owners, groups, suffixes, ages and directories add up to the totals of du.

Also what else `du` prints beyond GNU du: sorted rows and JSON.
"""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scanner.kernel.producers.summary import suffix_of
from tests.conftest import READERS, use
from tests.support.pairwise import pairwise
from tests.support.shell import call

BY = ["owner", "group", "suffix", "age", "directory"]
SUFFIXES = ["", ".a", ".B", ".é", ".new\nline"]
WAYS = [["--backend", "serial"], [], ["--backend", "pool", "--workers", "2"]]
CHOICES: list[list[str]] = [
    [], ["-l"], ["-L"], ["-x"], ["--older", "@1700000000"], ["--type", "f"], ["--exclude", "d1*"], ["--size", "+1K"],
    ["--newer", "@1600000000", "--exclude", "*.a"],
]  # fmt: skip


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of several owners and ages, with links between any two directories; symlinks; odd suffixes."""
    top = tmp_path_factory.mktemp("by")
    rng = random.Random(5)
    places = [top]
    for number in range(25):
        place = rng.choice(places) / f"d{number}"
        place.mkdir()
        places.append(place)
    for number in range(150):
        path = rng.choice(places) / f"f{number}{rng.choice(SUFFIXES)}"
        path.write_bytes(b"x" * rng.choice((0, 1, 100, 5000, 70_000)))
        if os.geteuid() == 0:
            os.chown(path, number % 3, number % 4)
        os.utime(path, ns=((number + 1) * 10**18 // 80,) * 2)
        for name in range(rng.choice((0, 0, 1, 4))):
            (rng.choice(places) / f"f{number}-{name}{rng.choice(['.a', '.c'])}").hardlink_to(path)
    (top / "symbolic").symlink_to("nowhere")
    (top / "d0" / "around").symlink_to(f"../{places[-1].relative_to(top)}")
    (top / os.fsdecode(b"\xff.\xfe")).write_bytes(b"z" * 9000)
    return top


def document(*words: Any, **kwargs: Any) -> dict[str, Any]:
    result = call("du", "--json", *words, **kwargs)
    assert (result.returncode, result.stderr) == (0, b""), words
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["outcome"] == "complete"
    return found


def added(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in ("disk_bytes", "apparent_bytes", "entries")}


def gnu_total(*words: Any) -> dict[str, int]:
    figures = {"disk_bytes": ["-B1"], "apparent_bytes": ["-b"], "entries": ["--inodes"]}
    outputs = {
        name: subprocess.run(["du", "-sc", *flags, *words], capture_output=True, check=False).stdout
        for name, flags in figures.items()
    }
    return {name: int(output.splitlines()[-1].split(b"\t")[0]) for name, output in outputs.items()}


def test_sums_add_up_to_the_total_of_du(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, *_ = (path for path in sorted(top.iterdir()) if path.is_dir())
    file = next(path for path in sorted(one.iterdir()) if path.is_file())
    roots = [[top], [one, file, two], [file, top, file], [two, top]]
    for by, choice, way, reader, places in pairwise(BY, CHOICES, WAYS, [*READERS], roots):
        use(reader, monkeypatch)
        table = document("--by", by, *choice, *way, *places)
        usual = document("-s", *choice, *way, *places)
        assert added(table["rows"]) == table["total"] == usual["total"], (by, choice, way, places)
        if len(choice) < 2:
            assert table["total"] == gnu_total(*choice, *places)


def test_the_groups_are_those_of_the_first_names(top: Path, reader: str) -> None:
    met, entries = set(), []
    for root, dirs, files in os.walk(top):
        links = [name for name in dirs if os.path.islink(os.path.join(root, name))]
        for path in [root, *(os.path.join(root, name) for name in [*files, *links])]:
            status = os.lstat(path)
            if status.st_ino not in met:
                met.add(status.st_ino)
                entries.append((path, status))
    owners = Counter(status.st_uid for _, status in entries)
    assert {row["uid"]: row["entries"] for row in document("--by", "owner", top)["rows"]} == owners
    groups = Counter(status.st_gid for _, status in entries)
    assert {row["gid"]: row["entries"] for row in document("--by", "group", top)["rows"]} == groups
    regular = [(path, status) for path, status in entries if stat.S_ISREG(status.st_mode)]
    suffixes = Counter(suffix_of(os.path.basename(path)).encode(errors="replace") for path, _ in regular)
    rows = document("--by", "suffix", top)["rows"]
    found = {row["suffix"].replace("\ufffd", "?").encode(): row["entries"] for row in rows if "suffix" in row}
    assert found == suffixes
    kinds = {row["type"]: row["entries"] for row in rows if "type" in row}
    assert sum(kinds.values()) == len(entries) - len(regular)
    ages = document("--by", "age", top)["rows"]
    assert sum(row["entries"] for row in ages if "below_days" in row) == len(regular)


def test_by_directory_to_a_depth(top: Path) -> None:
    table = document("--by", "directory", "-d", "0", top)
    assert [row["path"] for row in table["rows"]] == [str(top)]
    first = {row["path"] for row in document("--by", "directory", top)["rows"]}
    assert first == {str(top), *(str(top / name) for name in os.listdir(top) if (top / name).is_dir())}
    every = document("--by", "directory", "-d", "99", top)["rows"]
    separate = document("-S", top)["rows"]
    assert sorted(map(str, every)) == sorted(map(str, separate))


def test_sums_from_a_snapshot(top: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    fields = "size,blocks,mode,ino,dev,nlink,uid,gid,mtime_ns"
    assert call("list", "--store", store, "--fields", fields, "--format", "csv", top).returncode == 0
    for by in BY:
        for choice in ([], ["-l"], ["--older", "@1700000000", "--type", "f"]):
            assert document("--by", by, *choice, "--from", store) == document("--by", by, *choice, top)


def test_a_snapshot_without_owners(top: Path, tmp_path: Path) -> None:
    assert call("du", "-s", "--store", tmp_path / "store", top).returncode == 0
    result = call("du", "--by", "owner", "--from", tmp_path / "store")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"uid" in result.stderr
    assert call("du", "--by", "suffix", "--from", tmp_path / "store").returncode == 0


def test_a_table_for_people(top: Path) -> None:
    lines = call("du", "--by", "suffix", "-b", "--top", "2", top).stdout.decode().splitlines()
    assert lines[0].split() == ["disk", "usage", "apparent", "size", "entries", "suffix"]
    assert [line.split()[3] for line in lines[3:]] == ["(others)", "total"]
    assert len(lines) == 5
    columns = [[int(cell) for cell in line.split()[:3]] for line in lines[1:]]
    assert [sum(column) for column in zip(*columns[:-1], strict=True)] == columns[-1]
    assert b".new\\nline" in call("du", "--by", "suffix", top).stdout


@pytest.mark.parametrize("sort", ["size", "name", "count"])
def test_tables_are_sorted(sort: str, top: Path) -> None:
    rows = document("--by", "directory", "--sort", sort, top)["rows"]
    keys = {
        "size": lambda row: -row["disk_bytes"],
        "name": lambda row: row["path"],
        "count": lambda row: -row["entries"],
    }
    assert rows == sorted(rows, key=keys[sort])


@pytest.mark.parametrize("flags", [
    ["-a"], ["-S"], ["-t", "1"], ["--time"], ["--inodes"], ["-0"], ["-s"], ["-d1"], ["--sort", "mtime"],
])  # fmt: skip
def test_options_that_say_nothing_about_a_table_are_refused(flags: list[str], top: Path) -> None:
    result = call("du", "--by", "owner", *flags, top)
    assert (result.returncode, result.stdout) == (2, b"")
    assert flags[0].encode()[:2] in result.stderr


@pytest.mark.parametrize(
    "flags", [[], ["-a"], ["-S"], ["-d1"], ["-t", "5K"], ["--time=ctime"], ["--time", "-l"]], ids=str
)
def test_json_has_the_rows_of_the_lines(flags: list[str], top: Path, reader: str) -> None:
    found = document(*flags, top)
    for figure, unit in (
        ("disk_bytes", ["-B1"]),
        ("apparent_bytes", ["--apparent-size", "-B1"]),
        ("entries", ["--inodes"]),
    ):
        if "-t" in flags and figure != "disk_bytes":
            continue
        style = ["--time-style=+%s%N"] if any(flag.startswith("--time") for flag in flags) else []
        lines = [line.split(b"\t") for line in call("du", "-0", *flags, *unit, *style, top).stdout.split(b"\0")[:-1]]
        paths = [os.fsencode(row["path"]) for row in found["rows"] if "path_b64" not in row]
        assert [line[-1] for line in lines if line[-1].isascii() or b"\xff" not in line[-1]] == paths
        assert [int(line[0]) for line in lines] == [row[figure] for row in found["rows"]]
        if style:
            assert [int(line[1]) for line in lines] == [row["latest_ns"] for row in found["rows"]]


@pytest.mark.parametrize("sort", ["size", "name", "count", "mtime", None])
@pytest.mark.parametrize("top_rows", [None, 1, 7, 1000])
def test_rows_are_sorted(sort: str | None, top_rows: int | None, top: Path) -> None:
    words = [*(["--sort", sort] if sort else []), *(["--top", str(top_rows)] if top_rows else [])]
    rows = document("-a", "--time", top)["rows"]
    keys = {
        "size": lambda row: -row["disk_bytes"], "count": lambda row: -row["entries"],
        "name": lambda row: os.fsencode(row["path"]), "mtime": lambda row: -row["latest_ns"],
        None: (lambda row: -row["disk_bytes"]) if top_rows else lambda _: 0,
    }  # fmt: skip
    assert document("-a", "--time", *words, top)["rows"] == sorted(rows, key=keys[sort])[:top_rows]


def test_a_total_that_is_not_known_is_null(top: Path) -> None:
    for words in ([], ["--by", "owner"]):
        result = call("du", "--json", "--timeout", "0.000001", *words, top)
        assert result.returncode == 75
        found = json.loads(result.stdout)
        assert (found["total"], found["outcome"]) == (None, "timeout")


@pytest.mark.parametrize("flags", [["-0"], ["-h"], ["-k"], ["--si"], ["-B", "4K"]])
def test_json_has_no_lines_and_no_units(flags: list[str], top: Path) -> None:
    result = call("du", "--json", *flags, top)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"--json" in result.stderr
