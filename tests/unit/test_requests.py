"""Requesting types ahead: nothing is lost, whatever fails in the middle."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from scanner.kernel import requests
from scanner.kernel.requests import with_types


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[os.DirEntry[str]]:
    monkeypatch.setattr(requests, "SLOW_REQUEST", -1.0)
    monkeypatch.setattr(requests, "BATCH", 10)
    for number in range(45):
        (tmp_path / str(number)).touch()
    return list(os.scandir(tmp_path))


@pytest.mark.parametrize("count", [0, 1, 16, 17, 26, 27, 45])
@pytest.mark.parametrize("threads", [1, 8])
def test_all_come_in_their_order(count: int, threads: int, entries: list[os.DirEntry[str]]) -> None:
    assert list(chain.from_iterable(with_types(iter(entries[:count]), follow=True, threads=threads))) == entries[:count]


@pytest.mark.parametrize("count", [3, 16, 20, 26, 40])
def test_what_came_before_an_error_comes_and_then_the_error(count: int, entries: list[os.DirEntry[str]]) -> None:
    def broken() -> Iterator[Any]:
        yield from entries[:count]
        raise OSError(errno.EIO, "broken off")

    got = []
    with pytest.raises(OSError, match="broken off"):
        for entry in chain.from_iterable(with_types(broken(), follow=True, threads=8)):
            got.append(entry)  # noqa: PERF402  # until it raises
    assert got == entries[:count]


def test_without_threads_types_are_queried_one_by_one(
    entries: list[os.DirEntry[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert list(chain.from_iterable(with_types(iter(entries), follow=True, threads=8))) == entries
