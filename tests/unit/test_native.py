"""The compiled reader: whether its build fits this source, what its functions accept, and what they refuse."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import sysconfig
from array import array
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from scanner.fields import COLUMNS, NULL
from scanner.kernel import native as door
from scanner.kernel.facts import reader_name
from scanner.kernel.native import (
    ListRequest,
    ListResult,
    RowsRequest,
    RowsResult,
    RunRequest,
    WalkedRun,
    fields_in,
    native,
)
from scanner.options import ScanOptions

CAN_BUILD = (
    sys.platform == "linux"
    and shutil.which(sysconfig.get_config_var("CC").split()[0]) is not None
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)
pytestmark = pytest.mark.skipif(not CAN_BUILD, reason="requires Linux, a C compiler and the headers of Python")
SIZE = bytes([COLUMNS.index("size")])


@pytest.fixture
def _checked_anew() -> Iterator[None]:
    native.cache_clear()
    yield
    native.cache_clear()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    return import_module("scanner.kernel._native")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Two files and a directory, open."""
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"22")
    (tmp_path / "d").mkdir()
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_the_build_fits_this_source(reader: str) -> None:
    assert native() is not None, "rebuild it: pip install --editable ."
    assert reader_name(ScanOptions()) == {"compiled": "compiled", "pure": "python"}[reader]


@pytest.mark.usefixtures("_checked_anew")
@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("LINK_RULES", ("enter", "mark", "file"), "rules"),
        ("FORMS", ("list", "lines", "joined", "count"), "forms"),
        ("COLUMNS", (*COLUMNS[1:], COLUMNS[0]), "columns"),
        ("GAP", 5, "gap"),
        ("PROBES", 13, "probes"),
        ("PLACE_HEADER", 24, "place_header"),
        ("SLOW_REQUEST", 301e-6, "slow_micros"),
        ("NEWS_SECONDS", 0.003, "news_micros"),
        *((name, None, name) for name in door.TABLES),
    ],
)
def test_a_build_that_differs_in_one_constant_is_not_used(
    name: str, value: Any, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if name in door.TABLES:
        *fields, last_but_one, last = door.fields_in(door.TABLES[name])
        changed = type(name, (), {"__annotations__": dict.fromkeys([*fields, last, last_but_one])})
        monkeypatch.setitem(door.TABLES, name, changed)
    else:
        monkeypatch.setattr(door, name, value)
    with caplog.at_level(logging.WARNING, "scanner"):
        assert (native(), native()) == (None, None)
    (record,) = caplog.records
    assert f"it differs in {key})" in record.getMessage()
    assert "rebuild it: pip install --editable ." in record.getMessage()
    assert reader_name(ScanOptions()) == "python"


@pytest.mark.usefixtures("_checked_anew")
def test_a_worker_does_not_log_an_outdated_build(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "GAP", 5)
    monkeypatch.setattr(door, "_is_worker", False)  # restored after the test
    door.prepare_worker()
    assert native() is None
    assert not caplog.records


@pytest.mark.usefixtures("_checked_anew")
def test_a_build_of_other_sources_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    for source in Path(door.__file__).parent.glob("_*.[ch]"):
        shutil.copy(source, tmp_path)
    monkeypatch.setattr(door, "__file__", str(tmp_path / "native.py"))
    assert native() is not None
    (tmp_path / "_walk.h").write_text((tmp_path / "_walk.h").read_text() + "\n")
    native.cache_clear()
    with caplog.at_level(logging.WARNING, "scanner"):
        assert native() is None
    assert "the C sources have changed since it was built" in caplog.text


def test_the_limited_api_is_not_used_on_free_threaded_builds(tmp_path: Path) -> None:
    """There, `pyconfig.h` defines Py_GIL_DISABLED, and headers refuse the limited API."""
    (tmp_path / "pyconfig.h").write_text("#include_next <pyconfig.h>\n#define Py_GIL_DISABLED 1\n")
    command = [
        *sysconfig.get_config_var("CC").split(), "-dM", "-E", "-I", tmp_path, "-I", sysconfig.get_path("include"),
        Path(door.__file__).with_name("_native.c"),
    ]  # fmt: skip
    macros = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "#define Py_GIL_DISABLED" in macros
    assert "#define Py_LIMITED_API" not in macros


@pytest.mark.usefixtures("_checked_anew")
def test_without_sources_beside_it_only_constants_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(door, "__file__", str(tmp_path / "native.py"))
    assert native() is not None


def test_functions_are_those_that_the_protocol_declares(module: Any) -> None:
    functions = {name for name in vars(module) if not name.startswith("__")} - {"LAYOUT", "BUILD_ID"}
    assert functions == {name for name, value in vars(door.Native).items() if callable(value) and name[0] != "_"}


def listing(parent: int, *, name: Any = ".", limit: int = 10**9, rule: int = 2, form: int = 0) -> ListRequest:
    return ListRequest(parent, name, True, limit, 1 << 20, b"", False, rule, form, b"", False)


def rows_of(folder: int, names: bytes, columns: bytes, count: int, first: int, last: int) -> RowsRequest:
    return RowsRequest(folder, names, columns, False, True, bytearray(8 * count), first, last)


def run(way: list[Any], stack: list[Any], **changes: Any) -> RunRequest:
    return RunRequest(
        way=way, stack=stack, root_length=len(way[0][0]), limit=1 << 20, most_open=8, keep_way=False, device=-1,
        most=64, names=b"", endings=b"", beginnings=b"", entries=1 << 20, requests=1 << 20, text=1 << 20,
        seconds=60.0, news=-1, form=1, separator=b"\n", rule=2, columns=b"", as_bytes=False, place=None, slow_from=60.0,
        hidden_types=0, hides_dotfiles=False, conditions=b"", directory_conditions=b"", only_empty=False, min_depth=0,
        last_depth=door.NO_LIMIT, deepest=door.NO_LIMIT, mount_parents=b"", page=None,
    )._replace(**changes)  # fmt: skip


def test_results_have_the_fields_of_their_tuples(module: Any, folder: int, tmp_path: Path) -> None:
    listed = dict(zip(fields_in(ListResult), module.list_directory(listing(folder)), strict=True))
    os.close(listed.pop("descriptor"))
    assert listed.pop("opening") >= 0
    assert sorted(listed.pop("files")) == ["a", "b"]
    assert listed == {"dirs": ["d"], "links": [], "file_count": 2, "error": 0, "more": False, "requests": 2}
    request = rows_of(folder, b"a\0b", SIZE, 3, 0, 3)
    filled = dict(zip(fields_in(RowsResult), module.fill_rows(request), strict=True))
    assert filled == {"row": 3, "failures": 0}
    assert array("q", bytes(request.rows)).tolist()[1:] == [1, 2]
    (tmp_path / "d" / "e").mkdir()
    stack = [f"{tmp_path}/d"]
    walked = WalkedRun(*module.walk_run(run([(f"{tmp_path}/", folder)], stack)))
    assert (walked.directories, walked.paths, stack) == (2, [f"{tmp_path}/d", f"{tmp_path}/d/e"], [])


@pytest.mark.parametrize("function", ["list_directory", "fill_rows", "walk_run"])
@pytest.mark.parametrize("request_", [None, [], (), (1,) * 40], ids=str)
def test_anything_but_a_request_is_refused(module: Any, function: str, request_: Any) -> None:
    with pytest.raises(TypeError):
        getattr(module, function)(request_)


@pytest.mark.parametrize(("columns", "first", "last"), [(b"", 0, 4), (SIZE, 0, 4), (SIZE, -1, 1), (SIZE, 2, 1)])
def test_rows_outside_of_the_buffer_are_refused(
    module: Any, folder: int, columns: bytes, first: int, last: int
) -> None:
    with pytest.raises(ValueError, match="buffer must hold the rows"):
        module.fill_rows(rows_of(folder, b"a\0b", columns, 3, first, last))


@pytest.mark.parametrize("columns", [bytes([len(COLUMNS)]), b"\xff", SIZE * (len(COLUMNS) + 1)], ids=str)
def test_unknown_columns_are_refused(module: Any, folder: int, columns: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="columns must be"):
        module.fill_rows(rows_of(folder, b"", columns, 100, 0, 1))
    way = [(f"{tmp_path}/", folder)]
    with pytest.raises(ValueError, match="columns must be"):
        module.walk_run(run(way, [f"{tmp_path}/d"], columns=columns))


def test_rows_without_a_name_are_unknown(module: Any, folder: int) -> None:
    request = rows_of(folder, b"a", SIZE, 5, 0, 5)
    assert module.fill_rows(request) == (5, 3)
    assert array("q", bytes(request.rows)).tolist()[2:] == [NULL] * 3


@pytest.mark.parametrize("number", [-1, 99])
def test_unknown_rules_and_forms_are_refused(module: Any, folder: int, number: int, tmp_path: Path) -> None:
    for request in (listing(folder, rule=number), listing(folder, form=number)):
        with pytest.raises(ValueError, match="must be below"):
            module.list_directory(request)
    for name in ("rule", "form"):
        way, stack = [(f"{tmp_path}/", folder)], [f"{tmp_path}/d"]
        with pytest.raises(ValueError, match="must be below"):
            module.walk_run(run(way, stack, **{name: number}))
        assert (len(way), stack) == (1, [f"{tmp_path}/d"])


def test_a_way_that_cannot_be_taken_is_closed(module: Any, folder: int, tmp_path: Path) -> None:
    """Also where one of its items is no pair."""
    way: list[Any] = [(f"{tmp_path}/", folder), ("nonsense",), (f"{tmp_path}/d/", os.dup(folder))]
    with pytest.raises(TypeError):
        module.walk_run(run(way, [f"{tmp_path}/d"]))
    assert len(way) == 1
