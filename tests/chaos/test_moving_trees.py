"""Trees that change while they are scanned."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import scanner
from scanner.kernel.read import Reader
from tests.conftest import use
from tests.support import churn
from tests.support.trees import make

SCANS = 12
SPAWNED_SCANS = 4  # workers by spawn take most of the time, and read as those by fork do


def test_a_tree_is_changed_all_the_time(backend: dict[str, Any], tmp_path: Path) -> None:
    """Stable entries are found once, errors lie only below changed names, and nothing outside is found."""
    top, outside = tmp_path / "top", make(tmp_path / "outside", {"secret": {"file": None}})
    top.mkdir()
    directories, files = churn.make_stable(top)
    process = subprocess.Popen([sys.executable, churn.__file__, top, outside, "100"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()  # changes have begun
        for _ in range(SPAWNED_SCANS if backend.get("start_method") == "spawn" else SCANS):
            result = scanner.scan(top, **backend)
            found = Counter(root for root, _, _ in result)
            listed = Counter(os.path.join(root, name) for root, _, names in result for name in names)
            assert {path: found[path] for path in directories} == dict.fromkeys(directories, 1)
            assert {path: listed[path] for path in files} == dict.fromkeys(files, 1)
            assert {fault.kind for fault in result.errors} <= {"vanished"}
            assert all("/c" in str(fault.path).removeprefix(str(top)) for fault in result.errors)
            assert not [path for path in found if "secret" in path]
            assert list(scanner.walk(top, topdown=False, **backend))
        assert process.poll() is None, "changes went on until now"
    finally:
        process.kill()
        process.communicate()


def swapping(monkeypatch: Any, when: str, what: Path, target: Path) -> None:
    """Replace `what` by a symlink to `target` just before the directory `when` is read."""
    original = Reader.read

    def read(self: Reader, path: Any, *how_much: int) -> Any:
        if os.path.basename(path) == when and not what.is_symlink():
            what.rename(what.with_name("moved"))
            what.symlink_to(target)
        return original(self, path, *how_much)

    use("pure", monkeypatch)  # one by one
    monkeypatch.setattr(Reader, "read", read)


def test_a_directory_that_is_replaced_by_a_link_is_not_followed(tmp_path: Path, monkeypatch: Any) -> None:
    make(tmp_path, {"top": {"a": {"inside": None}, "b": {}}, "outside": {"secret": None}})
    swapping(monkeypatch, "a", tmp_path / "top" / "a", tmp_path / "outside")
    result = scanner.scan(tmp_path / "top", backend="serial")
    assert not [names for _, _, names in result if "secret" in names]
    assert [(fault.path, fault.kind) for fault in result.errors] == [(str(tmp_path / "top" / "a"), "vanished")]


def test_a_parent_that_is_replaced_by_a_link_is_not_followed(tmp_path: Path, monkeypatch: Any) -> None:
    """Parents are held open: whatever is at their old path now is not read."""
    make(tmp_path, {"top": {"a": {"deep": {"inside": None}}}, "outside": {"deep": {"secret": None}}})
    swapping(monkeypatch, "deep", tmp_path / "top" / "a", tmp_path / "outside")
    result = scanner.scan(tmp_path / "top", backend="serial")
    assert [names for _, _, names in result] == [[], [], ["inside"]]


def test_another_worker_does_not_follow_a_parent_that_became_a_link(tmp_path: Path) -> None:
    """Workers open a directory of a Task name by name, never through a symlink."""
    from scanner.kernel.walk import Walker
    from scanner.model import Task
    from scanner.options import ScanOptions

    make(tmp_path, {"top": {"a": "../outside"}, "outside": {"deep": {"secret": None}}})
    top = str(tmp_path / "top")
    walker = Walker(ScanOptions(roots=(top,)), joined=True)
    chunk = walker.walk(Task(1, [f"{top}/a/deep"], 0, 100, 1.0))
    walker.close()
    assert [(fault.path, fault.kind) for fault in chunk.faults] == [(f"{top}/a/deep", "vanished")]
    assert list(chunk) == []
