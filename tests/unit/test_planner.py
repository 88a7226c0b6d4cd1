"""The planner as tables: events in, instructions out. No clock, no process, no file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.model import TASK_SECONDS, Chunk, ChunkArrived, Fault, SlotDown, SlotLost, SlotStuck, SlotUp, Task
from scanner.plan.events import (
    AddDirectories,
    AllowRequests,
    BytesWaiting,
    ConsumerWaits,
    DeliverChunk,
    DirectoryPruned,
    DispatchTask,
    Event,
    Instruction,
    ReclaimTask,
    ScanFinished,
    ScanPaused,
    ZoneLimit,
)
from scanner.plan.invariants import KEPT, validate
from scanner.plan.planner import MOST_UNEXPLAINED, Planner
from scanner.plan.tasks import TASK_BYTES, TASK_ENTRIES


def chunk(
    *leftovers: str, done: int = 1, position: int = 0, size: int = 10, faults: list[Fault] | None = None,
    requests: int = 0,
) -> Chunk:  # fmt: skip
    """A Chunk of `done` directories that were listed, with `leftovers`."""
    return Chunk(
        0, "/", leftovers=list(leftovers), position=position, faults=faults, directories=done, size=size,
        requests=requests,
    )  # fmt: skip


def ordered(*, slots: int = 2, window: int = 1000) -> Planner:
    return Planner(ordered=True, slots=slots, window=window)


def keyed(*, slots: int = 2, window: int = 100_000) -> Planner:
    return Planner(ordered=False, slots=slots, window=window)


def handled(planner: Planner, *events: Event) -> list[Any]:
    """The instructions, in short: a DispatchTask is (slot, directories), a ReclaimTask ("reclaim", slot)."""
    instructions = planner.handle(*events)
    validate(planner)
    return [short(instruction) for instruction in instructions]


def short(instruction: Instruction) -> Any:
    match instruction:
        case DispatchTask(slot, task):
            return (slot, *task.directories)
        case ReclaimTask(slot):
            return ("reclaim", slot)
        case DeliverChunk(delivered):
            return delivered
        case ScanFinished():
            return "finished"


def test_a_broken_invariant_is_reported_with_the_last_events() -> None:
    planner = Planner(ordered=True, slots=1, window=1000, validates=True)
    planner.handle(SlotUp(1), AddDirectories(["/"]))
    for _ in range(2 * KEPT):
        planner.handle(ConsumerWaits())
    planner.known += 1  # as a bug would
    with pytest.raises(AssertionError, match="every directory is in exactly one Segment") as caught:
        planner.handle(ChunkArrived(1, chunk("/a", "/b")))
    (note,) = caught.value.__notes__
    first, *_, last = note.splitlines()
    assert (first, len(note.splitlines())) == (f"last {KEPT} events of the planner:", KEPT + 1)
    assert last == "('chunk', 1, 0, 1, 2)"


def test_an_impossible_event_is_reported_with_the_last_events() -> None:
    directories = [f"/{number}" for number in range(10_000)]
    with pytest.raises(KeyError) as caught:
        ordered().handle(SlotUp(1), AddDirectories(directories), ChunkArrived(2, chunk()))
    (note,) = caught.value.__notes__
    assert "SlotUp(slot=1, worker=0, kind='process')\n('add', 10000, False)" in note


def test_the_environment_makes_a_scan_check_the_invariants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checked: list[Planner] = []
    monkeypatch.setattr("scanner.plan.planner.validate", checked.append)
    scanner.scan(tmp_path)
    assert not checked
    monkeypatch.setenv("SCANNER_VALIDATE", "1")
    scanner.scan(tmp_path)
    assert checked


def test_the_first_task_is_the_root() -> None:
    assert handled(ordered(), SlotUp(1), AddDirectories(["/"])) == [(1, "/")]


def test_nothing_starts_before_a_slot_is_up() -> None:
    planner = ordered()
    assert handled(planner, AddDirectories(["/"])) == []
    assert handled(planner, SlotUp(7)) == [(7, "/")]


def test_a_scan_without_directories_is_finished_at_once() -> None:
    assert handled(ordered(), SlotUp(1), AddDirectories([])) == ["finished"]


def test_leftovers_are_shared_between_idle_slots_in_walk_order() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]))
    leftovers = [f"/{letter}" for letter in "abcdefghijkl"]
    first, second = leftovers[:6], leftovers[6:]
    assert handled(planner, ChunkArrived(1, chunk(*leftovers))) == [(1, *first), (2, *second[:4])]


def test_few_leftovers_stay_together_until_a_slot_is_idle() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]))
    assert handled(planner, ChunkArrived(1, chunk("/a", "/b", "/c"))) == [(1, "/a", "/b", "/c"), ("reclaim", 1)]


def test_a_slot_is_requested_to_give_up_once_a_task() -> None:
    planner = ordered()
    assert handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"])) == [(1, "/"), ("reclaim", 1)]
    assert handled(planner, SlotUp(3)) == []


def test_chunks_are_delivered_in_walk_order_and_on_demand() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]), ConsumerWaits())
    root, early, late = chunk(*[f"/{i}" for i in range(8)]), chunk(done=4), chunk(done=4)
    assert handled(planner, ChunkArrived(1, root))[0] is root
    assert handled(planner, ChunkArrived(2, late)) == [("reclaim", 1)]
    assert planner.waiting_bytes == 10
    assert handled(planner, ConsumerWaits()) == []
    assert handled(planner, ChunkArrived(1, early)) == [early]
    assert handled(planner, ConsumerWaits()) == [late, "finished"]


def test_a_full_window_lets_only_the_first_in_order_start() -> None:
    planner = ordered(window=5)
    names = [f"/{i}" for i in range(16)]
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]), ConsumerWaits())
    assert handled(planner, ChunkArrived(1, chunk(*names)))[1:] == [(1, *names[:8]), (2, *names[8:12])]
    assert handled(planner, ChunkArrived(2, chunk("/8/x", done=4))) == [], "10 bytes wait, 5 may"
    assert handled(planner, SlotLost(1)) == [(2, names[0])], "the first in order always may"


def test_a_window_that_empties_resumes_all_slots() -> None:
    planner = ordered(window=5)
    names = [f"/{i}" for i in range(16)]
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]), ConsumerWaits())
    handled(planner, ChunkArrived(1, chunk(*names)))
    early, late = chunk(done=8), chunk(done=4)
    assert handled(planner, ChunkArrived(2, late), ConsumerWaits()) == []
    assert handled(planner, ChunkArrived(1, early)) == [early, (1, *names[12:])], "a Chunk for each slot may wait, too"
    assert handled(planner, ConsumerWaits()) == [late, ("reclaim", 1)]


def test_the_task_of_a_lost_slot_runs_again_one_directory_at_a_time() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]))
    assert handled(planner, SlotLost(1)) == []
    assert handled(planner, SlotUp(2)) == [(2, "/a")]
    assert handled(planner, ChunkArrived(2, chunk("/a/x", "/a/y"))) == [(2, "/a/x", "/a/y")]
    assert handled(planner, ChunkArrived(2, chunk(done=2))) == [(2, "/b")]


def test_a_directory_over_which_two_slots_die_is_shut_and_costs_only_itself() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]), ConsumerWaits())
    assert handled(planner, SlotLost(1, "/a/x"), SlotUp(2)) == [(2, "/a")]
    assert handled(planner, ChunkArrived(2, chunk("/a/x")))[1:] == [(2, "/a/x")], "what was found meanwhile is safe"
    assert shut(planner.handle(SlotLost(2, "/a/x"), SlotUp(3))) == {"/a/x": "lost"}
    reported = Fault("/a/x", "open", 5, "", "lost")
    assert shut(planner.handle(ChunkArrived(3, chunk("/b", done=0, faults=[reported])))) == {}, "reported once"
    assert planner.deaths == 2


def shut(instructions: list[Instruction]) -> dict[str, str]:
    """What the one Task among the instructions must not enter, and the kind of Fault that it is."""
    (task,) = (instruction.task for instruction in instructions if isinstance(instruction, DispatchTask))
    return {str(path): kind for path, (kind, _) in task.shut.items()}


def test_a_task_over_which_slots_die_without_a_reason_is_given_up_at_last() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]), ConsumerWaits())
    slot = 1
    for slot in range(1, MOST_UNEXPLAINED + 1):
        assert handled(planner, SlotLost(slot), SlotUp(slot + 1)) == [(slot + 1, "/a")]
    delivered, after = handled(planner, SlotLost(slot + 1), SlotUp(slot + 2))
    assert [(fault.path, fault.kind, fault.drops_listing) for fault in delivered.faults] == [("/a", "lost", True)]
    assert after == (slot + 2, "/b")
    assert (planner.done, planner.known) == (1, 2)


def test_a_late_directory_is_shut_and_the_rest_of_its_task_runs_on() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]), ConsumerWaits())
    assert handled(planner, SlotStuck(1, "/a/x", "/", "late")) == []
    again = planner.handle(SlotUp(2))
    assert [short(instruction) for instruction in again] == [(2, "/a")]
    assert shut(again) == {"/a/x": "timeout"}
    assert (planner.hung, planner.deaths) == (1, 0)


def test_a_task_hears_only_of_what_it_may_meet() -> None:
    planner = ordered(slots=2)
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories([f"/{letter}" for letter in "abcdefgh"]), ConsumerWaits())
    assert shut(planner.handle(SlotStuck(1, "/a/x", "/", "late"), SlotUp(3))) == {"/a/x": "timeout"}
    assert shut(planner.handle(SlotStuck(2, "/e/y", "/", "late"), SlotUp(4))) == {}, "/b"


def test_a_mount_with_too_many_late_directories_is_not_entered_any_more() -> None:
    planner = Planner(ordered=True, slots=1, window=1000, max_hung=2)
    handled(planner, SlotUp(1), AddDirectories(["/mnt", "/home"]), ConsumerWaits())
    handled(planner, SlotStuck(1, "/mnt/nfs/a", "/mnt/nfs", "late"), SlotUp(2))
    again = planner.handle(SlotStuck(2, "/mnt/nfs/b", "/mnt/nfs", "late"), SlotUp(3))
    assert shut(again) == dict.fromkeys(("/mnt/nfs/a", "/mnt/nfs/b", "/mnt/nfs"), "timeout")
    arrived = chunk("/mnt/other", done=1, faults=[Fault("/mnt/nfs", "open", 110, "", "timeout")])
    assert shut(planner.handle(ChunkArrived(3, arrived))) == {}, "it cannot be met from /mnt/other"
    assert shut(planner.handle(AddDirectories(["/mnt/nfs/c"]), ChunkArrived(3, chunk(done=1)))) == {}, "nor from /home"
    assert shut(planner.handle(ChunkArrived(3, chunk(done=1)))) == {"/mnt/nfs": "timeout"}


def test_twenty_thousand_pruned_or_reordered_siblings_are_no_trouble() -> None:
    names = [f"/{i}" for i in range(20_000)]
    planner = keyed(slots=1)
    planner.handle(AddDirectories(names))
    planner.handle(*[DirectoryPruned(name) for name in names[:10_000]])
    planner.handle(SlotUp(1))
    for name in reversed(names[10_100:]):
        planner.handle(ConsumerWaits(name), ChunkArrived(1, chunk()))
    validate(planner)


def test_a_lost_slot_that_had_nothing_to_do_costs_nothing() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/"]))
    assert handled(planner, SlotLost(2)) == []


def test_a_huge_directory_goes_on_in_the_slot_that_holds_it_open() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/huge", "/b"]), ConsumerWaits())
    part = chunk("/huge", "/b", done=0, position=500)
    instructions = planner.handle(ChunkArrived(1, part))
    assert DispatchTask(1, Task(2, ["/huge"], 500, TASK_ENTRIES, TASK_SECONDS)) in instructions
    assert (2, "/b") in [short(instruction) for instruction in instructions]


def test_a_huge_directory_waits_for_its_keeper_but_not_for_a_dead_one() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/huge"]), ConsumerWaits())
    handled(planner, ChunkArrived(1, chunk("/huge", done=0, position=500)))
    assert handled(planner, SlotLost(1), SlotUp(2)) == [(2, "/huge")]


def test_progress_never_falls_back_and_ends_equal() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/"]), ConsumerWaits())
    seen = [(planner.done, planner.known)]
    missing = Fault("/b", "open", 2, "gone", "vanished")
    for arrived in (chunk("/a", "/b"), chunk("/b"), chunk(done=0, faults=[missing])):
        handled(planner, ChunkArrived(1, arrived), ConsumerWaits())
        seen.append((planner.done, planner.known))
    assert seen[:2] == [(0, 1), (1, 3)]
    assert all(a <= b and c <= d for (a, c), (b, d) in pairwise(seen))


def test_a_keyed_consumer_gets_chunks_as_they_arrive() -> None:
    planner = keyed()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories([f"/{i}" for i in range(8)]))
    late = chunk(done=4)
    assert handled(planner, ChunkArrived(2, late)) == [late, ("reclaim", 1)]


def test_the_wanted_directory_comes_first() -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b", "/c", "/d", "/e", "/f"]))
    handled(planner, ConsumerWaits("/e"))
    rest = ["/b", "/c", "/d", "/e", "/f"]
    assert handled(planner, ChunkArrived(1, chunk(*rest)))[1] == (1, "/e")


def test_the_wanted_directory_may_start_when_the_window_is_full() -> None:
    planner = keyed(slots=1, window=100)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b", "/c", "/d", "/e"]))
    assert handled(planner, ChunkArrived(1, chunk("/b", "/c", "/d", "/e", size=500)))[1:] == []
    assert handled(planner, ConsumerWaits("/d")) == [(1, "/d")]


def test_a_keyed_window_empties_as_the_consumer_says() -> None:
    planner = keyed(slots=1, window=1000)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]))
    assert handled(planner, ChunkArrived(1, chunk("/b", size=5000)))[1:] == []
    assert handled(planner, BytesWaiting(990)) == [], "little is left, and much waits before it"
    assert handled(planner, BytesWaiting(200)) == [(1, "/b")]


def test_a_keyed_consumer_that_waits_has_all_slots_fill_the_gaps_before_what_it_has() -> None:
    planner = keyed(slots=2, window=10_000)
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories([f"/{i}" for i in range(8)]))
    handled(planner, ChunkArrived(2, chunk(done=4, size=8000)))
    below = [f"/0/{i}" for i in range(8)]
    handled(
        planner, BytesWaiting(9000), ChunkArrived(1, chunk(*below, "/1", "/2", "/3", done=1)), ConsumerWaits("/0/0")
    )
    assert planner.roster.idle() == [], "what is near the front may start, however much waits behind it"


def test_an_unknown_wanted_name_is_walked() -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a"]))
    handled(planner, ChunkArrived(1, chunk()))
    assert handled(planner, ConsumerWaits("/added")) == [(1, "/added")]


@pytest.mark.parametrize("pruned", ["/b", "/c"])
def test_a_pruned_directory_that_is_queued_is_forgotten(pruned: str) -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a"]))
    handled(planner, DirectoryPruned("/unknown"))
    instructions = handled(planner, DirectoryPruned(pruned), ChunkArrived(1, chunk("/b", "/c")))
    assert instructions[1] == (1, "/b", "/c"), "it was not known when it was pruned"
    handled(planner, SlotLost(1))
    handled(planner, DirectoryPruned(pruned))
    assert handled(planner, SlotUp(2)) == [(2, "/c" if pruned == "/b" else "/b")]


def test_what_comes_back_of_a_pruned_directory_is_outdated() -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]))
    handled(planner, DirectoryPruned("/a"))
    instructions = planner.handle(ChunkArrived(1, chunk("/a/x", "/b")))
    assert isinstance(instructions[0], DeliverChunk)
    assert instructions[0].outdated == {"/a"}
    assert short(instructions[1]) == (1, "/b")


def test_a_pruned_task_is_not_run_again_after_a_death() -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/a"]))
    handled(planner, DirectoryPruned("/a"))
    assert handled(planner, SlotLost(1), SlotUp(2)) == ["finished"]


def test_alone_is_one_directory_and_nothing_below_it() -> None:
    planner = keyed(slots=1)
    (dispatch,) = planner.handle(SlotUp(1), AddDirectories(["/"], alone=True))
    assert isinstance(dispatch, DispatchTask)
    assert dispatch.task.seconds == 0
    assert handled(planner, ChunkArrived(1, chunk("/a", "/b")))[1:] == ["finished"]


def test_a_huge_directory_alone_goes_on() -> None:
    planner = keyed(slots=1)
    handled(planner, SlotUp(1), AddDirectories(["/"], alone=True))
    assert handled(planner, ChunkArrived(1, chunk("/", "/a", done=0, position=9)))[1:] == [(1, "/")]


def test_a_task_fits_into_a_pipe() -> None:
    planner = ordered(slots=1)
    long_names = [f"/{'x' * 4000}{i}" for i in range(100)]
    (dispatch,) = planner.handle(SlotUp(1), AddDirectories(long_names))
    assert isinstance(dispatch, DispatchTask)
    assert len(dispatch.task.directories) == TASK_BYTES // 4010


def test_no_more_tasks_at_once_than_the_limit() -> None:
    planner = ordered(slots=1)
    ups = [SlotUp(slot, worker=1) for slot in range(1, 5)]
    assert handled(planner, ZoneLimit(2), *ups, AddDirectories(["/a", "/b", "/c", "/d"])) == [
        (1, "/a", "/b"),
        (2, "/c", "/d"),
    ]
    assert handled(planner, ZoneLimit(1), ChunkArrived(1, chunk("/a/x"))) == [], "running Tasks end; none begins"
    assert handled(planner, ChunkArrived(2, chunk())) == [(1, "/a/x")]


def test_while_the_number_is_sought_a_task_is_one_directory() -> None:
    planner = ordered(slots=1)
    (dispatch,) = planner.handle(ZoneLimit(1, seconds=0.0), SlotUp(1), AddDirectories(["/a"]))
    assert isinstance(dispatch, DispatchTask)
    assert dispatch.task.seconds == 0


def test_a_slot_that_goes_down_ends_its_task_and_gets_no_other() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), SlotUp(2), AddDirectories(["/a"]))
    assert handled(planner, SlotDown(1), SlotDown(2)) == []
    assert handled(planner, ChunkArrived(1, chunk("/a/b"))) == []
    assert handled(planner, SlotUp(3)) == [(3, "/a/b")]


def test_a_slot_that_is_to_go_down_and_is_needed_again_stays() -> None:
    planner = keyed(slots=1)
    assert handled(planner, SlotUp(1), AddDirectories(["/a", "/b"])) == [(1, "/a", "/b")]
    assert handled(planner, SlotDown(1), SlotUp(1)) == []
    assert planner.roster.leaving[0] == 0
    first, second = chunk("/b"), chunk()
    assert handled(planner, ChunkArrived(1, first)) == [first, (1, "/b")]
    assert handled(planner, ChunkArrived(1, second)) == [second, "finished"]


def test_tasks_of_slots_that_go_down_take_no_place() -> None:
    """They may be stuck, and there are others now."""
    planner = keyed(slots=2)
    assert handled(planner, ZoneLimit(2), SlotUp(1), SlotUp(2), AddDirectories(["/a"])) == [(1, "/a"), ("reclaim", 1)]
    changes = SlotDown(1), SlotDown(2), SlotUp(3), SlotUp(4)
    assert handled(planner, *changes, AddDirectories(["/b"]), AddDirectories(["/c"])) == [(3, "/b"), (4, "/c")]


def test_what_a_worker_of_many_threads_died_over_is_tried_again_alone() -> None:
    planner = ordered(slots=1)
    handled(planner, SlotUp(1, 1), SlotUp(2, 1), SlotUp(3, 1), AddDirectories(["/a", "/b", "/c"]))
    assert handled(planner, SlotLost(1, "/a"), SlotLost(2, "/b"), SlotLost(3, "/c")) == []
    assert [task.directories for _, task in begun(planner, SlotUp(4, 2), SlotUp(5, 2))] == [["/a"]], "not two beside"
    assert [task.directories for _, task in begun(planner, SlotUp(6, 3))] == [["/b"]]
    handled(planner, ChunkArrived(6, chunk()))
    handled(planner, ChunkArrived(6, chunk()))
    ((slot, task),) = begun(planner, SlotLost(4, "/a"))
    assert (task.directories, task.shut) == (["/a"], {}), "one of three, then alone: that is not twice"
    ((slot, task),) = begun(planner, SlotLost(slot, "/a"))
    assert list(task.shut) == ["/a"]


def test_a_careful_task_runs_alone_in_its_worker_however_many_slots_were_announced() -> None:
    planner = ordered(slots=64)
    handled(planner, SlotUp(1, 1), AddDirectories(["/a", "/b"]))
    handled(planner, SlotLost(1))
    assert [task.directories for _, task in begun(planner, SlotUp(2, 2), SlotUp(3, 2))] == [["/a"]], "not two beside"


def test_a_slot_that_leaves_in_order_is_not_blamed_on_its_task() -> None:
    planner = ordered()
    handled(planner, SlotUp(1), AddDirectories(["/a", "/b"]))
    slot = 1
    for slot in range(1, 2 * MOST_UNEXPLAINED):
        assert handled(planner, SlotLost(slot, blame=False), SlotUp(slot + 1)) == [(slot + 1, "/a", "/b")]
    assert handled(planner, ChunkArrived(slot + 1, chunk("/b", done=1))) == [(slot + 1, "/b")]
    assert planner.deaths == 0


def begun(planner: Planner, *events: Event) -> list[tuple[int, Task]]:
    instructions = planner.handle(*events)
    validate(planner)
    return [(each.slot, each.task) for each in instructions if isinstance(each, DispatchTask)]


def test_only_so_many_requests_as_were_allowed() -> None:
    planner = ordered(slots=1)
    (dispatch,) = planner.handle(AllowRequests(3, 10), SlotUp(1), AddDirectories(["/"]))
    assert isinstance(dispatch, DispatchTask)
    assert dispatch.task.quota == 3
    assert handled(planner, ChunkArrived(1, chunk("/a", "/b", requests=2))) == [(1, "/a", "/b")], "one was not used"
    assert handled(planner, ChunkArrived(1, chunk("/b", requests=5))) == [], "four more than were left"
    assert handled(planner, AllowRequests(4, 10)) == [], "the debt is paid"
    assert handled(planner, AllowRequests(1, 10)) == [(1, "/b")]


def test_a_pause_starts_nothing_and_delivers_what_has_come() -> None:
    planner = ordered(slots=1)
    planner.handle(SlotUp(1), AddDirectories(["/"]), ConsumerWaits())
    assert handled(planner, ScanPaused(True)) == []
    arrived = chunk("/a")
    assert handled(planner, ChunkArrived(1, arrived)) == [arrived]
    assert handled(planner, SlotUp(2), ConsumerWaits()) == []
    assert handled(planner, ScanPaused(False))[0] == (1, "/a")


def test_an_unused_allowance_is_lost() -> None:
    planner = ordered(slots=1)
    planner.handle(AllowRequests(10, 10), AllowRequests(10, 10), SlotUp(1))
    ((_, task),) = begun(planner, AddDirectories(["/"]))
    assert task.quota == 10


def test_tasks_that_exceed_their_quota_are_expected_to_do_so() -> None:
    planner = ordered(slots=4)
    paths = [f"/{number:03}" for number in range(300)]
    planner.handle(AllowRequests(1, 1000), SlotUp(1), AddDirectories(["/"]))
    for _ in range(40):
        planner.handle(AllowRequests(101, 1000), ChunkArrived(1, chunk(*paths, requests=101)))
    planner.handle(SlotUp(2), SlotUp(3), SlotUp(4), ChunkArrived(1, chunk(*paths, requests=101)))
    assert len(begun(planner, AllowRequests(250, 1000))) == 2, "for four slots there are too few"


@pytest.mark.parametrize("keyed_too", [False, True])
def test_a_directory_held_open_does_not_wait_behind_slots_that_give_up_first(keyed_too: bool) -> None:
    """Only two of three slots may be busy; what slot 3 holds open stands before all the rest."""
    planner = keyed(slots=3) if keyed_too else ordered(slots=3)
    planner.handle(
        SlotUp(1), SlotUp(2), SlotUp(3), AddDirectories(["/"]), ConsumerWaits("/") if keyed_too else ConsumerWaits()
    )
    dispatches = planner.handle(ChunkArrived(1, chunk(*(f"/{number:03}" for number in range(900)))))
    keeper = 3
    (task,) = (each.task for each in dispatches if isinstance(each, DispatchTask) and each.slot == keeper)
    wanted = ConsumerWaits(task.directories[0]) if keyed_too else ConsumerWaits()
    held = chunk(*task.directories, done=0, position=20000)
    instructions = planner.handle(ZoneLimit(1), ChunkArrived(keeper, held), wanted)
    for _ in range(2):
        for slot, segment in list(planner.roster.leased()):
            if slot != keeper:
                instructions += planner.handle(ChunkArrived(slot, chunk(done=len(segment.directories))))
    assert any(each.slot == keeper and each.task.position for each in instructions if isinstance(each, DispatchTask))
