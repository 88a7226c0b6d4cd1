"""CPython's own tests of `os.walk`, with `walk` in its place."""

from __future__ import annotations

import io
import os
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import scanner

test_os = pytest.importorskip("test.test_os", reason="this Python comes without its own test suite")
if not hasattr(test_os, "WalkTests"):
    test_os = pytest.importorskip("test.test_os.test_os", reason="this Python comes without its own test suite")


MANY, FULL = "test_walk_many_open_files", "pool-fork"
"""A test that keeps hundreds of walks open, and the backend on which it runs, so that each walk has a pool.

To save time, the pool has one worker, and the test runs with paths of `str` only.
"""


def walk_tests(options: dict[str, Any]) -> list[type[unittest.TestCase]]:
    """Return CPython's test cases for str and bytes, which call `scanner.walk` with `options`."""

    class OurWalkTests(test_os.WalkTests):  # type: ignore[misc, name-defined]
        def walk(self, top: Any, **kwargs: Any) -> Any:
            if "follow_symlinks" in kwargs:
                kwargs["followlinks"] = kwargs.pop("follow_symlinks")
            if self._testMethodName == MANY and "max_workers" in options:
                kwargs["max_workers"] = 1
            return scanner.walk(top, **{**options, **kwargs})

    class OurBytesWalkTests(test_os.BytesWalkTests):  # type: ignore[misc, name-defined]
        def walk(self, top: Any, **kwargs: Any) -> Any:
            if "follow_symlinks" in kwargs:
                kwargs["followlinks"] = kwargs.pop("follow_symlinks")
            for broot, bdirs, bfiles in scanner.walk(os.fsencode(top), **kwargs, **options):
                dirs = [os.fsdecode(name) for name in bdirs]
                files = [os.fsdecode(name) for name in bfiles]
                yield os.fsdecode(broot), dirs, files
                bdirs[:] = [os.fsencode(name) for name in dirs]
                bfiles[:] = [os.fsencode(name) for name in files]

    return [OurWalkTests, OurBytesWalkTests]


@pytest.mark.timeout(180)  # one of them keeps many pools open
@pytest.mark.parametrize("index", [0, 1], ids=["str", "bytes"])
def test_walk_passes_the_tests_of_os_walk(
    index: int,
    backend: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)  # they build their trees in the working directory
    tests = walk_tests(backend)[index]
    names = unittest.defaultTestLoader.getTestCaseNames(tests)
    if request.node.callspec.params["backend"] != FULL or tests.__name__ != "OurWalkTests":
        names = [name for name in names if name != MANY]
    suite = unittest.TestSuite(map(tests, names))
    output = io.StringIO()
    with warnings.catch_warnings():
        # abandoned generators of the tests' own os.walk calls are theirs
        warnings.simplefilter("ignore", ResourceWarning)
        result = in_thread(lambda: unittest.TextTestRunner(stream=output, verbosity=2).run(suite))
    assert result.wasSuccessful(), output.getvalue()
    assert result.testsRun == len(names) >= 6


def in_thread(function: Callable[[], Any]) -> Any:
    """Where the stack is empty: one of the tests sets a recursion limit of 45, and pytest alone is deeper than that."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()
