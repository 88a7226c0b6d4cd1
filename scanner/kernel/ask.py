"""Asking for the types of many entries of one directory at a time, where each costs a round trip.

An NFS client tells types for the first thousand names or so, and then no more, unless somebody asks for attributes of
what it has told while it lists. Then it goes on to fetch them along with the names, a thousand in one round trip:

    list some -> known? -> list more -> unknown: ask for all of these at a time
                                        '-> from then on, ask for a few of each thousand: it fetches them again
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")
FEW = 12  # entries that tell whether asking takes long; more than 8 requests are what makes a Linux client take notice
SLOW = 300e-6  # seconds for one
LEAST = 4  # entries for a thread
MANY = 512  # entries at a time: of a page of a listing, which the client fetches with attributes or without


def asked(entries: Iterator[os.DirEntry[Any]], *, follow: bool, threads: int) -> Iterator[Iterable[os.DirEntry[Any]]]:
    """The entries, in their order, in batches. Where asking for types takes long, they come with their types known.

    What was asked for is in the entry; what has failed is asked for again by whoever wants to know it, and told.
    """
    broken_off, slow = None, False
    while broken_off is None:
        some: list[os.DirEntry[Any]] = []
        try:
            some.extend(islice(entries, MANY))
        except OSError as error:  # what came before it counts
            broken_off = error
        if not some:
            break
        if slow and not _look(some[:FEW]):
            _ask(some, follow, threads)
            yield some
            continue
        for start in range(0, len(some), FEW):
            started = monotonic()
            yield some[start : start + FEW]
            if monotonic() - started > FEW * SLOW:
                slow = True
                _ask(some[start + FEW :], follow, threads)
                yield some[start + FEW :]
                break
    if broken_off is not None:
        try:
            raise broken_off
        finally:
            broken_off = None  # it knows this frame: workers collect no cycles


def _look(entries: list[os.DirEntry[Any]]) -> bool:
    """Ask for attributes, so that the client sees that somebody does; whether it had them."""
    for entry in entries:
        started = monotonic()
        with contextlib.suppress(OSError):
            entry.stat(follow_symlinks=False)
        if monotonic() - started > SLOW:
            return False
    return True


def _ask(entries: list[os.DirEntry[Any]], follow: bool, threads: int) -> None:
    spread(entries, lambda entry: entry.is_dir(follow_symlinks=follow), threads)


def spread(todo: Sequence[T], act: Callable[[T], object], threads: int, least: int = LEAST) -> None:
    """Do `act` with each, several at a time. An OSError means that somebody else is going to ask again.

    `least`: how many there must be for a thread.
    """
    left = iter(todo)

    def run() -> None:
        for each in left:
            with contextlib.suppress(OSError):
                act(each)

    others: list[threading.Thread] = []
    count = min(threads, len(todo) // least)
    with contextlib.suppress(RuntimeError):  # the system has no more threads
        while len(others) < count - 1:
            thread = threading.Thread(target=run, name="scanner-ask", daemon=True)
            thread.start()
            others.append(thread)
    run()
    for thread in others:
        thread.join()


def is_link(entry: os.DirEntry[Any]) -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False
