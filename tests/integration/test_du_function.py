"""`scanner.du` yields what `scanner du` prints, and `scanner.why` returns what `scanner why` prints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.support.shell import call
from tests.support.trees import make


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = make(tmp_path / "top", {"a": {"b": {}, "x.o": None}, "c": {}, "link": "a"})
    for number, path in enumerate((top / "a" / "one", top / "a" / "b" / "two", top / "c" / "three")):
        path.write_bytes(b"x" * 5000 * (number + 1))
        os.utime(path, ns=(number * 10**18, number * 10**18))
    os.link(top / "a" / "one", top / "c" / "again")
    (top / os.fsdecode(b"\xff")).write_bytes(b"y" * 9000)
    return top


def rows(*words: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call("du", "--json", *words).stdout)["rows"]
    return found


def as_rows(totals: Any, *, timed: bool = False) -> list[dict[str, Any]]:
    return [
        {"path": os.fsencode(total.path).decode(errors="replace"), "disk_bytes": total.disk,
         "apparent_bytes": total.size, "entries": total.entries, **({"latest_ns": total.latest_ns} if timed else {})}
        for total in totals
    ]  # fmt: skip


@pytest.mark.parametrize(("flags", "keywords"), [
    ([], {}), (["-d1"], {"depth": 1}), (["-a"], {"files": True}), (["-a", "-d1"], {"files": True, "depth": 1}),
    (["-l"], {"count_links": True}), (["--exclude", "b"], {"exclude": "b"}), (["-L"], {"followlinks": True}),
    (["--time"], {"time": "mtime"}), (["--time=atime", "-a"], {"time": "atime", "files": True}),
    (["--type", "f"], {"types": "f"}),
], ids=str)  # fmt: skip
def test_the_function_yields_what_the_command_prints(
    flags: list[str], keywords: dict[str, Any], top: Path, backend: dict[str, Any]
) -> None:
    expected = [{name: value for name, value in row.items() if name != "path_b64"} for row in rows(*flags, top)]
    found = list(scanner.du(top, **keywords, **backend))
    assert as_rows(found, timed="time" in keywords) == expected
    assert {total.is_directory for total in found} == ({True, False} if "files" in keywords else {True})


def test_several_roots(top: Path) -> None:
    file = top / "a" / "one"
    for roots in ([top / "a", top], [file, top / "a", top / "c"], [top, top], [top / "link", top / "a"]):
        assert as_rows(scanner.du(roots)) == as_rows(scanner.du(roots, backend="serial"))
        assert [row["disk_bytes"] for row in as_rows(scanner.du(roots))] == [r["disk_bytes"] for r in rows(*roots)]
        twice = as_rows(scanner.du(roots, count_links=True, depth=0))
        assert [row["path"] for row in twice] == [str(root) for root in roots]
        assert [row["disk_bytes"] for row in twice] == [row["disk_bytes"] for row in rows("-sl", *roots)]
    (linked,) = scanner.du([top / "link"], dereference=True, depth=0)
    (target,) = scanner.du(top / "a", depth=0)
    assert linked == target._replace(path=str(top / "link"))
    assert list(scanner.du([])) == []


def test_paths_have_the_type_of_the_roots(top: Path) -> None:
    as_bytes = list(scanner.du(os.fsencode(top), files=True))
    assert as_bytes == [total._replace(path=os.fsencode(total.path)) for total in scanner.du(top, files=True)]
    with pytest.raises(TypeError, match="all str or all bytes"):
        scanner.du([str(top), os.fsencode(top)])  # type: ignore[type-var]


def test_own_sums_are_without_sub_directories(top: Path) -> None:
    every = {total.path: total for total in scanner.du(top)}
    root = every[str(top)]
    assert sum(total.own_disk for total in every.values()) == root.disk
    assert sum(total.own_size for total in every.values()) == root.size
    assert sum(total.own_entries for total in every.values()) == root.entries
    assert (root.latest_ns, root.own_latest_ns) == (None, None)


def test_errors(top: Path) -> None:
    errors: list[OSError] = []
    assert len(list(scanner.du([top / "nowhere", top / "c"], onerror=errors.append))) == 1
    assert [error.filename for error in errors] == [str(top / "nowhere")]
    for keywords, message in (
        ({"depth": -1}, "depth must be"), ({"time": "birth"}, "time must be"), ({"stat": True}, "stat is for"),
        ({"max_workers": 0}, "max_workers must be"),
    ):  # fmt: skip
        with pytest.raises(scanner.OptionError, match=message):
            scanner.du(top, **keywords)  # type: ignore[arg-type]
    with pytest.raises(scanner.ScanTimeout):
        list(scanner.du(top, timeout=1e-9))
    with pytest.raises(ValueError, match="null byte"):
        next(scanner.du("a\0b"))


def test_a_caller_may_stop_early(top: Path, backend: dict[str, Any]) -> None:
    totals = scanner.du(top, **backend)
    next(totals)
    totals.close()  # type: ignore[attr-defined]


def test_why(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scanner.why(top / "a" / "x.o", top) == scanner.Answer(None)
    answer = scanner.why("a/x.o", top, exclude="*.o")
    assert answer.is_included is False
    assert answer.reason is not None
    assert "*.o" in answer.reason
    printed = call("why", "--exclude", "*.o", top, "a/x.o").stdout.decode()
    assert answer.reason in printed
    monkeypatch.chdir(top)
    assert scanner.why(b"a/one").is_included
    assert scanner.why("nothing").is_included is None
    with pytest.raises(scanner.OptionError, match="empty"):
        scanner.why("")
