"""What changed between two snapshots is what a comparison of two dictionaries finds, whatever was done to the tree."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scanner
from scanner.snapshot.diff import Change
from tests.support.mounting import mounting

NAMES = st.sampled_from(["a", "b", "c", "a.x", "a\nb", "é"])
OPERATIONS = st.tuples(
    st.sampled_from(["file", "directory", "link", "write", "remove", "rename", "chmod", "hard link", "again"]),
    st.integers(0, 1 << 30), st.integers(0, 1 << 30), NAMES,
)  # fmt: skip


class Node(NamedTuple):
    """What a path is. `identity`: of the file or directory itself, never used again."""

    identity: int
    type: str
    content: tuple[int, ...]
    metadata: tuple[int, ...]


Tree = dict[str, Node]


class Playground:
    """A tree in which we know what became of each file and directory."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._paths: dict[str, int] = {"": 0}
        self._next = 1
        for path in ("a", "a/b", "a/b/c", "c", "c/a"):
            self._create("directory", path)
            self._create("file", path + "/é")

    def make(self, operation: tuple[str, int, int, str]) -> None:
        what, one, other, name = operation
        target = os.path.join(self._directory(one), name).lstrip("/")
        chosen = self._some(other)
        if what in ("file", "directory", "link") and target not in self._paths:
            self._create(what, target)
        elif what == "write" and chosen and os.path.isfile(self.top / chosen):
            with open(self.top / chosen, "a") as file:
                file.write("more" * (one % 3 + 1))
        elif what == "chmod" and chosen and not os.path.islink(self.top / chosen):
            os.chmod(self.top / chosen, 0o700 + one % 8)
        elif what in ("remove", "again") and chosen:
            kind = stat.S_IFMT(os.lstat(self.top / chosen).st_mode)
            self._remove(chosen)
            if what == "again":
                self._create({stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}.get(kind, "file"), chosen)
        elif what == "rename" and chosen and target not in self._paths and not below(target, chosen):
            os.rename(self.top / chosen, self.top / target)
            self._paths = {
                target + path[len(chosen) :] if below(path, chosen) else path: identity
                for path, identity in self._paths.items()
            }
        elif what == "hard link" and chosen and target not in self._paths and os.path.isfile(self.top / chosen):
            os.link(self.top / chosen, self.top / target)
            self._paths[target] = self._paths[chosen]

    def _directory(self, number: int) -> str:
        found = sorted(
            path for path in self._paths if (self.top / path).is_dir() and not (self.top / path).is_symlink()
        )
        return found[number % len(found)]

    def _some(self, number: int) -> str:
        found = sorted(self._paths)
        return found[number % len(found)]

    def _create(self, what: str, path: str) -> None:
        if what == "directory":
            (self.top / path).mkdir()
        elif what == "link":
            (self.top / path).symlink_to("a")
        else:
            (self.top / path).write_text("text")
        self._paths[path] = self._next
        self._next += 1

    def _remove(self, path: str) -> None:
        place = self.top / path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
        self._paths = {each: identity for each, identity in self._paths.items() if not below(each, path)}

    def tree(self) -> Tree:
        found = {}
        for path, identity in self._paths.items():
            status = os.lstat(self.top / path)
            kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(stat.S_IFMT(status.st_mode), "f")
            found[path] = Node(identity, kind, (status.st_size, status.st_mtime_ns), (status.st_mode, status.st_uid))
        return found


def below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def expected(before: Tree, after: Tree) -> Iterator[tuple[str, str, str]]:
    """Yield kind, path and type of each change; of directories that were moved, also the source."""
    places = {node.identity: path for path, node in before.items() if node.type == "d"}
    sources = {
        path: places[node.identity] for path, node in after.items()
        if node.type == "d" and places.get(node.identity, path) != path
    }  # fmt: skip
    gone = set(sources.values())
    olds = {
        path: sources.get(path, path if path not in gone and is_directory(before, path) else None)
        for path, node in after.items() if node.type == "d"
    }  # fmt: skip
    for path, source in sources.items():
        if os.path.basename(path) != os.path.basename(source) or olds[os.path.dirname(path)] != os.path.dirname(source):
            yield "R", path, source
    for path, old in olds.items():
        if old is not None and before[old].metadata != after[path].metadata:
            yield "U", path, "d"
        yield from entries(before, after, old, path, sources, gone)
    for path, node in before.items():
        if node.type == "d" and path not in gone and (path in sources or not is_directory(after, path)):
            yield from entries(before, after, path, None, sources, gone)


def is_directory(tree: Tree, path: str) -> bool:
    return path in tree and tree[path].type == "d"


def entries(
    before: Tree, after: Tree, old: str | None, new: str | None, sources: dict[str, str], gone: set[str]
) -> Iterator[tuple[str, str, str]]:
    ones = children(before, old, gone)
    others = children(after, new, set(sources))
    for name in ones.keys() | others.keys():
        path, earlier = (f"{place}/{name}".lstrip("/") for place in (new, old))
        one, other = ones.get(name), others.get(name)
        differ = (
            one is not None
            and other is not None
            and (
                one.type != other.type or (one.type == "d" and path != earlier)  # not found again in one that was moved
            )
        )
        if one is not None and other is not None and differ and path == earlier:
            yield "T", path, other.type
        elif one is None or other is None or differ:
            if one is not None:
                yield "-", earlier, one.type
            if other is not None:
                yield "+", path, other.type
        elif one.type != "d":
            if one.content != other.content:
                yield "M", path, one.type
            elif one.metadata != other.metadata:
                yield "U", path, one.type


def children(tree: Tree, top: str | None, moved: set[str]) -> dict[str, Node]:
    """Return the entries of a directory, without directories that were moved."""
    if top is None:
        return {}
    return {
        os.path.basename(path): node for path, node in tree.items()
        if path and os.path.dirname(path) == top and not (node.type == "d" and path in moved)
    }  # fmt: skip


def check(folder: Path, first: list[Any], later: list[Any], *, is_exact: bool = True, **options: Any) -> None:
    """`is_exact`: all moved directories are found, and not only none that were not moved."""
    top, store = folder / "top", folder / "store"
    top.mkdir()
    ground = Playground(top)
    for operation in first:
        ground.make(operation)
    time.sleep(0.06)  # what is younger is not known to be moved
    scanner.scan(top, store=store, **options)
    before = ground.tree()
    for operation in later:
        ground.make(operation)
    scanner.scan(top, store=store, **options)
    after = ground.tree()
    with scanner.Store(store).diff() as diff:
        found = list(diff.changes(every=True))
        for change in found:
            if change.kind == "R":
                source, path = (os.path.relpath(str(each), top) for each in (change.source, change.path))
                assert before[source].identity == after[path].identity
        if is_exact:
            compare(found, before, after, top, has_columns=bool(options))
        check_sums(list(diff), found)


def compare(found: list[Change], before: Tree, after: Tree, top: Path, *, has_columns: bool) -> None:
    """Moved files are compared as gone and come."""
    kinds = "+-TR" if not has_columns else "+-MUTR"
    shown: Counter[tuple[str, str, str]] = Counter()
    for change in found:
        path = os.path.relpath(change.path, top)
        if change.kind == "R" and change.type != "d":
            source = os.path.relpath(str(change.source), top)
            assert before[source].identity == after[path].identity
            shown.update([("-", source, change.type), ("+", path, change.type)])
        elif change.kind in kinds or change.type == "d":
            source = change.type if change.kind != "R" else os.path.relpath(str(change.source), top)
            shown[change.kind, "" if path == "." else path, source] += 1
    assert shown == Counter(each for each in expected(before, after) if each[0] in kinds or each[2] == "d")


def check_sums(folded: list[Change], every: list[Change]) -> None:
    """A directory that came or went has the sums of all that is below it."""
    assert sum(change.growth or 0 for change in folded) == sum(change.growth or 0 for change in every)
    assert sum(1 + change.entries for change in folded) == len(every)


STAT = ("size", "mtime_ns", "mode", "uid")
TWICE = st.lists(OPERATIONS, max_size=15), st.lists(OPERATIONS, min_size=1, max_size=15)


@settings(max_examples=60, deadline=None)
@given(*TWICE, st.booleans())
def test_changes_of_any_tree(first: list[Any], later: list[Any], has_columns: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), first, later, **({"stat": STAT} if has_columns else {}))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("inode_size", [128, 256])
def test_a_thousand_trees_on_a_disk_that_uses_inodes_again(inode_size: int, tmp_path: Path) -> None:
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    assert os.system(f"mkfs.ext4 -q -I {inode_size} {image}") == 0
    with mounting() as mounts:
        mounts.image(image, disk)

        @settings(max_examples=1000, deadline=None)
        @given(*TWICE)
        def test(first: list[Any], later: list[Any]) -> None:
            with tempfile.TemporaryDirectory(dir=disk) as folder:
                check(Path(folder), first, later, is_exact=inode_size == 256, stat=STAT)

        test()
