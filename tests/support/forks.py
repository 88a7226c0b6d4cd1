"""Which forks happen beside other threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_recorded: list[list[int]] = []


@contextlib.contextmanager
def forks_recorded() -> Iterator[list[int]]:
    """For each fork of this process meanwhile, how many threads more than now it had at that moment."""
    before = thread_count()
    threads: list[int] = []
    _recorded.append(threads)
    try:
        yield threads
    finally:
        _recorded.remove(threads)
        threads[:] = [count - before for count in threads]


def thread_count() -> int:
    return len(os.listdir("/proc/self/task"))


def _record() -> None:
    for threads in _recorded:
        threads.append(thread_count())


os.register_at_fork(before=_record)
