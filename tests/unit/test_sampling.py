"""Estimates of trees in memory: their intervals contain the truth."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.sampling import Found, Range, Sampler, around
from tests.support.shapes import SHAPES, Shape, make_shape

TREES, SIZE = 100, 4000
BUDGET = 800  # directories: 20 %


def sampled(shape: Shape, budget: int, seed: int) -> Sampler:
    """A Sampler that has read so many directories."""
    left = budget
    seen: Counter[int] = Counter()

    def read(paths: list[Any]) -> list[Found] | None:
        nonlocal left
        left -= len(paths)
        seen.update(paths)
        return [shape.found(path) for path in paths] if left >= 0 else None

    sampler = Sampler([0], random.Random(seed))
    while not sampler.is_exact and sampler.replicate(read):
        pass
    assert left < 0 or max(seen.values()) == 1, "no directory is read twice"
    return sampler


def holds(there: Range, truth: float) -> bool:
    return there.low <= truth and (there.high is None or truth <= there.high)


@pytest.mark.parametrize("name", SHAPES)
def test_intervals_contain_the_truth_in_90_of_100_trees(name: str) -> None:
    right, bounded = [0, 0, 0], 0
    for seed in range(TREES):
        shape = make_shape(name, SIZE, seed)
        sampler = sampled(shape, BUDGET, seed)
        for kind, truth in enumerate(shape.totals()):
            right[kind] += holds(sampler.range(kind), truth)
        bounded += sampler.range(1).high is not None
    assert min(right) >= 90
    assert bounded >= 90 or name == "deep", "and they say something"


def test_intervals_become_narrow_with_more_time() -> None:
    widths = []
    for budget in (500, 2000, 3500):
        there = sampled(make_shape("monorepo", SIZE, 1), budget, 1).range(1)
        assert there.high is not None
        widths.append(there.high - there.low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("name", SHAPES)
def test_a_tree_that_is_read_to_its_end_is_counted_exactly(name: str) -> None:
    shape = make_shape(name, 300, 1)
    sampler = sampled(shape, 10_000, 1)
    assert sampler.is_exact
    assert [sampler.range(kind) for kind in range(3)] == [Range(truth, truth, truth) for truth in shape.totals()]


@pytest.mark.parametrize("name", ["monorepo", "homes", "branching"])
def test_estimates_are_right_on_average(name: str) -> None:
    shape = make_shape(name, 1000, 1)
    values = []
    for seed in range(400):
        sampler = Sampler([0], random.Random(seed))
        for _ in range(3):
            sampler.replicate(lambda paths: [shape.found(path) for path in paths])
        values.append(sampler._estimates[-1][0][1])
    assert sum(values) / len(values) == pytest.approx(shape.totals()[1], rel=0.1)


def test_without_time_only_what_was_read_is_known() -> None:
    sampler = sampled(make_shape("monorepo", SIZE, 1), 20, 1)
    there = sampler.range(1)
    assert there.high is None
    assert there.value >= there.low == sampler.known[1]


@given(st.integers(0, 10**9), st.integers(1, 200), st.lists(st.floats(0.1, 100), min_size=1, max_size=300))
@settings(deadline=None)
def test_a_sample_stands_for_all(seed: int, count: int, weights: list[float]) -> None:
    sampler = Sampler([], random.Random(seed))
    chosen = sampler._sample(list(enumerate(weights)), count)
    assert len({path for path, _ in chosen}) == len(chosen) <= max(count, 1) + 1
    assert [path for path, _ in chosen] == sorted(path for path, _ in chosen)
    assert sum(weight for _, weight in chosen) == pytest.approx(sum(weights), rel=1.01 / min(count, len(weights)))


def test_an_interval_is_never_below_what_is_known() -> None:
    assert around(1000, 900, 50).low >= 1000
    assert around(1000, 2000, 1e9) == Range(2000, 1000, None)
    there = around(1000, 2000, 500)
    assert there.high is not None
    assert 1000 < there.low < there.value < there.high
