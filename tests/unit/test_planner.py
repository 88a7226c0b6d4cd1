"""The planner as tables: events in, instructions out. No clock, no process, no file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from scanner.model import Chunk, ChunkArrived, Fault, SlotLost, SlotUp, Task
from scanner.plan import planner as planner_module
from scanner.plan.events import Add, Deliver, Dispatch, Event, Finished, GiveUp, Instruction, Pruned, Waiting, Wanted
from scanner.plan.planner import Planner


def chunk(
    *leftovers: str, done: int = 1, position: int = 0, size: int = 10, faults: list[Fault] | None = None
) -> Chunk:
    """A Chunk of `done` directories that were listed, with `leftovers`."""
    return Chunk(0, [], b"", list(leftovers), position, faults or [], done, 0, 0, size)


def ordered(*, slots: int = 2, window: int = 1000) -> Planner:
    return Planner(ordered=True, slots=slots, window=window)


def keyed(*, slots: int = 2, window: int = 1000) -> Planner:
    return Planner(ordered=False, slots=slots, window=window)


def told(planner: Planner, *events: Event) -> list[Any]:
    """The instructions, in short: a Dispatch is (slot, directories), a GiveUp ("give up", slot)."""
    instructions = planner.handle(*events)
    planner.validate()
    return [short(instruction) for instruction in instructions]


def short(instruction: Instruction) -> Any:
    match instruction:
        case Dispatch(slot, task):
            return (slot, *task.directories)
        case GiveUp(slot):
            return ("give up", slot)
        case Deliver(delivered):
            return delivered
        case Finished():
            return "finished"


def test_the_first_task_is_the_root() -> None:
    assert told(ordered(), SlotUp(1), Add(["/"])) == [(1, "/")]


def test_nothing_starts_before_a_slot_is_up() -> None:
    planner = ordered()
    assert told(planner, Add(["/"])) == []
    assert told(planner, SlotUp(7)) == [(7, "/")]


def test_a_scan_without_directories_is_finished_at_once() -> None:
    assert told(ordered(), SlotUp(1), Add([])) == ["finished"]


def test_leftovers_are_shared_between_idle_slots_in_walk_order() -> None:
    planner = ordered()
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]))
    leftovers = [f"/{letter}" for letter in "abcdefghijkl"]
    first, second = leftovers[:6], leftovers[6:]
    assert told(planner, ChunkArrived(1, chunk(*leftovers))) == [(1, *first), (2, *second[:4])]


def test_few_leftovers_are_not_torn_to_crumbs_but_asked_back_when_a_slot_is_idle() -> None:
    planner = ordered()
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]))
    assert told(planner, ChunkArrived(1, chunk("/a", "/b", "/c"))) == [(1, "/a", "/b", "/c"), ("give up", 1)]


def test_a_slot_is_asked_to_give_up_once_a_task() -> None:
    planner = ordered()
    assert told(planner, SlotUp(1), SlotUp(2), Add(["/"])) == [(1, "/"), ("give up", 1)]
    assert told(planner, SlotUp(3)) == []


def test_chunks_are_delivered_in_walk_order_and_on_demand() -> None:
    planner = ordered()
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]), Wanted())
    root, early, late = chunk(*[f"/{i}" for i in range(8)]), chunk(done=4), chunk(done=4)
    assert told(planner, ChunkArrived(1, root))[0] is root
    assert told(planner, ChunkArrived(2, late)) == [("give up", 1)]
    assert planner.waiting_bytes == 10
    assert told(planner, Wanted()) == []
    assert told(planner, ChunkArrived(1, early)) == [early]
    assert told(planner, Wanted()) == [late, "finished"]


def test_a_full_window_lets_only_the_first_in_order_start() -> None:
    planner = ordered(window=5)
    names = [f"/{i}" for i in range(16)]
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]), Wanted())
    assert told(planner, ChunkArrived(1, chunk(*names)))[1:] == [(1, *names[:8]), (2, *names[8:12])]
    assert told(planner, ChunkArrived(2, chunk("/8/x", done=4))) == [], "10 bytes wait, 5 may"
    assert told(planner, SlotLost(1)) == [(2, names[0])], "the first in order always may"


def test_a_window_that_empties_lets_everybody_go_on() -> None:
    planner = ordered(window=5)
    names = [f"/{i}" for i in range(16)]
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]), Wanted())
    told(planner, ChunkArrived(1, chunk(*names)))
    early, late = chunk(done=8), chunk(done=4)
    assert told(planner, ChunkArrived(2, late), Wanted()) == []
    assert told(planner, ChunkArrived(1, early)) == [early]
    assert told(planner, Wanted()) == [late, (1, *names[12:]), ("give up", 1)]


def test_the_task_of_a_lost_slot_runs_again_one_directory_at_a_time() -> None:
    planner = ordered()
    told(planner, SlotUp(1), Add(["/a", "/b"]))
    assert told(planner, SlotLost(1)) == []
    assert told(planner, SlotUp(2)) == [(2, "/a")]
    assert told(planner, ChunkArrived(2, chunk("/a/x", "/a/y"))) == [(2, "/a/x", "/a/y")]
    assert told(planner, ChunkArrived(2, chunk(done=2))) == [(2, "/b")]


def test_a_directory_over_which_slot_after_slot_dies_is_lost_and_costs_only_itself() -> None:
    planner = ordered(slots=1)
    told(planner, SlotUp(1), Add(["/a", "/b"]), Wanted())
    for slot in (1, 2):
        told(planner, SlotLost(slot), SlotUp(slot + 1))
    delivered, after = told(planner, SlotLost(3), SlotUp(4))
    assert [(fault.path, fault.drops_listing) for fault in delivered.faults] == [("/a", True)]
    assert after == (4, "/b")
    assert (planner.done, planner.known) == (1, 2)


def test_twenty_thousand_pruned_or_reordered_siblings_are_no_trouble() -> None:
    names = [f"/{i}" for i in range(20_000)]
    planner = keyed(slots=1)
    planner.handle(Add(names))
    planner.handle(*[Pruned(name) for name in names[:10_000]])
    planner.handle(SlotUp(1))
    for name in reversed(names[10_100:]):
        planner.handle(Wanted(name), ChunkArrived(1, chunk()))
    planner.validate()


def test_a_lost_slot_that_had_nothing_to_do_costs_nothing() -> None:
    planner = ordered()
    told(planner, SlotUp(1), SlotUp(2), Add(["/"]))
    assert told(planner, SlotLost(2)) == []


def test_a_huge_directory_goes_on_in_the_slot_that_holds_it_open() -> None:
    planner = ordered()
    told(planner, SlotUp(1), SlotUp(2), Add(["/huge", "/b"]), Wanted())
    part = chunk("/huge", "/b", done=0, position=500)
    instructions = planner.handle(ChunkArrived(1, part))
    assert (
        Dispatch(1, Task(2, ["/huge"], 500, planner_module.TASK_ENTRIES, planner_module.TASK_SECONDS)) in instructions
    )
    assert (2, "/b") in [short(instruction) for instruction in instructions]


def test_a_huge_directory_waits_for_its_keeper_but_not_for_a_dead_one() -> None:
    planner = ordered(slots=1)
    told(planner, SlotUp(1), Add(["/huge"]), Wanted())
    told(planner, ChunkArrived(1, chunk("/huge", done=0, position=500)))
    assert told(planner, SlotLost(1), SlotUp(2)) == [(2, "/huge")]


def test_progress_never_falls_back_and_ends_equal() -> None:
    planner = ordered(slots=1)
    told(planner, SlotUp(1), Add(["/"]), Wanted())
    seen = [(planner.done, planner.known)]
    missing = Fault("/b", "open", 2, "gone")
    for arrived in (chunk("/a", "/b"), chunk("/b"), chunk(done=0, faults=[missing])):
        told(planner, ChunkArrived(1, arrived), Wanted())
        seen.append((planner.done, planner.known))
    assert seen[:2] == [(0, 1), (1, 3)]
    assert all(a <= b and c <= d for (a, c), (b, d) in pairwise(seen))


def test_a_keyed_consumer_gets_chunks_as_they_arrive() -> None:
    planner = keyed()
    told(planner, SlotUp(1), SlotUp(2), Add([f"/{i}" for i in range(8)]))
    late = chunk(done=4)
    assert told(planner, ChunkArrived(2, late)) == [late, ("give up", 1)]


def test_the_wanted_directory_comes_first() -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/a", "/b", "/c", "/d", "/e", "/f"]))
    told(planner, Wanted("/e"))
    rest = ["/b", "/c", "/d", "/e", "/f"]
    assert told(planner, ChunkArrived(1, chunk(*rest)))[1] == (1, "/e")


def test_the_wanted_directory_may_start_when_the_window_is_full() -> None:
    planner = keyed(slots=1, window=100)
    told(planner, SlotUp(1), Add(["/a", "/b", "/c", "/d", "/e"]))
    assert told(planner, ChunkArrived(1, chunk("/b", "/c", "/d", "/e", size=500)))[1:] == []
    assert told(planner, Wanted("/d")) == [(1, "/d")]


def test_a_keyed_window_empties_as_the_consumer_says() -> None:
    planner = keyed(slots=1, window=100)
    told(planner, SlotUp(1), Add(["/a", "/b"]))
    told(planner, ChunkArrived(1, chunk("/b", size=500)))
    assert told(planner, Waiting(99)) == [(1, "/b")]


def test_a_wanted_name_that_nobody_knows_is_walked() -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/a"]))
    told(planner, ChunkArrived(1, chunk()))
    assert told(planner, Wanted("/added")) == [(1, "/added")]


@pytest.mark.parametrize("pruned", ["/b", "/c"])
def test_a_pruned_directory_that_is_queued_is_forgotten(pruned: str) -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/a"]))
    told(planner, Pruned("/nobody-knows"))
    instructions = told(planner, Pruned(pruned), ChunkArrived(1, chunk("/b", "/c")))
    assert instructions[1] == (1, "/b", "/c"), "it was not known when it was pruned"
    told(planner, SlotLost(1))
    told(planner, Pruned(pruned))
    assert told(planner, SlotUp(2)) == [(2, "/c" if pruned == "/b" else "/b")]


def test_what_comes_back_of_a_pruned_directory_is_outdated() -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/a", "/b"]))
    told(planner, Pruned("/a"))
    instructions = planner.handle(ChunkArrived(1, chunk("/a/x", "/b")))
    assert isinstance(instructions[0], Deliver)
    assert instructions[0].outdated == {"/a"}
    assert short(instructions[1]) == (1, "/b")


def test_a_pruned_task_is_not_run_again_after_a_death() -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/a"]))
    told(planner, Pruned("/a"))
    assert told(planner, SlotLost(1), SlotUp(2)) == ["finished"]


def test_alone_is_one_directory_and_nothing_below_it() -> None:
    planner = keyed(slots=1)
    (dispatch,) = planner.handle(SlotUp(1), Add(["/"], alone=True))
    assert isinstance(dispatch, Dispatch)
    assert dispatch.task.seconds == 0
    assert told(planner, ChunkArrived(1, chunk("/a", "/b")))[1:] == ["finished"]


def test_a_huge_directory_alone_goes_on() -> None:
    planner = keyed(slots=1)
    told(planner, SlotUp(1), Add(["/"], alone=True))
    assert told(planner, ChunkArrived(1, chunk("/", "/a", done=0, position=9)))[1:] == [(1, "/")]


def test_a_task_fits_into_a_pipe() -> None:
    planner = ordered(slots=1)
    long_names = [f"/{'x' * 4000}{i}" for i in range(100)]
    (dispatch,) = planner.handle(SlotUp(1), Add(long_names))
    assert isinstance(dispatch, Dispatch)
    assert len(dispatch.task.directories) == planner_module.TASK_BYTES // 4010
