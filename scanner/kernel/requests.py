"""Send several requests at a time where each costs a round trip, and repeat them after transient errors.

An NFS client sends types with the first thousand names or so, and then no more, unless attributes of entries
already listed are requested. Then it goes on to fetch them along with the names, a thousand in one round trip:

    list some -> have types? -> list more -> no types: request all of these, several in flight
                                             '-> from then on, request a few of each thousand: the client fetches all
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from scanner.model import Fault, Path, prefix_of

T = TypeVar("T")
OPEN_REQUESTS = 3  # of a file system, for a directory: look up its name, open it, close it
BLOCK_BYTES = 32768  # of a listing, in one request of the C library
PROBES = 12  # entries that show whether requests are slow; a Linux client reacts to more than 8 of them
SLOW_REQUEST = 300e-6  # seconds for one request
LEAST = 4  # fewest entries for a thread
BATCH = 512  # entries: of a page of a listing, which the client fetches with attributes or without
ONCE, TWICE, AT_ONCE = (0.02,), (0.02, 0.2), (0.0, 0.0, 0.0)
RETRIES = {
    errno.ESTALE: TWICE, errno.EMFILE: TWICE, errno.ENFILE: TWICE, errno.ENOMEM: TWICE, errno.EAGAIN: TWICE,
    errno.EINTR: TWICE, errno.EIO: ONCE, errno.ELOOP: AT_ONCE,
}  # fmt: skip
"""Seconds to wait before each repetition of a request after an error that may be transient.

ELOOP: whenever something is mounted meanwhile, anywhere, Linux resolves a path a second time and goes on counting its
symlinks, so that 21 may already be 41. True loops are common where symlinks are followed: to confirm one takes no time,
and is neither counted nor reported.
"""


class Retries:
    """Repeated requests of one Reader. `count`: so far."""

    def __init__(self) -> None:
        self.count = 0

    def may_repeat(self, failure: int, attempts: int) -> bool:
        """Return whether to repeat a request that has failed `attempts` times with the errno `failure`. If so, wait,
        and count it.
        """
        pauses = RETRIES.get(failure, ())
        if attempts > len(pauses):
            return False
        if pauses is not AT_ONCE:
            time.sleep(pauses[attempts - 1])
            self.count += 1
        return True

    @staticmethod
    def reported(failure: int, attempts: int) -> int:
        """Return how many attempts a Fault reports."""
        return 1 if RETRIES.get(failure) is AT_ONCE else attempts


def with_types(
    entries: Iterator[os.DirEntry[Any]], *, follow: bool, threads: int
) -> Iterator[Iterable[os.DirEntry[Any]]]:
    """Yield the entries in their order, in batches. Where types are slow, a batch is yielded with its types.

    A type that was requested is kept in its entry. After a failure the entry has none: the caller's own request fails
    again, and the caller reports it.
    """
    broken_off, slow = None, False
    while broken_off is None:
        some: list[os.DirEntry[Any]] = []
        try:
            some.extend(islice(entries, BATCH))
        except OSError as error:  # entries before the error count
            broken_off = error
        if not some:
            break
        if slow and not _has_attributes(some[:PROBES]):
            _request_types(some, follow, threads)
            yield some
            continue
        for start in range(0, len(some), PROBES):
            started = time.monotonic()
            yield some[start : start + PROBES]
            if time.monotonic() - started > PROBES * SLOW_REQUEST:
                slow = True
                _request_types(some[start + PROBES :], follow, threads)
                yield some[start + PROBES :]
                break
    if broken_off is not None:
        try:
            raise broken_off
        finally:
            broken_off = None  # it refers to this frame: workers collect no cycles


def _has_attributes(entries: list[os.DirEntry[Any]]) -> bool:
    """Request attributes, so that the client continues to fetch them. Return whether it had them already."""
    for entry in entries:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            entry.stat(follow_symlinks=False)
        if time.monotonic() - started > SLOW_REQUEST:
            return False
    return True


def _request_types(entries: list[os.DirEntry[Any]], follow: bool, threads: int) -> None:
    in_threads(entries, lambda entry: entry.is_dir(follow_symlinks=follow), threads)


def in_threads(todo: Sequence[T], act: Callable[[T], object], threads: int, least: int = LEAST) -> None:
    """Call `act` with each item, in several threads. An OSError is ignored: the caller repeats what has failed.

    least  fewest items for each thread.
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
            thread = threading.Thread(target=run, name="scanner-request", daemon=True)
            thread.start()
            others.append(thread)
    run()
    for thread in others:
        thread.join()


def request_statuses(entries: Sequence[os.DirEntry[Any]], *, follow: bool, threads: int) -> None:
    """Request the status of entries, which keep it. Where that is slow, send several requests at a time."""

    def request(entry: os.DirEntry[Any]) -> None:
        entry.stat(follow_symlinks=follow)

    started = time.monotonic()
    in_threads(entries[:PROBES], request, 1)
    if time.monotonic() - started > PROBES * SLOW_REQUEST:
        in_threads(entries[PROBES:], request, threads)


def is_link(entry: os.DirEntry[Any]) -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False


class EntrySorter:
    """Sorts entries of os.scandir into directories, links among them, and files, for one Reader.

    links          how a symlink to a directory counts: see `LinkRule`.
    keeps_entries  return the entries as well.
    """

    def __init__(self, links: str, retries: Retries, *, keeps_entries: bool) -> None:
        self._follow, self._mark = links != "file", links == "mark"
        self._retries, self._keeps_entries = retries, keeps_entries

    def sort(
        self, path: Path, entries: Iterator[os.DirEntry[str]], threads: int
    ) -> tuple[list[Any], list[Any], list[Any], list[Fault], dict[Any, os.DirEntry[str]]]:
        """Return directories, links, files, faults, and entries by name.

        An entry of unknown type is a file, and a Fault `stat`.

        threads  number of threads that look up types on a slow file system; 0: types are fast.
        """
        dirs: list[Any] = []
        marked: list[Any] = []
        files: list[Any] = []
        faults: list[Fault] = []
        entry_of: dict[Any, os.DirEntry[str]] = {}
        follow, mark, keep = self._follow, self._mark, self._keeps_entries
        try:
            for batch in with_types(entries, follow=follow, threads=threads) if threads else (entries,):
                for entry in batch:
                    try:
                        is_dir = entry.is_dir(follow_symlinks=follow)
                    except OSError as error:
                        is_dir = self._repeat(path, entry, error, faults)
                    if is_dir:
                        dirs.append(entry.name)
                        if mark and is_link(entry):
                            marked.append(entry.name)
                    else:
                        files.append(entry.name)
                    if keep:
                        entry_of[entry.name] = entry
        except OSError as error:
            faults.append(Fault.of(error, path, "read"))
        except MemoryError:
            dirs, marked, files = [], [], []
            faults.append(Fault(path, "read", errno.ENOMEM, os.strerror(errno.ENOMEM), "io"))
        return dirs, marked, files, faults, entry_of

    def _repeat(self, path: Any, entry: os.DirEntry[str], error: OSError, faults: list[Fault]) -> bool:
        """Return whether `entry` is a directory; repeat after errors that may be transient."""
        attempts = 1
        name: Any = entry.name if isinstance(path, str) else os.fsencode(entry.name)
        fault = Fault.of(error, prefix_of(path) + name, "stat")
        while self._retries.may_repeat(fault.errno, attempts):
            attempts += 1
            try:
                return entry.is_dir(follow_symlinks=self._follow)
            except OSError as another:
                fault = Fault.of(another, fault.path, "stat", self._retries.reported(another.errno or 0, attempts))
        if (self._follow and not self._mark) or not is_link(entry):  # behind a symlink not entered, nothing is lost
            faults.append(fault)
        return False
