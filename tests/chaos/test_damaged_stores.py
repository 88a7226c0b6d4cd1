"""Stores with damaged, swapped or missing pages: commands end with a message, and a wrong list is never a success."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.shell import call
from tests.support.trees import build

PAGE = 8192
Damage = Callable[[bytearray, random.Random], None]


def zeros(data: bytearray, chance: random.Random) -> None:
    place = page_of(data, chance)
    data[place : place + PAGE] = bytes(PAGE)


def noise(data: bytearray, chance: random.Random) -> None:
    place = page_of(data, chance)
    data[place : place + PAGE] = chance.randbytes(PAGE)


def bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(20):
        data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)


def swapped(data: bytearray, chance: random.Random) -> None:
    one, other = page_of(data, chance), page_of(data, chance)
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def page_of(data: bytearray, chance: random.Random) -> int:
    return PAGE * chance.randrange(len(data) // PAGE)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("damage", [zeros, noise, bits, swapped, cut])
def test_a_damaged_store(damage: Damage, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance = random.Random(7)
    top = Path(shutil.copytree(build(tmp_path_factory, "monorepo", 300, 1200), tmp_path / "top", symlinks=True))
    store, good = tmp_path / "store", tmp_path / "good"
    call("scan", "--sizes", "--store", good, top)
    (top / "new").touch()
    call("scan", "--sizes", "--store", good, top)
    expected = call("list", top).stdout
    for _ in range(12):
        data = bytearray(good.read_bytes())
        damage(data, chance)
        for command in (
            ["list", "--from", store], ["list", "--store", store, top], ["du", "--from", store], ["snapshots", store],
            ["snapshots", "--check", store], ["snapshots", "--prune", "--keep", "1", store],
        ):  # fmt: skip
            for path in tmp_path.glob("store*"):
                path.unlink()
            store.write_bytes(data)
            result = call(*command)
            assert b"Traceback" not in result.stderr
            assert command[0] != "list" or result.returncode or result.stdout == expected
