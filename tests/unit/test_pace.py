"""How many slots: found with a server made of arithmetic, and a clock in our hands."""

from __future__ import annotations

import heapq
from itertools import pairwise

import pytest

from scanner.model import LONGEST_TASK, TASK_SECONDS, Chunk
from scanner.plan.pace import A_TASK, Pace
from scanner.plan.tasks import SLOW_DIRECTORIES

WORK = 30e-6  # seconds of processor a directory


class Scan:
    """A scan with directories enough for all slots, of a server that is one heap of times. Each is a Task of its own,
    which is as much work again.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.work = WORK
        self._now = self._worked = 0.0
        self._under_way: list[tuple[float, float]] = []

    def run(self, directories: int, latency: float, at_once: int = 1000, opening: float = 0.0) -> list[int]:
        """The number of slots after each directory. The server answers `at_once` requests at a time; of the latency,
        so much is opening.
        """
        free = [self._now] * at_once
        history = []
        for _ in range(directories):
            while len(self._under_way) < self.pace.slots:
                done = max(self._now, heapq.heappop(free)) + latency
                heapq.heappush(free, done)
                heapq.heappush(self._under_way, (done + WORK, self._now))
            self._now, began = heapq.heappop(self._under_way)
            self._worked += self.work * (1 + A_TASK)
            chunk = Chunk(0, "/", directories=1, seconds=self._now - began, cpu=WORK)
            chunk.opening = opening / latency * chunk.seconds if latency else 0.0
            self.pace.note(self._now, chunk, began, len(self._under_way) + 1, lambda: self._worked)
            history.append(self.pace.slots)
        return history


@pytest.fixture
def scan() -> Scan:
    return Scan(Pace(1, 64))


def test_directories_that_cost_no_waiting_are_read_one_at_a_time(scan: Scan) -> None:
    assert set(scan.run(1000, 0.0)) == {1}


@pytest.mark.parametrize("latency", [0.003, 0.006, 0.03, 1.0])
def test_a_server_without_a_limit_gets_all_that_is_allowed(latency: float, scan: Scan) -> None:
    history = scan.run(2000, latency)
    assert history[-1] == 64
    assert history.index(64) < 100, "soon: the last doubling alone takes 32"


@pytest.mark.parametrize("at_once", [4, 8, 20])
def test_a_busy_server_gets_what_it_can_answer_and_little_more(at_once: int, scan: Scan) -> None:
    history = scan.run(3000, 0.006, at_once)
    assert max(history) <= 2 * at_once
    assert 0.85 * at_once <= min(history[500:]) <= max(history[500:]) <= 1.9 * at_once


def test_a_root_that_costs_less_than_what_is_below_it_is_no_sign_of_a_queue(scan: Scan) -> None:
    """No name is looked up for it."""
    scan.run(1, 0.006, opening=0.002)
    history = scan.run(2000, 0.009, opening=0.005)
    assert history.index(64) < 100


def test_after_a_queue_the_number_grows_in_small_steps(scan: Scan) -> None:
    scan.run(1000, 0.006, at_once=8)
    history = scan.run(5000, 0.006)
    assert history[-1] == 64
    assert all(after <= max(before + 1, 1.25 * before) for before, after in pairwise(history))


def test_a_server_that_becomes_busy_gets_less(scan: Scan) -> None:
    scan.run(500, 0.006)
    assert scan.pace.slots == 64
    assert scan.run(2000, 0.006, at_once=8)[-1] <= 15


def test_a_server_that_has_time_again_gets_more(scan: Scan) -> None:
    scan.run(1000, 0.006, at_once=8)
    assert scan.pace.slots <= 13
    assert scan.run(5000, 0.006)[-1] == 64


def test_directories_that_take_longer_for_another_reason_are_no_queue(scan: Scan) -> None:
    """Larger ones, or a farther server: fewer at a time do not help."""
    scan.run(500, 0.003)
    assert scan.run(5000, 0.015)[-1] == 64


@pytest.mark.parametrize("times", [1.3, 1.4, 1.5, 1.7])
@pytest.mark.parametrize("before", [1, 2, 5, 20, 60])
def test_directories_that_take_a_little_longer_than_the_first_are_no_queue(
    before: int, times: float, scan: Scan
) -> None:
    scan.run(before, 0.003)
    history = scan.run(3000, times * 0.003)
    assert history[-1] == 64
    assert history.index(64) < 1500


def test_directories_that_are_many_names_away_take_longer_to_open_and_are_no_queue(scan: Scan) -> None:
    history = [slots for depth in range(6) for slots in scan.run(50, 0.004 + 0.002 * depth, opening=0.002 * depth)]
    assert history == sorted(history)
    assert history[-1] == 64


def test_no_more_threads_than_there_is_processor_for(scan: Scan) -> None:
    """17 of the 20 that would keep it at work all the time."""
    scan.work = 0.03 / 20
    history = scan.run(3000, 0.03)
    assert max(history) <= 17
    assert set(history[100:]) <= {16, 17}
    assert not scan.pace.probing, "small Tasks take more of it"


def test_tasks_are_single_directories_until_the_number_is_found_and_several_slow_ones_then(scan: Scan) -> None:
    assert scan.pace.task_seconds == TASK_SECONDS
    scan.run(20, 0.02)
    assert scan.pace.task_seconds == 0.0
    scan.run(1000, 0.02)
    assert scan.pace.task_seconds == SLOW_DIRECTORIES * 0.02
    scan.run(5000, 1.0)
    assert scan.pace.task_seconds == LONGEST_TASK
    scan.run(5000, 0.0)
    assert scan.pace.task_seconds == TASK_SECONDS


def test_after_the_first_sign_of_a_queue_tasks_are_not_small_again(scan: Scan) -> None:
    """Each is as much work as a directory."""
    scan.run(500, 0.006, at_once=8)
    scan.run(5000, 0.006)
    assert scan.pace.slots == 64
    assert not scan.pace.probing


def test_what_takes_less_processor_than_before_gets_more(scan: Scan) -> None:
    scan.work = 0.03 / 10
    assert scan.run(1000, 0.03)[-1] <= 10
    scan.work = WORK
    assert scan.run(1000, 0.03)[-1] == 64


def test_a_clock_of_processor_time_that_ticks_slowly_misleads_for_no_longer_than_a_few_windows(scan: Scan) -> None:
    pace_note = scan.pace.note
    scan.pace.note = lambda *a: pace_note(*a[:-1], lambda: round(a[-1](), 2))  # type: ignore[method-assign, misc]
    scan.work = 0.0005
    assert min(scan.run(3000, 0.03)[300:]) >= 40


def test_what_costs_no_waiting_any_more_is_read_one_at_a_time_again(scan: Scan) -> None:
    scan.run(500, 0.006)
    assert scan.run(3000, 0.0)[-1] == 1


def test_it_never_goes_below_what_there_is_anyway_nor_above_the_cap() -> None:
    scan = Scan(Pace(1, 3))
    scan.pace.begin_with(8)
    assert set(scan.run(500, 0.006, at_once=1)) == {3}


def test_what_there_is_anyway_may_become_less() -> None:
    """Threads give way to processes, of which there is one less."""
    pace = Pace(1, 64)
    pace.begin_with(3)
    pace.begin_with(2)
    assert pace.slots == 2
    pace.slots = 40  # as directories cost waiting
    pace.begin_with(1)
    assert pace.slots == 40


@pytest.mark.parametrize("samples", [1, 2])
def test_one_directory_that_was_interrupted_does_not_count(samples: int) -> None:
    """By another process on this processor, or by the interpreter lock."""
    pace = Pace(1, 64)
    chunk = Chunk(0, "/", directories=1, seconds=0.0015, cpu=0.0001)
    for number in range(samples):
        pace.note(number * 0.0001, chunk, number * 0.0001, 1, lambda: 0.0)
    assert pace.slots == 1


def test_repeated_tasks_are_not_measured(scan: Scan) -> None:
    """The pauses in between are ours. Where descriptors are short, more threads would make it worse."""
    for number in range(100):
        chunk = Chunk(0, "/", directories=1, retries=3, seconds=0.05, cpu=0.0001)
        scan.pace.note(0.05 * number, chunk, 0.05 * number, 1, lambda: 0.0)
    assert scan.pace.slots == 1


def test_a_caller_who_works_at_first_does_not_hold_it_down_for_ever() -> None:
    scan = Scan(Pace(2, 64))
    scan.work = 0.02
    scan.run(60, 0.006)
    scan.work = WORK
    assert scan.run(3000, 0.006)[-1] == 64


def test_a_processor_clock_that_goes_back_is_ignored(scan: Scan) -> None:
    """As it does where another device is met, or another thread asks."""
    scan.run(100, 0.006)
    scan._worked = -1000.0
    assert scan.run(2000, 0.006)[-1] == 64
