"""What Dask keeps for its clients may stay: connections, threads of its own, and pipes to the jobs of dask-jobqueue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.leaks import left_since, present

OF_DASK = (
    "asyncio",
    "socket:",
    "thread Dask-",
    "thread Profile",
    "thread ThreadPoolExecutor",
    "thread IO loop",
    "AsyncProcess",
)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = present()
    yield
    assert not left_since(before, but=OF_DASK)
