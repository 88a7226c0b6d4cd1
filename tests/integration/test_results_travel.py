"""Whatever is returned or raised can be pickled: process pools and job queues do that."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.conftest import POOLS, SERIAL


@pytest.mark.parametrize("stat", [False, True, ("size", "mtime_ns")], ids=["names", "all fields", "two fields"])
def test_a_result_is_the_same_after_pickling(trees: dict[str, Path], backend: dict[str, Any], stat: Any) -> None:
    for tree in ("odd", "flat") if backend in (SERIAL, POOLS["pool-fork"]) else ("odd",):  # a flat one is large
        result = scanner.scan(trees[tree], stat=stat, **backend)
        for travelled in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            assert travelled == result
            assert travelled.errors == result.errors
            assert travelled.stats.as_dict() == result.stats.as_dict()
            if stat:
                assert list(travelled.entries()) == list(result.entries())
                again = pickle.loads(pickle.dumps(travelled))  # once its entries were looked at
                assert list(again.entries()) == list(result.entries())


def test_a_timeout_is_raised_with_its_result_in_the_process_that_waits(trees: dict[str, Path]) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        future = executor.submit(scanner.scan, trees["monorepo"], timeout=0.2, max_rate=50)
        with pytest.raises(scanner.ScanTimeout, match=r"0\.2 seconds") as caught:
            future.result()
    assert caught.value.result is not None
    assert caught.value.stats is not None
    assert 0 < len(caught.value.result) < 401
    assert caught.value.stats.as_dict()["scanned_directories"] >= len(caught.value.result)


@pytest.mark.parametrize("error", ["OptionError", "OutputError", "ScanCancelled", "ScanError", "ScanForked"])
def test_errors_are_the_same_after_pickling(error: str) -> None:
    raised = getattr(scanner, error)("what to do")
    travelled = pickle.loads(pickle.dumps(raised))
    assert (type(travelled), travelled.args) == (type(raised), raised.args)


def test_entries_and_faults_are_the_same_after_pickling(trees: dict[str, Path], tmp_path: Path) -> None:
    entries = list(scanner.entries(trees["odd"]))
    assert pickle.loads(pickle.dumps(entries)) == entries
    faults = scanner.scan(tmp_path / "missing", errors="collect").errors
    assert pickle.loads(pickle.dumps(faults)) == faults != []


@pytest.mark.parametrize("method", ["fork", "spawn"])  # Python's own fork server would stay
def test_a_pool_of_the_caller_maps_scan_over_paths(trees: dict[str, Path], method: str) -> None:
    tops = [trees[name] for name in ("monorepo", "odd", "skewed")]
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map(scanner.scan, tops)
    pool.join()
    assert results == [scanner.scan(top) for top in tops]


def test_a_scan_in_a_process_of_the_caller_is_awaited(trees: dict[str, Path]) -> None:
    async def main() -> Any:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
            return await asyncio.get_running_loop().run_in_executor(executor, scanner.scan, trees["odd"])

    assert asyncio.run(main()) == scanner.scan(trees["odd"])


def test_a_warm_scanner_is_a_cold_one_in_another_process(trees: dict[str, Path], pool: dict[str, Any]) -> None:
    with scanner.ParallelScanner(**pool) as scanning:
        result = scanning.scan_sync(trees["odd"])
        for travelled in (pickle.loads(pickle.dumps(scanning)), copy.deepcopy(scanning), copy.copy(scanning)):
            assert travelled.scan_sync(trees["odd"]) == result
            assert travelled.options == scanning.options
        assert scanning.scan_sync(trees["odd"]) == result
