"""`awalk`, `aentries` and results in an event loop: the same items, turns for other tasks, and nothing left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

import scanner
from scanner import aio, aside
from tests.support.prunes import broken

anyio = pytest.importorskip("anyio")

LOOPS = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


@pytest.fixture(scope="module")
def pipe_of_signals() -> None:
    """Make the loop of uvloop once: its library keeps a pipe open from then on."""
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        uvloop.new_event_loop().close()


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest, pipe_of_signals: None) -> Callable[..., Any]:
    """Return a function that runs a coroutine function in a loop of each kind."""
    name = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return lambda main: anyio.run(main, **LOOPS[name])


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def all_of(make: Callable[[], AsyncIterator[Any]], run: Callable[..., Any] = asyncio.run) -> list[Any]:
    async def main() -> list[Any]:
        return await collected(make())

    return run(main() if run is asyncio.run else main)


@pytest.fixture
def endless_tree(tmp_path: Path) -> Path:
    """A tree that takes for ever when its links are followed."""
    top = tmp_path / "endless"
    top.mkdir()
    for name in "abc":
        (top / name).symlink_to(".")
    return top


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if not is_server(child)]


def is_server(process: psutil.Process) -> bool:
    try:
        return any(name in " ".join(process.cmdline()) for name in ("resource_tracker", "forkserver"))
    except psutil.NoSuchProcess:
        return True


# The same items


@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize("kind", [os.fspath, os.fsencode], ids=["str", "bytes"])
def test_awalk_gives_what_os_walk_gives(
    trees: dict[str, Path], backend: dict[str, Any], topdown: bool, kind: Any
) -> None:
    for name in ("monorepo", "odd"):
        top = kind(trees[name])
        assert all_of(lambda top=top: scanner.awalk(top, topdown, **backend)) == list(os.walk(top, topdown))


def test_aentries_gives_what_entries_gives(trees: dict[str, Path], backend: dict[str, Any]) -> None:
    top, stat = trees["odd"], ("type", "size", "ino")
    assert all_of(lambda: scanner.aentries(top, stat=stat, **backend)) == list(scanner.entries(top, stat=stat))


def test_every_loop_gets_the_same(run: Callable[..., Any], trees: dict[str, Path]) -> None:
    top = trees["monorepo"]
    result = scanner.scan(top, stat="size")
    assert all_of(lambda: scanner.awalk(top), run) == result
    assert all_of(lambda: scanner.awalk(top, batch=7, topdown=False), run)[0] == list(os.walk(top, topdown=False))[:7]
    assert all_of(lambda: scanner.aentries(top, stat="size"), run) == list(scanner.entries(top, stat="size"))
    assert all_of(lambda: aiter(result), run) == result
    assert all_of(result.aentries, run) == list(result.entries())


@pytest.mark.parametrize("batch", [1, 3, 400, 401, 10_000])
def test_batches_are_full_but_for_the_last(trees: dict[str, Path], batch: int) -> None:
    top = trees["monorepo"]
    result = scanner.scan(top, stat="size")
    for make, expected in (
        (lambda: scanner.awalk(top, batch=batch), list(os.walk(top))),
        (lambda: scanner.aentries(top, stat="size", batch=batch), list(scanner.entries(top, stat="size"))),
        (lambda: result.aentries(batch=batch), list(result.entries())),
    ):
        batches = all_of(make)
        assert [item for some in batches for item in some] == expected
        assert {len(some) for some in batches[:-1]} <= {batch}
        assert 0 < len(batches[-1]) <= batch


def changed(dirs: list[str], chance: random.Random) -> None:
    """Change the names as a caller of `os.walk` may: prune, sort, shuffle, add."""
    match chance.randrange(6):
        case 0:
            dirs.clear()
        case 1:
            dirs.sort()
        case 2:
            chance.shuffle(dirs)
        case 3 if dirs:
            dirs.remove(chance.choice(dirs))
        case 4:
            dirs.append("added")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("piece", [1, 5, 1000])
@pytest.mark.parametrize("backend", ["serial", "auto in threads", "pool-fork"], indirect=True)
def test_changes_of_dirs_have_the_effect_that_they_have_in_os_walk(
    trees: dict[str, Path], backend: dict[str, Any], seed: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "PIECE", piece)
    monkeypatch.setattr(aio, "MOST_READY", 20)
    top = trees["monorepo"]

    async def main() -> list[Any]:
        chance, walked = random.Random(seed), []
        async for root, dirs, files in scanner.awalk(top, **backend):
            changed(dirs, chance)
            walked.append((root, [*dirs], files))
        return walked

    chance, expected = random.Random(seed), []
    for root, dirs, files in os.walk(top):
        changed(dirs, chance)
        expected.append((root, [*dirs], files))
    assert asyncio.run(main()) == expected


def test_nothing_below_the_root_is_read_before_the_root_was_seen(tmp_path: Path, backend: dict[str, Any]) -> None:
    (tmp_path / "below").mkdir()

    async def main() -> list[Any]:
        walking = scanner.awalk(tmp_path, **backend)
        walked = [await anext(walking)]
        await asyncio.sleep(0.05)
        (tmp_path / "below" / "new").touch()
        return walked + [item async for item in walking]

    assert asyncio.run(main()) == list(os.walk(tmp_path))


def test_walks_at_once_do_not_mix(run: Callable[..., Any], trees: dict[str, Path]) -> None:
    tops = [trees[name] for name in ("monorepo", "odd", "skewed")]
    found: dict[Path, list[Any]] = {}

    async def one(top: Path) -> None:
        found[top] = [item async for item in scanner.awalk(top)]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for top in tops:
                group.start_soon(one, top)

    run(main)
    assert found == {top: list(os.walk(top)) for top in tops}


# Turns


async def most_in_a_turn(items: AsyncIterator[Any]) -> int:
    """Return the most items that came between two turns of another task."""
    counts = [0]

    async def turning() -> None:
        while True:
            counts.append(0)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(turning)
        async for _ in items:
            counts[-1] += 1
        group.cancel_scope.cancel()
    assert sum(counts) > 100
    return max(counts)


def each_kind(top: Path) -> Iterator[AsyncIterator[Any]]:
    result = scanner.scan(top, stat="size")
    yield scanner.awalk(top)
    yield scanner.awalk(top, topdown=False)
    yield scanner.aentries(top, stat="size")
    yield result.aentries()
    yield aiter(result)


def test_other_tasks_get_a_turn_after_each_piece(
    run: Callable[..., Any], trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "PIECE", 20)
    monkeypatch.setattr(aio, "PIECE", 20)
    for items in each_kind(trees["monorepo"]):
        assert run(lambda items=items: most_in_a_turn(items)) <= 2 * 20  # trio chooses the order of tasks at random


def test_other_tasks_get_a_turn_when_time_is_over(
    run: Callable[..., Any], trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "LONGEST_STEP", 0)
    for items in each_kind(trees["monorepo"]):
        assert run(lambda items=items: most_in_a_turn(items)) <= 2


# Errors


def test_onerror_is_called_in_the_thread_of_the_loop(tmp_path: Path, backend: dict[str, Any]) -> None:
    for name in "ab":
        (tmp_path / name).symlink_to(name)
    places = []

    def note(error: OSError) -> None:
        places.append((threading.current_thread(), str(error)))

    expected: list[OSError] = []
    list(scanner.entries(tmp_path, followlinks=True, onerror=expected.append, **backend))
    all_of(lambda: scanner.aentries(tmp_path, followlinks=True, onerror=note, **backend))
    assert places == [(threading.current_thread(), str(error)) for error in expected] != []
    places.clear()
    for topdown in (True, False):
        assert all_of(lambda topdown=topdown: scanner.awalk(tmp_path / "none", topdown, note)) == []
    assert [text for _, text in places] == 2 * [f"[Errno 2] No such file or directory: '{tmp_path}/none'"]
    assert {thread for thread, _ in places} == {threading.current_thread()}


def test_exceptions_of_onerror_and_of_prune_reach_the_task(trees: dict[str, Path], tmp_path: Path) -> None:
    def refuse(error: OSError) -> None:
        raise error

    for topdown in (True, False):
        with pytest.raises(FileNotFoundError):
            all_of(lambda topdown=topdown: scanner.awalk(tmp_path / "none", topdown, refuse))
        with pytest.raises(scanner.PruneError):
            all_of(lambda topdown=topdown: scanner.awalk(trees["odd"], topdown, prune=broken))
    with pytest.raises(scanner.PruneError):
        all_of(lambda: scanner.aentries(trees["odd"], prune=broken))
    reported: list[OSError] = []
    walked = all_of(lambda: scanner.awalk(trees["odd"], onerror=reported.append, prune=broken))
    assert walked == list(os.walk(trees["odd"]))
    assert len(reported) == sum(1 for _, dirs, _ in walked if dirs)


@pytest.mark.parametrize("walk", [scanner.awalk, scanner.aentries], ids=["awalk", "aentries"])
@pytest.mark.parametrize("backend", ["serial", "auto", "pool-fork", "serial pure"], indirect=True)
def test_a_timeout_comes_after_what_was_found(walk: Any, endless_tree: Path, backend: dict[str, Any]) -> None:
    seen = []

    async def main() -> None:
        async for item in walk(endless_tree, followlinks=True, timeout=1, **backend):
            seen.append(item)  # noqa: PERF401  # what was yielded before must be kept

    with pytest.raises(scanner.ScanTimeout):
        asyncio.run(main())
    assert seen


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_a_bad_batch_is_refused_at_once(batch: Any, trees: dict[str, Path]) -> None:
    result = scanner.scan(trees["odd"], stat="size")
    for call in (scanner.awalk, scanner.aentries, lambda _, batch: result.aentries(batch=batch)):
        with pytest.raises(scanner.OptionError, match="batch must be a whole number of 1 or more, or None"):
            call(trees["odd"], batch=batch)


def test_bad_options_are_refused_at_once(trees: dict[str, Path]) -> None:
    for call in (scanner.awalk, scanner.aentries):
        with pytest.raises(scanner.OptionError, match="max_workers must be"):
            call(trees["odd"], max_workers=0)
        with pytest.raises(TypeError, match="did you mean followlinks"):
            call(trees["odd"], follow_links=True)
    with pytest.raises(ValueError, match="no fields were requested"):
        scanner.scan(trees["odd"]).aentries()


# The end


@pytest.mark.parametrize("walk", [scanner.awalk, scanner.aentries], ids=["awalk", "aentries"])
@pytest.mark.parametrize("how", ["cancelled", "break", "exception"])
@pytest.mark.parametrize("loop_backend", ["serial", "auto", "pool"])
def test_nothing_is_left_when_a_walk_ends_early(
    run: Callable[..., Any],
    walk: Any,
    how: str,
    loop_backend: str,
    endless_tree: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def consume() -> None:
        async with aclosing(walk(endless_tree, followlinks=True, backend=loop_backend, max_workers=2)) as items:
            count = 0
            async for _ in items:
                count += 1
                if count == 3000 and how == "break":
                    break
                if count == 3000 and how == "exception":
                    raise ZeroDivisionError

    async def main() -> None:
        with anyio.move_on_after(0.3 if how == "cancelled" else 60) as scope:
            await consume()
        assert scope.cancelled_caught == (how == "cancelled")
        assert not children()

    if how == "exception":
        with pytest.raises(ZeroDivisionError):
            run(main)
    else:
        run(main)
    assert not children()
    assert caplog.records == []


def test_a_walk_that_is_not_closed_ends_with_the_loop(run: Callable[..., Any], endless_tree: Path) -> None:
    kept = []

    async def main() -> None:
        for walk in (scanner.awalk, scanner.aentries):
            items = walk(endless_tree, followlinks=True, backend="pool", max_workers=1)
            kept.append(items)
            async for _ in items:
                break

    run(main)
    assert not children()


def test_a_walk_that_was_not_begun_leaves_nothing(trees: dict[str, Path]) -> None:
    async def main() -> None:
        for items in each_kind(trees["odd"]):
            await items.aclose()  # type: ignore[attr-defined]  # all are generators

    asyncio.run(main())
    scanner.awalk(trees["odd"])


@pytest.mark.parametrize("times", [1, 50])
def test_a_task_cancelled_many_times_ends_after_the_walk(times: int, endless_tree: Path) -> None:
    async def main() -> None:
        async def consume() -> None:
            async for _ in scanner.aentries(endless_tree, followlinks=True, backend="pool", max_workers=2):
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(0.2)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        del task

    asyncio.run(main(), debug=True)
    assert not children()
