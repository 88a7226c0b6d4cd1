"""Trees, backends, and a check after every test that nothing stays behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.leaks import left_since, present
from tests.support.trees import build

START_METHODS = ["forkserver", "spawn", "fork"]
BACKENDS = [
    pytest.param({"backend": "serial"}, id="serial"),
    pytest.param({"backend": "auto"}, id="auto"),
    *(
        pytest.param({"backend": "pool", "max_workers": 2, "start_method": method}, id=f"pool-{method}")
        for method in START_METHODS
    ),
]
POOLS = BACKENDS[2:]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> dict[str, object]:
    """Keywords for `walk` and `scan`: every backend, on every start method."""
    return dict(request.param)


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> dict[str, object]:
    return dict(request.param)


@pytest.fixture(params=START_METHODS)
def start_method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One small tree of each profile, built once. Tests must not change them."""
    built = {
        "monorepo": build(tmp_path_factory, "monorepo", 400, 4000),
        "skewed": build(tmp_path_factory, "skewed", 400, 4000),
        "flat": build(tmp_path_factory, "flat", 30, 25_000),
        "deep": build(tmp_path_factory, "deep", 400, 800),
        "odd": build(tmp_path_factory, "odd", 60, 500),
    }
    yield built
    # pytest would remove it recursively, which is too deep for Python; rm is not impressed.
    subprocess.run(["rm", "-rf", built["deep"]], check=True)


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    """No process, thread or descriptor that was not there before. The resource tracker is Python's own."""
    before = present()
    yield
    assert not left_since(before)
