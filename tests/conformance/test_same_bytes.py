"""Every format holds the same, whichever reader, backend and number of workers has made it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from scanner.backends import auto
from scanner.export import pages
from scanner.kernel.native import native
from tests.conftest import READERS, Trees, use
from tests.support.pairwise import pairwise
from tests.support.shell import call

FORMATS: dict[str, tuple[str, ...]] = {
    "a.txt": (),
    "0.txt": ("-0",),
    "plain.txt": ("--template", "{type} {size} {mtime} {name} {path}"),
    "aligned.txt": ("--template", "{size:>12,} {path!r}"),
    "a.ndjson": ("--fields", "all"),
    "a.csv": ("--fields", "all"),
    "a.csv.gz": (),
    "targets.csv": ("--fields", "type,target"),
    "targets.ndjson": ("--fields", "all,target,owner"),
    "targets.sqlite": ("--fields", "target"),
    "targets.parquet": ("--fields", "size,target"),
    "links.txt": ("--template", "{path} -> {target}"),
    "names.ndjson": ("--fields", "owner,group,mtime_ns"),
    "names.parquet": ("--fields", "all,owner"),
    "names.sqlite": ("--fields", "group"),
    "a.ncdu": (),
    "a.folded": (),
    "a.parquet": ("--fields", "all"),
    "a.sqlite": ("--fields", "all"),
}
WAYS = [("serial", 1), *((backend, workers) for backend in ("auto", "pool") for workers in (1, 2, 8))]
"""`auto` stands for threads, where the compiled reader is used."""


def rows_of(file: Path) -> list[Any]:
    database = sqlite3.connect(file)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [database.execute(f"SELECT rowid, * FROM {table}").fetchall() for table in ("entries", "unreadable")]
        return [database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall(), *tables]
    finally:
        database.close()


CONTENTS: dict[str, Callable[[Path], Any]] = {".parquet": pyarrow.parquet.read_table, ".sqlite": rows_of}


def content(top: Path, folder: Path, name: str, backend: str, workers: int) -> Any:
    result = call("list", "--backend", backend, "--workers", str(workers), *FORMATS[name], "-o", folder / name, top)
    assert (result.returncode, result.stderr) == (0, b"")
    return CONTENTS.get(Path(name).suffix, Path.read_bytes)(folder / name)


@pytest.fixture(scope="module")
def references() -> dict[tuple[str, str], Any]:
    return {}


@pytest.mark.skipif(native() is None, reason="not built")
@pytest.mark.parametrize(
    ("name", "way", "reader", "profile"), pairwise([*FORMATS], WAYS, [*READERS], ["monorepo", "odd"]), ids=str
)
def test_a_format_by_any_reader_and_backend(
    name: str, way: tuple[str, int], reader: str, profile: str, trees: Trees, tmp_path: Path,
    references: dict[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(pages, "LEAST_ROWS", 300)
    monkeypatch.setattr(auto, "THREADS_AFTER", 0)
    (tmp_path / "made").mkdir()
    if (name, profile) not in references:
        use("pure", monkeypatch)
        references[name, profile] = content(trees[profile], tmp_path, name, "serial", 1)
    use(reader, monkeypatch)
    assert content(trees[profile], tmp_path / "made", name, *way) == references[name, profile]
