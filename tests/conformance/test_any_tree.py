"""Equality with `os.walk` as a rule for all trees."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scanner
from scanner.kernel.walk import Walker
from scanner.model import Chunk, ChunkArrived, SlotLost, SlotUp, Task
from scanner.options import ScanOptions
from scanner.plan.events import AddDirectories, ConsumerWaits, DeliverChunk, DispatchTask, ScanFinished
from scanner.plan.invariants import validate
from scanner.plan.planner import Planner
from scanner.run import Collector

NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
TREES: Any = st.recursive(
    st.none() | st.sampled_from([b"..", b".", b"missing", b"/"]),
    lambda children: st.dictionaries(NAMES, children, max_size=6),
    max_leaves=40,
).map(lambda tree: tree if isinstance(tree, dict) else {})


def build(top: bytes, tree: dict[bytes, Any]) -> None:
    os.makedirs(top, exist_ok=True)
    for name, content in tree.items():
        path = top + b"/" + name
        if isinstance(content, dict):
            build(path, content)
        elif content is None:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        else:
            os.symlink(content, path)


@given(tree=TREES, topdown=st.booleans(), as_bytes=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_tree_serial(tree: dict[bytes, Any], topdown: bool, as_bytes: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), tree)
        top: Any = os.fsencode(folder) if as_bytes else folder
        expected = list(os.walk(top, topdown))
        assert list(scanner.walk(top, topdown, backend="serial")) == expected
        assert scanner.scan(top, topdown, backend="serial") == expected


@given(tree=TREES, topdown=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_tree_in_a_pool(tree: dict[bytes, Any], topdown: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), tree)
        expected = list(os.walk(folder, topdown))
        options: dict[str, Any] = {"backend": "pool", "max_workers": 2, "start_method": "fork"}
        assert list(scanner.walk(folder, topdown, **options)) == expected
        assert scanner.scan(folder, topdown, **options) == expected


@given(tree=TREES, slots=st.integers(1, 4), entries=st.integers(1, 5), window=st.integers(1, 2000), data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_schedule_gives_walk_order(
    tree: dict[bytes, Any], slots: int, entries: int, window: int, data: st.DataObject
) -> None:
    """Budgets of a few entries, slots that answer in any order and that are lost at any time."""
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), tree)
        planner = Planner(ordered=True, slots=slots, window=window)
        with contextlib.ExitStack() as stack:
            walkers = {slot: Walker(ScanOptions(), joined=True) for slot in range(slots)}
            for walker in walkers.values():
                stack.callback(walker.close)
            result = run_schedule(planner, walkers, folder, entries, data)
        assert result == list(os.walk(folder))


def run_schedule(
    planner: Planner, walkers: dict[int, Walker], top: str, entries: int, data: st.DataObject
) -> list[Any]:
    busy: dict[int, Task] = {}
    result: list[Any] = []
    collector = Collector(result)
    losses = 2  # more of them over one directory, and it is given up
    instructions = planner.handle(*[SlotUp(slot) for slot in walkers], AddDirectories([top]), ConsumerWaits())
    while True:
        validate(planner)
        delivered: list[Chunk] = []
        for instruction in instructions:
            if isinstance(instruction, DispatchTask):
                assert instruction.slot not in busy
                busy[instruction.slot] = instruction.task._replace(entries=entries)
            elif isinstance(instruction, DeliverChunk):
                delivered.append(instruction.chunk)
        for chunk in delivered:
            collector.add(chunk)
        if ScanFinished() in instructions:
            return result
        if delivered:
            instructions = planner.handle(ConsumerWaits())
            continue
        assert busy, "some slot has a Task"
        slot = data.draw(st.sampled_from(sorted(busy)))
        task = busy.pop(slot)
        if losses and data.draw(st.booleans()):
            losses -= 1
            walkers[slot].close()
            instructions = planner.handle(SlotLost(slot), SlotUp(slot))
            continue
        chunk = walkers[slot].walk(task)
        chunk.size = 400 * chunk.directories
        instructions = planner.handle(ChunkArrived(slot, chunk))
