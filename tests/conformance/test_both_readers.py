"""The compiled reader of directories says what the one in Python says."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings

from scanner.kernel.read import reader_name
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task
from scanner.options import ScanOptions
from tests.conformance.test_any_tree import TREES, build

OPTIONS: list[dict[str, Any]] = [
    {"packing": "names"},
    {"packing": "names", "followlinks": True, "detect_loops": True},
    {"packing": "paths"},
    {"packing": "paths", "separator": b"\0"},
    {"packing": "counts"},
]


def fields(chunk: Chunk) -> dict[str, Any]:
    return {name: getattr(chunk, name) for name in Chunk.__slots__}


def walked(top: Any, pure: str, joined: bool, options: dict[str, Any]) -> dict[str, Any]:
    with mock.patch.dict(os.environ, SCANNER_PURE=pure):
        walker = Walker(ScanOptions(roots=(top,), max_depth=30, **options), joined=joined)
        try:
            return fields(walker.walk(Task(1, [top], 0, 10_000, 60.0)))
        finally:
            walker.close()


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="needs Linux and a C compiler")
def test_where_it_can_be_built_it_is_used(reader: str) -> None:
    assert reader_name(ScanOptions()) == {"compiled": "compiled", "pure": "python"}[reader]
    assert reader_name(ScanOptions(followlinks=True)) == "python", "opened by path, as os.walk does"


@pytest.mark.parametrize("joined", [True, False], ids=["joined", "lists"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("profile", ["monorepo", "odd", "flat"])
def test_on_every_profile(profile: str, options: dict[str, Any], joined: bool, trees: dict[str, Path]) -> None:
    if profile == "odd" and "followlinks" in options:
        pytest.skip("its links lead round the whole machine")
    tops: list[Any] = [str(trees[profile])]
    if options["packing"] == "names":
        tops.append(os.fsencode(tops[0]))
    for top in tops:
        assert walked(top, "0", joined, options) == walked(top, "1", joined, options)


@given(tree=TREES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_on_any_tree(tree: dict[bytes, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), tree)
        for options in OPTIONS[::2]:
            assert walked(folder, "0", True, options) == walked(folder, "1", True, options)


@pytest.mark.parametrize("count", [127, 1000, 2000])
def test_names_that_fill_more_than_one_buffer(count: int, tmp_path: Path) -> None:
    for number in range(count):
        (tmp_path / f"{number:0255}").touch()
    for joined in (True, False):
        compiled, pure = (walked(str(tmp_path), value, joined, {}) for value in "01")
        assert compiled == pure
        assert compiled["files"] == count
