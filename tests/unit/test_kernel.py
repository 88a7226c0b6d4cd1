"""Walking Tasks: budgets, parts, faults, what is packed. On the real file system."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends.heartbeat import SIZE, Heartbeat
from scanner.kernel.native import native
from scanner.kernel.read import HELD_DIRECTORIES
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task, names
from scanner.options import ProducerSpec, ScanOptions
from tests.support.trees import make

PATHS = (ProducerSpec("paths", (b"\n",)),)


@pytest.fixture
def new_walker(reader: str) -> Iterator[Callable[..., Walker]]:
    """Makes walkers, which are closed at the end of the test. On both readers."""
    with contextlib.ExitStack() as made:

        def make_walker(joined: bool = True, **options: Any) -> Walker:
            walker = Walker(ScanOptions(**options), joined=joined)
            made.callback(walker.close)
            return walker

        yield make_walker


@pytest.fixture
def walker(new_walker: Callable[..., Walker]) -> Walker:
    return new_walker()


def task(*directories: Any, position: int = 0, entries: int = 10_000, seconds: float = 60) -> Task:
    return Task(1, list(directories), position, entries, seconds)


def listed(chunk: Chunk) -> list[Any]:
    return [(path, names(dirs), names(files)) for path, dirs, _, files in chunk]


def test_a_task_with_room_walks_the_whole_tree(walker: Walker, trees: dict[str, Path]) -> None:
    chunk = walker.walk(task(str(trees["monorepo"]), entries=10**9))
    assert listed(chunk) == list(os.walk(trees["monorepo"]))
    assert (chunk.leftovers, chunk.position, chunk.faults) == ([], 0, [])
    assert chunk.directories == 401
    assert chunk.files == 4000


@pytest.mark.parametrize("entries", [1, 7, 100])
def test_chunks_and_leftovers_are_one_walk(walker: Walker, trees: dict[str, Path], entries: int) -> None:
    expected = list(os.walk(trees["monorepo"]))
    seen: list[Any] = []
    todo, position = [str(trees["monorepo"])], 0
    while todo:
        chunk = walker.walk(task(*todo, position=position, entries=entries))
        for item in listed(chunk):
            if seen and seen[-1][0] == item[0]:
                seen[-1] = (item[0], seen[-1][1] + item[1], seen[-1][2] + item[2])
            else:
                seen.append(item)
        todo, position = chunk.leftovers, chunk.position
    assert seen == expected


def test_a_root_that_is_a_link_below_another_root_is_gone_through_wherever_the_walk_was(
    new_walker: Callable[..., Walker], tmp_path: Path
) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    for path in ("root/d/e", "target/x", "target/y"):
        (tmp_path / path).mkdir(parents=True)
    link = root / "link"
    link.symlink_to(target)
    walker = new_walker(roots=(str(root), str(link)))
    walker.walk(task(str(root / "d")))
    chunk = walker.walk(task(f"{link}/x", f"{link}/y"))
    assert (chunk.directories, chunk.faults) == (2, [])


def test_no_time_is_time_for_one_directory(walker: Walker, trees: dict[str, Path]) -> None:
    top = str(trees["monorepo"])
    chunk = walker.walk(task(top, seconds=0))
    _, dirs, _ = next(os.walk(top))
    assert chunk.directories == 1
    assert chunk.leftovers == [os.path.join(top, name) for name in dirs]


def test_a_slot_gives_up_on_request_what_it_can_share(walker: Walker, trees: dict[str, Path], monkeypatch: Any) -> None:
    monkeypatch.setattr("scanner.kernel.walk.NEWS_SECONDS", 0)
    chunk = walker.walk(task(str(trees["monorepo"])), lambda: True)
    assert chunk.directories == 1
    assert len(chunk.leftovers) > 1


def test_a_single_directory_is_not_given_up(walker: Walker, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("scanner.kernel.walk.NEWS_SECONDS", 0)
    make(tmp_path, {"a": {"b": {"c": {}}}})
    chunk = walker.walk(task(str(tmp_path)), lambda: True)
    assert (chunk.directories, chunk.leftovers) == (4, [])


def test_a_part_that_another_reader_began_is_found_by_skipping(
    new_walker: Callable[..., Walker], tmp_path: Path
) -> None:
    make(tmp_path, {**{f"f{i}": None for i in range(20)}, **{f"d{i}": {} for i in range(20)}})
    expected = next(os.walk(tmp_path))
    first, second = new_walker(), new_walker()
    begun = first.walk(task(str(tmp_path), entries=25))
    assert begun.position == 25
    assert begun.leftovers == [str(tmp_path)]
    ended = second.walk(task(str(tmp_path), position=25, entries=25, seconds=0))
    (_, dirs, files), (_, more_dirs, more_files) = listed(begun)[0], listed(ended)[0]
    assert (dirs + more_dirs, files + more_files) == expected[1:]
    assert ended.leftovers == [os.path.join(tmp_path, name) for name in expected[1]], "also those of the first part"


def test_a_part_that_is_not_found_again_is_reported(new_walker: Callable[..., Walker], tmp_path: Path) -> None:
    make(tmp_path, {f"f{i}": None for i in range(20)})
    begun = new_walker()
    begun.walk(task(str(tmp_path), entries=15))
    begun.close()
    for index in range(10):
        (tmp_path / f"f{index}").unlink()
    chunk = new_walker().walk(task(str(tmp_path), position=15))
    assert [(fault.path, fault.operation, fault.kind) for fault in chunk.faults] == [(str(tmp_path), "read", "io")]
    assert chunk.directories == 0


def test_directories_held_open_are_few(tmp_path: Path, walker: Walker) -> None:
    make(tmp_path, {f"d{i}": {f"f{j}": None for j in range(5)} for i in range(10)})
    before = len(os.listdir("/proc/self/fd"))
    for index in range(10):
        walker.walk(task(str(tmp_path / f"d{index}"), entries=2))
    assert len(os.listdir("/proc/self/fd")) - before in (HELD_DIRECTORIES, 2 * HELD_DIRECTORIES)
    walker.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_faults_take_the_place_of_listings(walker: Walker, tmp_path: Path) -> None:
    make(tmp_path, {"file": None, "there": {}})
    chunk = walker.walk(task(*(str(tmp_path / name) for name in ("missing", "file", "there")), "nul\0"))
    assert [(fault.operation, fault.kind) for fault in chunk.faults] == [
        ("open", "vanished"),
        ("open", "vanished"),
        ("open", "name"),
    ]
    assert [path for path, *_ in chunk] == [str(tmp_path / "there")]


def test_a_root_that_is_missing_or_a_file(reader: str, tmp_path: Path) -> None:
    """Nothing has listed it, so it cannot have vanished."""
    make(tmp_path, {"file": None})
    (tmp_path / "dangling").symlink_to("missing")
    for name, kind in (("missing", "not_found"), ("dangling", "not_found"), ("file", "not_directory")):
        result = scanner.scan(tmp_path / name, errors="collect", backend="serial")
        assert [fault.kind for fault in result.errors] == [kind]


def test_a_quota_of_one_request(new_walker: Callable[..., Walker], tmp_path: Path) -> None:
    """An empty directory is not read as if more came: it would be a result twice, or for ever."""
    make(tmp_path, {"empty": {}, "d": {"e": {}, "f": None}})
    walker, rest, found = new_walker(), task(str(tmp_path))._replace(quota=1), list[str]()
    while rest.directories:
        chunk = walker.walk(rest)
        found += [path for path, *_ in chunk]
        assert len(found) < 9
        rest = rest._replace(directories=chunk.leftovers, position=chunk.position)
    assert list(dict.fromkeys(found)) == [path for path, _, _ in os.walk(tmp_path)]
    assert found.count(str(tmp_path / "empty")) == 1


def test_a_listing_that_breaks_off_is_a_fault(new_walker: Callable[..., Walker]) -> None:
    # A process of our own that has ended but was not waited for: its `net` can be opened but not read.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    path = f"/proc/{pid}/net"
    try:
        chunk = new_walker().walk(task(path))
        kept = new_walker(producers=PATHS).walk(task(path))
        names_kept = new_walker(partial_listings=True).walk(task(path))
    finally:
        os.waitpid(pid, 0)
    if chunk.directories or chunk.faults[0].operation == "open":
        pytest.skip("this kernel treats the files of a dead process in another way")
    assert [(fault.operation, fault.partial) for fault in chunk.faults] == [("read", False)]
    assert listed(chunk) == []
    assert [(fault.operation, fault.partial) for fault in names_kept.faults] == [("read", True)]
    assert [root for root, _, _ in listed(names_kept)] == [path]
    assert kept.output.startswith(os.fsencode(path))


def test_links_are_marked_or_entered_or_files(new_walker: Callable[..., Walker], tmp_path: Path) -> None:
    make(tmp_path, {"d": {"f": None}, "to-d": "d", "to-nothing": "x"})
    top = str(tmp_path)

    def listing(**options: Any) -> Any:
        chunk = new_walker(False, **options).walk(task(top))
        return chunk, [sorted(names(field)) for field in next(iter(chunk))[1:]]

    assert listing()[1] == [["d", "to-d"], ["to-d"], ["to-nothing"]]
    chunk, fields = listing(followlinks=True)
    assert fields == [["d", "to-d"], [], ["to-nothing"]]
    assert chunk.directories == 3
    counted = new_walker(producers=()).walk(task(top))
    assert (counted.directories, counted.files, counted.listings, counted.output) == (2, 3, (), b"")


def test_paths_are_ready_to_be_written(new_walker: Callable[..., Walker], tmp_path: Path) -> None:
    make(tmp_path, {"f": None, "d": {"g": None}, "e": {}})
    chunk = new_walker(producers=(ProducerSpec("paths", (b"\0",)),)).walk(task(str(tmp_path)))
    top = os.fsencode(tmp_path)
    paths = bytes(chunk.output).split(b"\0")
    assert paths.pop() == b""
    assert paths[:2] == [top, top + b"/f"]
    assert sorted(paths) == sorted([top, top + b"/f", top + b"/d", top + b"/d/g", top + b"/e"])


def test_the_root_of_the_machine_has_one_slash(new_walker: Callable[..., Walker]) -> None:
    chunk = new_walker(producers=PATHS).walk(task("/", seconds=0))
    assert b"//" not in chunk.output
    assert "/usr" in chunk.leftovers


def test_what_earlier_parts_have_named_is_walked_even_if_the_rest_cannot_be_read(
    new_walker: Callable[..., Walker], tmp_path: Path
) -> None:
    make(tmp_path, {f"d{i}": {"f": None} for i in range(20)})
    names_in_order = next(os.walk(tmp_path))[1]
    begun = new_walker(producers=PATHS).walk(task(str(tmp_path), entries=15))
    for name in names_in_order[15:]:
        (tmp_path / name / "f").unlink()
        (tmp_path / name).rmdir()
    (tmp_path / names_in_order[0] / "f").unlink()
    (tmp_path / names_in_order[0]).rmdir()
    chunk = new_walker(producers=PATHS).walk(task(*begun.leftovers, position=15))
    assert [(fault.operation, fault.kind) for fault in chunk.faults] == [("read", "io")]
    assert {os.fsencode(tmp_path / name / "f") for name in names_in_order[1:15]} <= set(chunk.output.split(b"\n"))


def test_a_root_that_is_a_link_below_another_root(new_walker: Callable[..., Walker], tmp_path: Path) -> None:
    make(tmp_path, {"real": {"f": None}, "link": "real"})
    top, link = str(tmp_path), str(tmp_path / "link")
    chunk = new_walker(roots=(top, link)).walk(task(top, link))
    assert chunk.faults == []
    assert listed(chunk)[-1] == (link, [], ["f"])


def test_it_is_seen_where_a_walk_is_before_the_root_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server that has died, that takes for ever."""
    make(tmp_path, {"a": {"b": {}}})
    below, seen, place = os.fspath(tmp_path / "a"), list[Any](), Heartbeat(memoryview(bytearray(SIZE)))
    open_one = os.open

    def open_and_tell(path: Any, *arguments: Any, **options: Any) -> int:
        seen.append((path, place.read()))
        return open_one(path, *arguments, **options)

    walker = Walker(ScanOptions().starting_at((os.fspath(tmp_path),)), joined=True, place=place)
    monkeypatch.setattr(os, "open", open_and_tell)
    walker.walk(task(below))
    walker.close()
    assert seen[0] == (os.fspath(tmp_path), os.fsencode(below))


def read_singly(walker: Walker, *directories: str) -> tuple[Chunk, list[str]]:
    """Walk, and return which directories were not read in a run."""
    read, found = walker._reader.read, list[str]()

    def note(path: Any, *arguments: Any) -> Any:
        found.append(path)
        return read(path, *arguments)

    walker._reader.read = note  # type: ignore[method-assign]
    return walker.walk(task(*directories)), found


@pytest.mark.parametrize(
    "options",
    [
        {"max_depth": 3}, {"min_depth": 2}, {"hidden": False}, {"types": "f"}, {"types": "d,l", "max_depth": 2},
        {"max_depth": 3, "min_depth": 2, "hidden": False, "types": "f"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.skipif(native() is None, reason="requires the compiled walker")
def test_options_that_only_compare_leave_directories_to_runs(options: dict[str, Any], tmp_path: Path) -> None:
    make(tmp_path, {"a": {"b": {"c": {"f": None}, ".h": {"f": None}}, "l": "b"}, ".x": None})
    walker = Walker(ScanOptions(pure=False, **options).starting_at([str(tmp_path)]), joined=True)
    try:
        chunk, found = read_singly(walker, str(tmp_path))
    finally:
        walker.close()
    assert (found, chunk.faults) == ([str(tmp_path)], [])


def barred_walker(top: Path, mount: Path, **options: Any) -> Walker:
    return Walker(ScanOptions(**options).starting_at([str(top)])._replace(barred=(str(mount),)), joined=True)


def test_only_the_directory_above_a_mount_is_read_singly(reader: str, tmp_path: Path) -> None:
    make(tmp_path, {"a": {"b": {"m": {"inside": None}, "n": {}}, "c": {"d": {"e": {}}}}})
    walker = barred_walker(tmp_path, tmp_path / "a" / "b" / "m", producers=PATHS)
    try:
        chunk, found = read_singly(walker, str(tmp_path))
    finally:
        walker.close()
    paths = bytes(chunk.output).split(b"\n")
    assert os.fsencode(tmp_path / "a" / "b" / "m") in paths
    assert os.fsencode(tmp_path / "a" / "b" / "m" / "inside") not in paths
    if reader == "compiled" and native() is not None:
        assert found == [str(tmp_path), str(tmp_path / "a" / "b")]


@pytest.mark.parametrize("options", [{"types": "f"}, {"min_depth": 9}], ids=str)
def test_a_mount_that_is_not_shown_is_not_entered_either(reader: str, options: dict[str, Any], tmp_path: Path) -> None:
    make(tmp_path, {"a": {"m": {"inside": None}, "f": None}})
    walker = barred_walker(tmp_path, tmp_path / "a" / "m", producers=PATHS, **options)
    try:
        chunk = walker.walk(task(str(tmp_path)))
    finally:
        walker.close()
    assert b"inside" not in bytes(chunk.output)
    assert (chunk.directories, chunk.faults) == (2, [])


@pytest.mark.parametrize("most_open", [1, 2, 48])
def test_depths_count_from_the_root_however_few_directories_stay_open(
    reader: str, most_open: int, tmp_path: Path
) -> None:
    """With one only, not even the root stays open."""
    make(tmp_path, {"a": {"b": {"c": {"d": {"e": {}}}}, "f": {"g": {"h": {}}}}})
    walker = Walker(ScanOptions(max_depth=3).starting_at([str(tmp_path)]), joined=True, most_open=most_open)
    try:
        found: list[Any] = []
        todo = [str(tmp_path)]
        while todo:
            walker._reader.wary = True  # as if directories were slow: the way to the next one stays open then
            chunk = walker.walk(task(*todo, seconds=0))
            found += listed(chunk)
            todo = chunk.leftovers
    finally:
        walker.close()
    assert [os.path.relpath(path, tmp_path) for path, _, _ in found] == [".", "a", "a/b", "a/f"]
