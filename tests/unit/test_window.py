"""A small window and many slots: a simulated scan stays near the ideal time, and memory within its bound.

Time is simulated: each directory takes a unit, messages take none. What is asserted follows from the planner alone.
"""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from scanner.model import Chunk, ChunkArrived, SlotUp, Task
from scanner.plan.events import (
    AddDirectories,
    BytesWaiting,
    ConsumerWaits,
    DeliverChunk,
    DispatchTask,
    Event,
    ReclaimTask,
    ScanFinished,
    ZoneLimit,
)
from scanner.plan.planner import Planner
from scanner.plan.tasks import LISTING_BYTES

DIRECTORY_BYTES = 420  # 20 entries
TASK = 28  # directories
FAR = 3.0  # times the ideal time, at most


def random_tree(count: int, skew: float) -> list[list[int]]:
    """The children of each directory: it lies below a random one of those before it; the more skew, the first ones."""
    chance = random.Random(1)
    children: list[list[int]] = [[] for _ in range(count)]
    for number in range(1, count):
        parent = int(number * chance.random() ** (1 + skew)) if number > 50 else 0
        children[parent].append(number)
    return children


class Simulation:
    """A backend with `slots` and a consumer that takes Chunks at once."""

    ordered = True

    def __init__(self, children: list[list[int]], slots: int, window: int) -> None:
        self.children = children
        self.planner = Planner(ordered=self.ordered, slots=slots, window=window, most=slots)
        self.now = 0
        self.most_waiting = self.largest = self.delivered = 0
        self.finished = False
        self.busy: dict[int, tuple[int, Task, int]] = {}  # by slot: since when, what, and a number
        self.ends: list[tuple[int, int, int]] = []  # when, the number, the slot
        self.numbers = itertools.count()
        self.begin()
        self.step(
            *(SlotUp(slot, slot + 1) for slot in range(slots)), ZoneLimit(slots), AddDirectories(["0"]), self.wanted()
        )

    def begin(self) -> None: ...

    def wanted(self) -> ConsumerWaits:
        return ConsumerWaits()

    def take(self, chunk: Chunk) -> list[Event]:
        """What the consumer says when it gets this."""
        self.delivered += chunk.directories
        return [ConsumerWaits()]

    def walk(self, task: Task, most: int) -> tuple[list[str], list[str]]:
        """The directories that a worker reads, and what it leaves over."""
        stack, read = task.directories[::-1], []
        while stack and len(read) < most:
            read.append(stack.pop())
            stack += self.below(read[-1])
        return read, stack[::-1]

    def below(self, directory: str) -> list[str]:
        """What is in it, last first."""
        return [str(child) for child in reversed(self.children[int(directory)])]

    def step(self, *events: Event) -> None:
        todo = list(events)
        while todo:
            instructions, todo = self.planner.handle(*todo), []
            for instruction in instructions:
                match instruction:
                    case DispatchTask(slot, task):
                        self.busy[slot] = self.now, task, next(self.numbers)
                        self.ends_at(slot, self.now + len(self.walk(task, TASK if task.seconds else 1)[0]))
                    case ReclaimTask(slot):
                        self.ends_at(slot, max(self.now, self.busy[slot][0] + 1))
                    case DeliverChunk(chunk):
                        todo += self.take(chunk)
                    case ScanFinished():
                        self.finished = True
            self.most_waiting = max(self.most_waiting, self.planner.waiting_bytes)

    def ends_at(self, slot: int, when: int) -> None:
        heapq.heappush(self.ends, (when, self.busy[slot][2], slot))

    def run(self) -> None:
        while not self.finished:
            self.now, number, slot = heapq.heappop(self.ends)
            began, task, current = self.busy.get(slot, (0, None, -1))
            if task is None or number != current:
                continue  # it was given up earlier
            del self.busy[slot]
            read, leftovers = self.walk(task, max(1, self.now - began))
            names, size = " ".join(read).encode(), len(read) * DIRECTORY_BYTES
            self.largest = max(self.largest, size)
            chunk = Chunk(
                task.number, task.directories[0], output=names, leftovers=leftovers, directories=len(read), size=size
            )
            self.step(ChunkArrived(slot, chunk))


class KeyedSimulation(Simulation):
    """The same with a consumer that takes directories one by one, in walk order, as `walk` does."""

    ordered = False

    def begin(self) -> None:
        self.stack = ["0"]
        self.arrived: set[str] = set()

    def wanted(self) -> ConsumerWaits:
        return ConsumerWaits(self.stack[-1])

    def take(self, chunk: Chunk) -> list[Event]:
        self.arrived.update(bytes(chunk.output).decode().split())
        while self.stack and self.stack[-1] in self.arrived:
            directory = self.stack.pop()
            self.arrived.remove(directory)
            self.delivered += 1
            self.stack += self.below(directory)
        size = len(self.arrived) * (DIRECTORY_BYTES + LISTING_BYTES)
        return [BytesWaiting(size), self.wanted()] if self.stack else [BytesWaiting(size)]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("skew", [0.0, 2.0], ids=["even", "skewed"])
@pytest.mark.parametrize(
    ("kind", "slots", "directories"),
    [
        (Simulation, 128, 32_000), (KeyedSimulation, 64, 16_000),
        pytest.param(Simulation, 128, 128_000, marks=pytest.mark.slow),
        pytest.param(Simulation, 512, 128_000, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_many_slots_fill_the_gaps_at_the_front_of_a_full_window(
    kind: type[Simulation], slots: int, directories: int, skew: float
) -> None:
    window = directories * DIRECTORY_BYTES // 8
    simulation = kind(random_tree(directories, skew), slots, window)
    simulation.run()
    weight = 1 if kind.ordered else (DIRECTORY_BYTES + LISTING_BYTES) / DIRECTORY_BYTES
    assert simulation.delivered == directories
    assert simulation.now <= FAR * weight * directories / slots
    assert simulation.most_waiting <= window + slots * simulation.largest * weight
