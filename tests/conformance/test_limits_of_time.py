"""`--newer` and `--older` beside `find -newermt`, with times one nanosecond apart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.support.shell import call

LIMITS = {
    "@1700000000.123456789": 1_700_000_000_123_456_789,
    "2023-11-14 22:13:20.123456789Z": 1_700_000_000_123_456_789,
    "@1700000000": 1_700_000_000_000_000_000,
    "2023-11-14T22:13:20Z": 1_700_000_000_000_000_000,
    "@-0.000000001": -1,
    "@-1.5": -1_500_000_000,
    "@0": 0,
    "2031-05-05T05:05:05.000000005Z": 1_935_723_905_000_000_005,
}


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("neighbours")
    for limit in set(LIMITS.values()):
        for distance in (-1000, -200, -1, 0, 1, 200, 1000):
            (top / f"{limit + distance}").touch()
            os.utime(top / f"{limit + distance}", ns=(limit + distance,) * 2)
    return top


def found(top: Path, *tests: str) -> set[str]:
    output = subprocess.run(["find", top, "-type", "f", *tests], capture_output=True, check=True).stdout
    return {os.path.basename(line) for line in output.decode().splitlines()}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_where_find_has_it(limit: str, reader: str, neighbours: Path) -> None:
    for flag, tests in {"--newer": ["-newermt", limit], "--older": ["!", "-newermt", limit]}.items():
        listed = call("list", "--type", "f", "--template", "{name}", f"{flag}={limit}", neighbours)
        assert set(listed.stdout.decode().splitlines()) == found(neighbours, *tests), flag


def test_each_entry_is_on_one_side_of_a_limit(backend: Any, neighbours: Path) -> None:
    everything = set(os.listdir(neighbours))
    for limit, nanoseconds in LIMITS.items():
        newer, older = (
            {name for _, _, files in scanner.scan(str(neighbours), **{option: limit}, **backend) for name in files}
            for option in ("newer", "older")
        )
        assert newer == {name for name in everything if int(name) > nanoseconds}
        assert older == everything - newer


def test_a_file_is_not_newer_than_itself(backend: Any, neighbours: Path) -> None:
    name = "1700000000123456789"
    for option in ("newer", "older"):
        result = scanner.scan(str(neighbours), types="f", **{option: neighbours / name}, **backend)
        assert (name in result[0][2]) == (option == "older")
