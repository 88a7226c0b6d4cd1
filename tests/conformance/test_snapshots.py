"""Scans with a snapshot store equal `os.walk`, whatever has changed, and older snapshots stay as they were."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scanner
from tests.conftest import use
from tests.support.changes import Changes

TICK = 0.02  # seconds: more than a tick of the clock of any kernel, so that changes have later times


def current_paths(store: Path) -> set[bytes]:
    """Return the directories of the newest snapshot, as the rows have them."""
    database = sqlite3.connect(store)
    paths = {path for (path,) in database.execute("SELECT path FROM versions WHERE until IS NULL")}
    database.close()
    return paths


def nights(top: Path, store: Path, seed: int, count: int, **options: Any) -> int:
    """Scan, compare and change a tree several times. Return how many directories were kept."""
    changes = Changes(str(top), seed)
    changes.make(80, only_growth=True)
    before: dict[int, Any] = {}
    kept = 0
    for _ in range(count):
        time.sleep(TICK)
        expected = list(os.walk(top))
        assert scanner.scan(top, store=store, **options) == [(str(path), dirs, files) for path, dirs, files in expected]
        stored = scanner.Store(store)
        newest = stored.snapshots[-1]
        assert newest.state == "complete"
        kept += newest.kept
        before[newest.number] = expected
        assert {number: stored.scan(number) for number in before} == before
        assert list(stored.walk(newest.number)) == expected
        assert list(scanner.walk(top, store=store, **options)) == expected
        assert current_paths(store) == {
            os.fsencode(path[len(str(top)) + 1 :]) for path, _, _ in map(_as_text, expected)
        }
        assert stored.check() == []
        time.sleep(TICK)
        changes.make(4)
    return kept


def _as_text(walked: Any) -> Any:
    path, dirs, files = walked
    return os.fsdecode(path), dirs, files


@pytest.mark.usefixtures("later")
def test_scans_equal_os_walk_after_any_changes(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / "tree").mkdir()
    assert nights(tmp_path / "tree", tmp_path / "store", seed=1, count=4, **backend) > 20


@given(seed=st.integers(0, 1 << 32))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@pytest.mark.usefixtures("later")
def test_any_series_of_changes(
    seed: int, reader: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    use(reader, monkeypatch)
    folder = tmp_path_factory.mktemp("any")
    (folder / "tree").mkdir()
    nights(folder / "tree", folder / "store", seed=seed, count=5, backend="serial")
