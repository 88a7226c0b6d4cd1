"""A small window and many slots: a simulated scan stays near the ideal time, and memory within its bound.

Time is simulated: each directory takes a unit, messages take none. What is asserted follows from the planner alone.
"""

from __future__ import annotations

import heapq
import random
from itertools import count

import pytest

from scanner.model import Chunk, ChunkArrived, SlotUp, Task
from scanner.plan.events import Add, Deliver, Dispatch, Event, Finished, GiveUp, Limit, Wanted
from scanner.plan.planner import Planner

DIRECTORIES = 128_000
DIRECTORY_BYTES = 420  # 20 entries
TASK = 28  # directories
WINDOW = DIRECTORIES * DIRECTORY_BYTES // 8
FAR = 3.0  # times the ideal time, at most


def random_tree(skew: float) -> list[list[int]]:
    """The children of each directory: it lies below a random one of those before it; the more skew, the first ones."""
    chance = random.Random(1)
    children: list[list[int]] = [[] for _ in range(DIRECTORIES)]
    for number in range(1, DIRECTORIES):
        parent = int(number * chance.random() ** (1 + skew)) if number > 50 else 0
        children[parent].append(number)
    return children


class Simulation:
    """A backend with `slots` and a consumer that takes Chunks at once."""

    def __init__(self, children: list[list[int]], slots: int) -> None:
        self.children = children
        self.planner = Planner(ordered=True, slots=slots, window=WINDOW, most=slots)
        self.now = 0
        self.most_waiting = self.largest = self.delivered = 0
        self.finished = False
        self.busy: dict[int, tuple[int, Task, int]] = {}  # by slot: since when, what, and a number
        self.ends: list[tuple[int, int, int]] = []  # when, the number, the slot
        self.numbers = count()
        self.step(*(SlotUp(slot, slot + 1) for slot in range(slots)), Limit(slots), Add(["0"]), Wanted())

    def walk(self, task: Task, most: int) -> tuple[int, list[str]]:
        """How many directories a worker reads, and what it leaves over."""
        stack, done = task.directories[::-1], 0
        while stack and done < most:
            done += 1
            stack += [str(child) for child in reversed(self.children[int(stack.pop())])]
        return done, stack[::-1]

    def step(self, *events: Event) -> None:
        todo = list(events)
        while todo:
            instructions, todo = self.planner.handle(*todo), []
            for instruction in instructions:
                match instruction:
                    case Dispatch(slot, task):
                        self.busy[slot] = self.now, task, next(self.numbers)
                        self.ends_at(slot, self.now + self.walk(task, TASK if task.seconds else 1)[0])
                    case GiveUp(slot):
                        self.ends_at(slot, max(self.now, self.busy[slot][0] + 1))
                    case Deliver(chunk):
                        self.delivered += chunk.directories
                        todo.append(Wanted())
                    case Finished():
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
            done, leftovers = self.walk(task, max(1, self.now - began))
            size = done * DIRECTORY_BYTES
            self.largest = max(self.largest, size)
            self.step(ChunkArrived(slot, Chunk(task.number, (), b"", leftovers, 0, [], done, 0, 0, size=size)))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("slots", [128, 512])
@pytest.mark.parametrize("skew", [0.0, 2.0], ids=["even", "skewed"])
def test_many_slots_fill_the_gaps_at_the_front_of_a_full_window(slots: int, skew: float) -> None:
    simulation = Simulation(random_tree(skew), slots)
    simulation.run()
    assert simulation.delivered == DIRECTORIES
    assert simulation.now <= FAR * DIRECTORIES / slots
    assert simulation.most_waiting <= WINDOW + slots * simulation.largest
