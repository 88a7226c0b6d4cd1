"""Asking for the types of many entries of one directory at a time, where each costs a round trip."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from time import monotonic
from typing import Any

FIRST = 16  # entries that tell whether it pays
SLOW = 300e-6  # seconds for one
LEAST = 4  # entries for a thread
MANY = 2048  # entries at a time: a client that lists types only while somebody looks at them sees that somebody does


def asked(entries: Iterator[os.DirEntry[Any]], *, follow: bool, threads: int) -> Iterator[Iterable[os.DirEntry[Any]]]:
    """The entries, in their order, in batches. If the first have taken long, the others come with their types known.

    What was asked for is in the entry; what has failed is asked for again by whoever wants to know it, and told.
    """
    started = monotonic()
    yield islice(entries, FIRST)
    if monotonic() - started <= FIRST * SLOW:
        yield entries
        return
    broken_off = None
    while broken_off is None:
        some: list[os.DirEntry[Any]] = []
        try:
            some.extend(islice(entries, MANY))
        except OSError as error:  # what came before it counts
            broken_off = error
        if not some:
            break
        if threads > 1:
            _ask(some, follow, min(threads, len(some) // LEAST))
        yield some
    if broken_off is not None:
        raise broken_off


def _ask(entries: list[os.DirEntry[Any]], follow: bool, threads: int) -> None:
    todo = iter(entries)

    def run() -> None:
        for entry in todo:
            with contextlib.suppress(OSError):
                entry.is_dir(follow_symlinks=follow)

    others = [threading.Thread(target=run, name="scanner-ask", daemon=True) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    run()
    for thread in others:
        thread.join()
