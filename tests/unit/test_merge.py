"""The keyed merge: `os.walk`'s loop over listings that arrive in any order."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scanner.backends.base import Backend
from scanner.engine import Engine
from scanner.model import Chunk, ChunkArrived, Fault, SlotUp, Task
from scanner.options import ScanOptions
from scanner.plan.events import AddDirectories, BytesWaiting, ConsumerWaits, DeliverChunk, DirectoryPruned, Event
from scanner.plan.merge import Lookahead, bottom_up, top_down
from tests.support.chunks import packed


class Script:
    """An engine that answers each poll with the next of its Chunks and records the events."""

    def __init__(self, *chunks: Chunk) -> None:
        self.events: list[Event] = []
        self.chunks = list(chunks)

    def poll(self, timeout: float, *events: Event) -> list[DeliverChunk]:
        self.events += [event for event in events if not isinstance(event, BytesWaiting)]
        self.waiting = [event.size for event in events if isinstance(event, BytesWaiting)][-1]
        return [DeliverChunk(self.chunks.pop(0))] if self.chunks else []


def chunk(*listings: Any, leftovers: list[str] | None = None, position: int = 0, faults: Any = ()) -> Chunk:
    return Chunk(
        0, "/", listings=packed(*listings), leftovers=leftovers, position=position, faults=list(faults),
        directories=len(listings), size=1,
    )  # fmt: skip


TREE = [("/", ["a", "b"], ["f"]), ("/a", ["x"], []), ("/a/x", [], ["g", "h"]), ("/b", [], [])]


def walked(script: Script, **kwargs: Any) -> list[Any]:
    return list(top_down("/", Lookahead(script.poll, alone=False), None, False, **kwargs))


def test_listings_in_any_order_come_out_in_walk_order() -> None:
    script = Script(*(chunk(listing) for listing in reversed(TREE)))
    assert walked(script) == TREE


def test_bottom_up_gives_children_first() -> None:
    script = Script(chunk(*TREE))
    expected = [TREE[2], TREE[1], TREE[3], TREE[0]]
    assert list(bottom_up("/", Lookahead(script.poll, alone=False), None)) == expected


def test_the_first_directory_alone_and_then_the_callers_choice() -> None:
    script = Script(chunk(TREE[0]), chunk(TREE[3]))
    walking = top_down("/", Lookahead(script.poll, alone=True), None, False)
    _, dirs, _ = next(walking)
    assert script.events == [AddDirectories(["/"], alone=True)]
    dirs.remove("a")
    assert list(walking) == [TREE[3]]
    assert script.events[1] == AddDirectories(["/b"])


def test_pruned_listings_are_freed_and_reported() -> None:
    script = Script(chunk(TREE[0], TREE[1]), chunk(TREE[3]))
    walking = top_down("/", Lookahead(script.poll, alone=False), None, False)
    _, dirs, _ = next(walking)
    dirs.remove("a")
    assert list(walking) == [TREE[3]]
    assert DirectoryPruned("/a/x") in script.events, "/a had arrived; what is below it had not"
    assert DirectoryPruned("/a") not in script.events
    assert script.waiting == 0


def test_what_came_in_one_piece_may_be_taken_in_another_order() -> None:
    for after in (0, 1):  # before anything of the piece was taken, and in the middle of it
        script = Script(chunk(*TREE[:after]), chunk(*TREE[after:])) if after else Script(chunk(*TREE))
        walking = top_down("/", Lookahead(script.poll, alone=False), None, False)
        _, dirs, _ = next(walking)
        dirs.reverse()
        assert list(walking) == [TREE[3], TREE[1], TREE[2]]
        assert script.events == [AddDirectories(["/"])] + [ConsumerWaits("/b")] * after, "nothing is read again"
        assert script.waiting == 0


def test_what_is_pruned_in_the_middle_of_a_piece_is_freed() -> None:
    script = Script(chunk(*TREE))
    lookahead = Lookahead(script.poll, alone=False)
    walking = top_down("/", lookahead, None, False)
    _, dirs, _ = next(walking)
    dirs.remove("a")
    assert list(walking) == [TREE[3]]
    lookahead._exchange(0)
    assert (script.waiting, script.events) == (0, [AddDirectories(["/"])])


def test_a_directory_that_failed_in_the_middle_of_a_piece() -> None:
    fault = Fault("/a", "open", 13, "Permission denied", "denied")
    script = Script(chunk(TREE[0], TREE[3], faults=[fault]))
    errors: list[OSError] = []
    assert list(top_down("/", Lookahead(script.poll, alone=False), errors.append, False)) == [TREE[0], TREE[3]]
    assert [error.filename for error in errors] == ["/a"]
    assert script.events == [AddDirectories(["/"])]


def test_what_comes_twice_is_counted_once() -> None:
    script = Script(chunk(TREE[0]), chunk(*TREE[1:3]), chunk(*TREE[1:3]), chunk(TREE[3]))
    lookahead = Lookahead(script.poll, alone=False)
    for _ in range(4):
        lookahead._exchange(0)
    assert list(top_down("/", lookahead, None, False)) == TREE
    lookahead._exchange(0)
    assert script.waiting == 0


def test_two_pieces_with_the_same_directory_in_both() -> None:
    """It was read twice, and the caller adds what is only in the second."""
    again = chunk(("/b/x", [], []), ("/b/y", [], []), ("/c", [], []))
    script = Script(chunk(("/b", ["y"], []), ("/b/y", [], [])), again)
    lookahead = Lookahead(script.poll, alone=False)
    walking = top_down("/b", lookahead, None, True)
    _, dirs, _ = next(walking)
    lookahead._exchange(0)
    dirs.insert(0, "x")
    assert [path for path, _, _ in walking] == ["/b/x", "/b/y"]
    lookahead.prune("/c")
    lookahead._exchange(0)
    assert script.waiting == 0


def test_a_directory_that_is_not_there_yet_is_wanted() -> None:
    script = Script(chunk(TREE[0]), chunk(TREE[3]), chunk(TREE[1], TREE[2]))
    assert walked(script) == TREE
    assert script.events == [AddDirectories(["/"]), ConsumerWaits("/a")]


def test_parts_of_a_huge_directory_are_joined() -> None:
    first = chunk(("/", ["a"], ["f"]), leftovers=["/"], position=2)
    second = chunk(("/", ["b"], ["g"]), ("/a", [], []), ("/b", [], []))
    assert walked(Script(first, second))[0] == ("/", ["a", "b"], ["f", "g"])


def test_a_huge_directory_that_breaks_off_is_a_fault_as_a_whole() -> None:
    first = chunk(("/", ["a"], ["f"]), leftovers=["/"], position=2)
    second = chunk(faults=[Fault("/", "read", 5, "Input/output error", "io")])
    errors: list[OSError] = []
    script = Script(first, second)
    assert list(top_down("/", Lookahead(script.poll, alone=False), errors.append, False)) == []
    assert [(error.errno, error.filename) for error in errors] == [(5, "/")]


def any_tree(random: Random, path: str, levels: int) -> dict[str, Any]:
    """What is in each directory below `path`, in walk order; a Fault where that is not known."""
    if random.random() < 0.1:
        return {path: Fault(path, "open", 13, "Permission denied", "denied")}
    dirs = [f"d{number}" for number in range(random.randrange(4) if levels else 0)]
    tree: dict[str, Any] = {path: (dirs, [], ["f"] * random.randrange(3))}
    for name in dirs:
        tree |= any_tree(random, f"{path}/{name}", levels - 1)
    return tree


def in_any_order(random: Random, tree: dict[str, Any]) -> Script:
    """Its Chunks, cut anywhere."""
    chunks, paths = [], list(tree)
    while paths:
        some, paths = paths[: (many := random.randrange(1, 8))], paths[many:]
        found = [(path, tree[path]) for path in some]
        listings = [
            (path, found_there[0], found_there[2]) for path, found_there in found if not isinstance(found_there, Fault)
        ]
        chunks.append(chunk(*listings, faults=[fault for _, fault in found if isinstance(fault, Fault)]))
    random.shuffle(chunks)
    return Script(*chunks)


class Direct:
    """Listings without anything ahead."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree

    def take(self, path: str, ahead: list[Any]) -> Any:
        found = self.tree[path]
        return found if isinstance(found, Fault) else ([*found[0]], [], [*found[2]])

    def prune(self, path: str) -> None:
        pass


def whims(seed: int, walking: Iterator[Any]) -> list[Any]:
    """What a caller sees who prunes and reorders as it likes."""
    random, seen = Random(seed), []
    for path, dirs, files in walking:
        seen.append((path, [*dirs], files))
        match random.randrange(6):
            case 0:
                random.shuffle(dirs)
            case 1:
                del dirs[random.randrange(3) :]
            case 2:
                dirs.reverse()
    return seen


@given(st.integers(0, 2**32))
def test_any_caller_gets_what_it_would_get_without_reading_ahead(seed: int) -> None:
    random = Random(seed)
    tree = any_tree(random, "/t", 4)
    script = in_any_order(random, tree)
    lookahead = Lookahead(script.poll, alone=False)
    for _ in range(random.randrange(len(script.chunks))):
        lookahead._exchange(0)
    assert whims(seed, top_down("/t", lookahead, None, True)) == whims(seed, top_down("/t", Direct(tree), None, True))
    assert script.waiting >= 0


class OneSlot(Backend):
    """One slot that answers each Task, at the next poll, with the next of the Chunks."""

    name = "pool"

    def __init__(self, *chunks: Chunk) -> None:
        self.chunks = iter(chunks)
        self.news: list[Any] = [SlotUp(1)]
        self.tasks: list[list[Any]] = []

    def reclaim(self, slot: int) -> None: ...

    def stop(self, *, wait: bool = True) -> None: ...

    def dispatch(self, slot: int, task: Task) -> None:
        self.tasks.append(task.directories)
        self.news.append(ChunkArrived(slot, next(self.chunks)))

    def grow(self, slots: int) -> list[Any]:
        return []

    def events(self, timeout: float) -> list[Any]:
        news, self.news = self.news, []
        return news


def test_a_listing_that_arrives_during_its_request_is_not_walked_twice() -> None:
    backend = OneSlot(chunk(TREE[0], leftovers=["/a", "/b"]), chunk(*TREE[1:]))
    engine = Engine(ScanOptions(), backend, ordered=False)
    assert list(top_down("/", Lookahead(engine.poll, alone=False), None, False)) == TREE
    assert backend.tasks == [["/"], ["/a", "/b"]]


def test_what_arrives_while_it_is_pruned_is_not_kept() -> None:
    backend = OneSlot(chunk(TREE[0], leftovers=["/a", "/b"]), chunk(*TREE[1:]))
    engine = Engine(ScanOptions(), backend, ordered=False)
    source = Lookahead(engine.poll, alone=False)
    walking = top_down("/", source, None, False)
    next(walking)[1].remove("a")
    assert list(walking) == [TREE[3]]
    assert source._arrived == {}
    assert source._waiting_bytes == 0


def test_an_entry_of_unknown_type_is_no_lost_directory() -> None:
    fault = Fault("/f", "stat", 5, "Input/output error", "io")
    assert walked(Script(chunk(("/", [], ["f"]), faults=[fault]))) == [("/", [], ["f"])]
