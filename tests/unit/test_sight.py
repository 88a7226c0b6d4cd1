"""What workers on several machines see of the roots, compared; and device numbers, made the same."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner
from scanner.backends.sight import KEPT, DeviceNumbers, Guard, difference, look, made_up
from scanner.fields import NULL
from scanner.kernel.pack import DeviceColumn
from scanner.model import Chunk, Fault
from scanner.options import ScanOptions
from tests.conftest import use


def test_a_root_looks_like_itself(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    roots = [str(tmp_path)]
    assert difference(roots, look(roots), look(roots)) is None


def test_an_empty_directory_in_the_place_of_a_root_differs(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    roots = [str(tmp_path)]
    sight = look(roots)
    (tmp_path / "empty").mkdir()
    other = {**sight, "roots": look([str(tmp_path / "empty")])["roots"]}
    assert str(difference(roots, sight, other)).startswith(f"{tmp_path}: inode ")


def test_a_missing_root_differs_from_one_that_is_there_and_not_from_another_missing_one(tmp_path: Path) -> None:
    there, missing = look([str(tmp_path)]), look([str(tmp_path / "missing")])
    assert difference(["/r"], missing, missing) is None
    assert difference(["/r"], there, missing) == "/r: readable / No such file or directory"


def changed(sight: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**sight, "roots": [{**sight["roots"][0], **values}]}


def test_a_root_that_is_modified_between_two_looks_is_the_same(tmp_path: Path) -> None:
    for number in range(2 * KEPT):
        (tmp_path / f"{number}").touch()
    roots = [str(tmp_path)]
    before = look(roots)
    (tmp_path / "new").touch()
    assert difference(roots, before, look(roots)) is None
    strangers = [os.urandom(6) for _ in range(KEPT)]
    later = before["roots"][0]["mtime"] + 1
    assert difference(roots, before, changed(before, mtime=later, names=sorted(strangers))) == (
        f"{tmp_path}: other names in it"
    )
    assert difference(roots, before, changed(before, names=before["roots"][0]["names"][1:])) is not None, "same time"


def test_a_small_difference_of_the_size_is_none(tmp_path: Path) -> None:
    roots = [str(tmp_path)]
    sight = look(roots)
    size = sight["roots"][0]["size"]
    assert difference(roots, sight, changed(sight, size=int(size * 1.05))) is None
    assert "bytes" in str(difference(roots, sight, changed(sight, size=2 * size)))


def test_device_numbers_are_those_of_the_reference_by_path() -> None:
    own = {"numbers": [[b"/srv", 45], [b"/srv/far", 46], [b"/srv/late", 47]]}
    numbers = DeviceNumbers(["/srv"], own, {b"/srv": 48, b"/srv/far": 45})
    assert [numbers(45), numbers(46)] == [48, 45]
    assert numbers(47) == made_up(b"/srv/late"), "nobody had mounted it at the start"
    assert numbers(99) == 99, "a subvolume, for example, has no mount"


@given(st.lists(st.sampled_from([NULL, 5, 6, 7]), max_size=20))
def test_a_column_of_devices_is_renumbered(devices: list[int]) -> None:
    options = ScanOptions()._replace(canonical=lambda number: number + 100)
    column = DeviceColumn(options, ["size", "dev"])
    rows = struct.pack(f"{2 * len(devices)}q", *range(len(devices)), *devices)
    expected = [number if number == NULL else number + 100 for number in devices]
    assert column.changed(rows, -1) == struct.pack(f"{2 * len(devices)}q", *range(len(devices)), *expected)


def test_both_readers_renumber_devices(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scanner.run import Run

    use(reader, monkeypatch)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()
    options = ScanOptions(stat=("dev",), backend="serial")._replace(canonical=lambda _: 77)
    with Run([str(tmp_path)], options) as run:
        entries = list(run.collect().entries())
    assert [entry.dev for entry in entries] == [77] * 3
    assert {entry.dev for entry in scanner.entries(str(tmp_path), stat=("dev",))} == {os.stat(tmp_path).st_dev}


def test_a_root_that_is_replaced_is_lost_once_something_has_vanished(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    guard = Guard([str(root)])
    vanished = Chunk(1, str(root), faults=[Fault(f"{root}/a", "open", 2, "", "vanished")])
    assert guard.loss(vanished) is None
    root.rename(tmp_path / "moved")
    root.mkdir()
    assert guard.loss(vanished) == str(root)
    assert guard.loss(Chunk(2, str(root))) == str(root), "for good"
    guard.close()
