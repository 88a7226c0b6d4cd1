"""A tree on several devices: no Task crosses from one into another, and each has a number of Tasks of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scanner import mounts
from scanner.model import Chunk, ChunkArrived, SlotUp
from scanner.model import Path as TreePath
from scanner.plan.events import AddDirectories, ConsumerWaits, DispatchTask, Event, ZoneLimit, ZonesFound
from scanner.plan.invariants import validate
from scanner.plan.planner import Planner
from scanner.plan.zones import Paces, Tops

TOPS: dict[TreePath, int] = {"/m": 1, "/m/local": 0, "/n": 2}


def chunk(*leftovers: str) -> Chunk:
    return Chunk(0, "/", leftovers=list(leftovers), directories=1, size=1)


def tasks(planner: Planner, *events: Event) -> dict[int, Any]:
    """What each slot gets."""
    instructions = planner.handle(*events)
    validate(planner)
    return {each.slot: each.task for each in instructions if isinstance(each, DispatchTask)}


def planner_of(*slots: SlotUp, workers: int = 2, most: int = 64, ordered: bool = True) -> Planner:
    planner = Planner(ordered=ordered, slots=workers, most=most, window=100_000)
    planner.handle(*slots, AddDirectories(["/"]), ConsumerWaits() if ordered else ConsumerWaits("/"))
    return planner


@pytest.mark.parametrize(
    ("path", "zone"),
    [("/", 0), ("/m", 1), ("/m/a/b", 1), ("/mm", 0), ("/m/local", 0), ("/m/local/x", 0), ("/m/locals", 1), ("/n", 2)],
)
def test_the_zone_of_a_directory_is_that_of_the_deepest_top_above_it(path: str, zone: int) -> None:
    assert Tops(TOPS).of(path) == zone


def test_directories_are_divided_where_they_cross() -> None:
    assert Tops(TOPS).runs(["/a", "/b", "/m", "/m/a", "/m/local", "/n", "/o"]) == [
        (0, ["/a", "/b"]), (1, ["/m", "/m/a"]), (0, ["/m/local"]), (2, ["/n"]), (0, ["/o"]),
    ]  # fmt: skip


def test_a_task_knows_where_to_stop() -> None:
    tops = Tops(TOPS)
    assert tops.fences(["/"], 0) == {"/m", "/n"}
    assert tops.fences(["/m", "/o"], 1) == {"/m/local"}
    assert tops.fences(["/m/a"], 1) == set()


@pytest.mark.parametrize("ordered", [True, False])
def test_what_waits_is_divided_when_it_turns_out_to_lie_elsewhere(ordered: bool) -> None:
    planner = planner_of(SlotUp(1), ordered=ordered)
    planner.handle(ChunkArrived(1, chunk("/a", "/m", "/m2", "/n")))
    given = tasks(planner, ZonesFound(TOPS), ChunkArrived(1, chunk("/m", "/m2", "/n")), SlotUp(2), SlotUp(3))
    assert {slot: task.directories for slot, task in given.items()} == {1: ["/m"], 2: ["/m2"], 3: ["/n"]}
    assert given[1].fences == {"/m/local"}


def test_each_zone_has_a_limit_of_its_own() -> None:
    slots = [SlotUp(number, worker=1) for number in range(1, 7)]
    planner = planner_of(*slots, workers=1)
    planner.handle(ZonesFound(TOPS), ZoneLimit(1), ZoneLimit(3, zone=1), ZoneLimit(1, zone=2))
    below = ["/a", "/b", *(f"/m/{letter}" for letter in "abcdefghijklmnop"), "/n/a", "/n/b"]
    given = tasks(planner, ChunkArrived(1, chunk(*below)))
    zones = [Tops(TOPS).of(task.directories[0]) for task in given.values()]
    assert sorted(zones) == [0, 1, 1, 1, 2]


def test_what_is_fast_is_shared_by_all_workers() -> None:
    """Two Tasks in one process would have one processor between them."""
    slots = [SlotUp(number, worker=1) for number in (1, 2, 3)] + [SlotUp(number, worker=2) for number in (4, 5, 6)]
    planner = planner_of(*slots)
    planner.handle(ZonesFound(TOPS), ZoneLimit(2))
    given = tasks(planner, ChunkArrived(1, chunk(*(f"/a{number}" for number in range(20)))))
    assert sorted(slot in (1, 2, 3) for slot in given) == [False, True]


def test_no_more_than_allowed_in_all_zones_together() -> None:
    planner = planner_of(*(SlotUp(number) for number in range(1, 10)), most=2)
    planner.handle(ZonesFound(TOPS))
    assert len(tasks(planner, ChunkArrived(1, chunk("/a", "/m", "/n", "/o")))) == 2


@pytest.mark.parametrize(
    ("wanted", "shares"),
    [
        ({0: 2}, {0: 2}),
        ({0: 2, 1: 64}, {0: 2, 1: 62}),
        ({0: 2, 1: 64, 2: 64}, {0: 2, 1: 31, 2: 31}),
        ({0: 20, 1: 64, 2: 30}, {0: 20, 1: 22, 2: 22}),
    ],
)
def test_what_wants_little_gets_all_of_it(wanted: dict[int, int], shares: dict[int, int]) -> None:
    paces = Paces(1, 64)
    paces.divide(TOPS)
    for zone, slots in wanted.items():
        paces._paces[zone].slots = slots
    assert {limit.zone: limit.tasks for limit in paces.limits(wanted)} == shares


TABLE = b"""\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:20 / /srv/tree/tmp rw - tmpfs tmpfs rw
23 21 0:21 / /srv/tree/proc rw - proc proc rw
24 21 0:50 / /srv/tree/far rw - nfs4 server:/a rw
25 24 0:50 / /srv/tree/far/again rw - nfs4 server:/a/b rw
26 21 8:2 / /srv/tree/disk\\040two rw - xfs /dev/sdb1 rw
27 21 0:51 / /elsewhere rw - nfs4 server:/c rw
"""


def test_devices_come_from_the_table_of_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(TABLE)
    monkeypatch.setattr(mounts, "MOUNTS", str(table))
    assert mounts.devices(["/srv/tree"]) == {
        "/srv/tree": 0, "/srv/tree/tmp": 1, "/srv/tree/proc": 1, "/srv/tree/far": 2, "/srv/tree/disk two": 3,
    }  # fmt: skip
    assert mounts.devices(["/srv/tree/far/x", "/elsewhere/y"]) == {"/srv/tree/far/x": 0, "/elsewhere/y": 1}


def test_mounts_behind_another_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(
        b"""\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
30 21 0:30 / /t rw - tmpfs tmpfs rw
31 30 0:31 / /t/behind rw - tmpfs tmpfs rw
32 30 0:32 / /t rw - nfs4 server:/a rw
33 32 0:33 / /t/there rw - xfs /dev/sdb1 rw
34 21 0:34 / /u/v rw - xfs /dev/sdc1 rw
35 21 0:35 / /u rw - nfs4 server:/b rw
"""
    )
    monkeypatch.setattr(mounts, "MOUNTS", str(table))
    assert mounts.mounted_below(["/"]) == [("/t", "nfs4"), ("/u", "nfs4"), ("/t/there", "xfs")]


@pytest.mark.parametrize("slots", [[(1, 1), (2, 1), (3, 2), (4, 2)], [(3, 2), (4, 2), (1, 1), (2, 1)]])
def test_what_needs_processors_gets_all_of_them(slots: list[tuple[int, int]]) -> None:
    planner = Planner(ordered=True, slots=2, window=100_000)
    planner.handle(*(SlotUp(*slot) for slot in slots), ZoneLimit(2), AddDirectories(["/"]), ConsumerWaits())
    (first,) = (slot for slot, _ in planner.roster.leased())
    tasks(planner, ChunkArrived(first, chunk(*(f"/{number}" for number in range(500)))), ConsumerWaits())
    assert sorted(planner.roster.worker(slot) for slot, _ in planner.roster.leased()) == [1, 2]


def test_a_worker_that_cannot_have_more_slots_does_not_hold_the_others_down() -> None:
    planner = Planner(ordered=True, slots=2, window=100_000)
    planner.handle(
        SlotUp(1, 1), *(SlotUp(slot, 2) for slot in range(2, 10)), ZoneLimit(9), AddDirectories(["/"]), ConsumerWaits()
    )
    tasks(planner, ChunkArrived(1, chunk(*(f"/{number}" for number in range(500)))), ConsumerWaits())
    assert planner.roster.under_way.total() == 9
