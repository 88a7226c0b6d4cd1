"""Reading one directory, or the next part of a huge one."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.encoding import ENCODING, ERRORS
from scanner.kernel.descent import Descent, has_steps, steps_in
from scanner.kernel.facts import ScanFacts, facts_of
from scanner.kernel.gate import Elsewhere, Gate
from scanner.kernel.native import COUNT, JOINED, LINES, LIST, WITH_ROWS
from scanner.kernel.pack import NO_TARGETS, FilesWithRows, ReadPart, join, no_listing, pack
from scanner.kernel.requests import BLOCK_BYTES, OPEN_REQUESTS, RETRIES, EntrySorter, Retries, is_link
from scanner.model import Fault, Path, children, excluded, names, prefix_of
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.kernel.faulty import Faulty
    from scanner.kernel.known import KeptPart, Known
    from scanner.kernel.sift import Sifter
    from scanner.kernel.status import Statuses

SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
FIRST_LIMIT, LEAST_LIMIT = 1 << 16, 500  # entries to read at a time after ENOMEM
HELD_DIRECTORIES = 4
RECORD_BYTES, ALIGNED = 31, ~7  # of an entry in a listing of FUSE, beside its name
ONE_BY_ONE = {errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG, errno.ENOSYS, errno.EPERM, errno.EAGAIN}
"""Errors of opening several names at once after which the names are opened one by one: the path may be too long or lead
through a symlink, or the system may lack `openat2`."""

new_part: Callable[[tuple[Any, ...]], ReadPart] = partial(tuple.__new__, ReadPart)
"""Make a ReadPart for nearly every directory: its own constructor takes three times as long."""


class Held(NamedTuple):
    """A huge directory between two of its parts, kept open so that the next part need not start over."""

    entries: Any  # the iterator of os.scandir; None if the compiled reader goes on
    descriptor: int  # of the directory; -1: it was opened by its path
    position: int
    below: list[Path]  # its sub-directories so far, last first: entered once the last part is read
    status: os.stat_result | None = None  # of the directory before it was read, for a snapshot

    def close(self) -> None:
        if self.entries is not None:
            self.entries.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)


class Reader:
    """Reads directories for one scan. Not for use by two threads.

    facts  as `facts_of` derives them; default: names of files come as lists.
    """

    def __init__(self, options: ScanOptions, facts: ScanFacts | None = None, descent: Descent | None = None) -> None:
        facts = facts or facts_of(options, listed=True)
        self._retries = Retries()
        self.threads = 1  # that look up types on slow file systems
        self.wary = True  # whether requests may be slow, as in the last directory
        self.untyped = False  # whether the last directory had entries without a type
        self.quota = sys.maxsize  # requests until a listing ends early
        self._counts = options.max_rate is not None  # whether requests of os.scandir are counted, which takes time
        self._listed = 0  # bytes of the listing since the last request that was counted
        self._looks_up_links, self._selects_by_status = facts.links != "file", options.selects_by_status
        self._form = facts.form
        self._producer = options.producers is not None
        self._reads_targets = options.reads_targets
        self._native = None if facts.needs_entries else facts.native  # it reports names only
        listed = JOINED if facts.form == WITH_ROWS else facts.form  # the form in which names are read
        if options.filter is not None and facts.form != JOINED:
            listed = LIST
        self._lines = listed == LINES
        self._separator = facts.separator
        self._descent = descent or Descent(options.roots, follow=options.followlinks)
        self._gate = Gate(options, self._descent)
        self._checks, self.deepest, self._longest_sure = self._gate.checks, self._gate.deepest, self._gate.longest_sure
        self._barred = frozenset(options.barred)
        self._bars = bool(options.barred) or options.max_depth is not None
        self._by_path = facts.by_path
        self.sifter: Sifter | None = None
        if options.filter is not None:
            from scanner.kernel.sift import Sifter  # not needed otherwise

            records = any(producer.kind == "ncdu" for producer in options.producers or ())
            self.sifter = Sifter(
                options.filter,
                self._descent,
                by_path=self._by_path,
                follow=options.followlinks,
                records_excluded=records,
            )
        self._faulty: Faulty | None = None
        if options.injected:
            from scanner.kernel.faulty import Faulty  # for tests

            self._faulty = Faulty(options.injected, options.cwd)
        self.known: Known | None = None
        if options.known is not None:
            from scanner.kernel.known import Known  # with sqlite3

            self.known = Known(options.known, options, facts, self._descent)
            self._native = None  # single directories: entries with inodes and types are needed
            if self.sifter is not None:
                self.sifter.known = self.known
        self.statuses: Statuses | None = None
        if facts.form == WITH_ROWS and facts.columns:
            from scanner.kernel.status import Statuses  # not needed otherwise

            self.statuses = Statuses(options, facts, self._descent, self._retries)
        keeps_entries = self.statuses is not None or facts.needs_entries
        self._sorter = EntrySorter(facts.links, self._retries, keeps_entries=keeps_entries)
        self._settings = facts.rule, listed, facts.separator, self.statuses is not None
        self._entry_limit = 1 << 62  # entries to read at a time: fewer after ENOMEM
        self._held: dict[Path, Held] = {}
        self._skips = False
        """Whether entries are read to find the place of later ones: the snapshot has them already."""

    @property
    def retries(self) -> int:
        """The number of repeated requests so far."""
        return self._retries.count

    @property
    def opening(self) -> float:
        """Seconds spent on opening directories."""
        return self._gate.opening

    def read(self, path: Path, limit: int, failure: int = 0) -> ReadPart:
        """Read the first `limit` entries of `path`, or all. Repeat after errors that may be transient.

        failure  errno with which the compiled walker could not open it; negative: with which its listing broke off.

        An entry without a known type is a file, as in `os.walk`, and a Fault `stat`. When the listing breaks off, what
        was read is returned; the last Fault then has the operation `read`.
        """
        if self.known is not None and (remembered := self._remembered(path)) is not None:
            return remembered
        attempts = 1
        is_final = failure > 0 and failure not in ONE_BY_ONE and not self._gate.stays
        if is_final and not self._descent.is_root(path):
            part = no_listing(Fault.of(OSError(failure, os.strerror(failure)), path, "open"))
        else:
            part = self._try(path, limit)
            if abs(failure) in RETRIES:
                attempts = 2
                self._retries.count += 1
        if part.faults:
            part = self._insist(path, limit, part, attempts)
        return part

    def _remembered(self, path: Path, position: int = 0) -> ReadPart | None:
        """Return the directory, or its part from entry `position` on, as the snapshot store knows it. None: read it."""
        if self.known is None or self._skips:
            return None
        if not position and (fault := self.known.fault(path)) is not None:
            return no_listing(fault)
        kept = self.known.kept(path, position)
        if kept is None:
            return None
        descriptor = -1
        try:
            if self.known.looks_up_links(kept):
                descriptor = self._gate.open(path)
        except (OSError, ValueError, Elsewhere):  # reading it reports the error
            return None
        entries: list[Any] = self.known.entries(kept, descriptor)
        count = len(kept.entries)
        part = self._sort(path, iter(entries), count + 1, first=not position, descriptor=descriptor, kept=kept)
        part = part._replace(more=False, entries=count)
        if descriptor >= 0:
            self._put_away(path, None, descriptor, part)
        excluded = self.sifter.excluded if self.sifter is not None else ()
        if not self.known.still_holds(kept, entries, excluded):
            return None
        if not position:
            self.known.count(kept)
        return part._replace(more=kept.more)

    def _bar(
        self, path: Path, dirs: list[Any], links: list[Any], faults: list[Fault]
    ) -> tuple[list[Any], list[Any]]:  # fmt: skip
        """Return the directories and the links. Directories that must not be entered become links, if selected."""
        prefix = prefix_of(path)
        last = self._gate.is_last(path)
        marked = set(links)
        links = links + [name for name in dirs if (last or prefix + name in self._barred) and name not in marked]
        if self.sifter is not None and self._producer and links:
            shows = partial(self.sifter.shows, faults=faults)
            hidden = {name for name in links if not shows(prefix + name, is_shut=prefix + name in self._barred)}
            dirs, links = ([name for name in names if name not in hidden] for names in (dirs, links))
        return dirs, links

    def _insist(self, path: Path, limit: int, part: ReadPart, attempts: int) -> ReadPart:
        """Read again while the error may be transient."""
        while part.faults and self._retries.may_repeat(self._failure(part), attempts):
            self._make_room(self._failure(part))
            part = self._try(path, limit)
            attempts += 1
        faults = part.faults
        if attempts > 1 and faults and faults[-1].drops_listing:
            faults[-1] = faults[-1]._replace(attempts=self._retries.reported(faults[-1].errno, attempts))
        return part

    def _failure(self, part: ReadPart) -> int:
        """Return the errno that prevents a whole listing; 0 if the listing is whole."""
        fault = part.faults[-1]
        return fault.errno if fault.drops_listing else 0

    def _make_room(self, failure: int) -> None:
        """Prepare another attempt: close directories, which helps after ESTALE, and release what may be short."""
        self._descent.close()
        if failure in SHORTAGES:
            self._release_held()
            self._descent.hold_fewer()
        if failure == errno.ENOMEM:
            self._entry_limit = max(LEAST_LIMIT, min(self._entry_limit, FIRST_LIMIT) // 4)

    def _try(self, path: Path, limit: int) -> ReadPart:
        # Only what nearly every directory needs: another call here is a percent of a scan.
        if limit > self._entry_limit:
            limit = self._entry_limit
        if len(path) > self._longest_sure and (fault := self._gate.too_deep(path)) is not None:
            return no_listing(fault)
        descriptor = -1
        try:
            if self._native is not None:
                found = self._list(path, limit)
                self.untyped = found is None
                if found is not None:
                    return self._part_of(path, *found)
                self.wary = True
            if self._by_path:
                self._gate.refuse_elsewhere(path, path)
            else:
                descriptor = self._gate.open(path)
            place = path if descriptor < 0 else descriptor
            status = os.stat(place) if self.known is not None else None  # before the listing: a later change shows
            entries: Any = os.scandir(place) if self._faulty is None else self._faulty.scandir(path, place)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            fault = Fault.of(error, path, "open")
            return no_listing(fault.as_root() if self._descent.is_root(path) else fault)
        except Elsewhere:
            return no_listing(excluded(path, "it is on another file system"))
        except ValueError as error:  # a NUL in a name that the caller has added
            return no_listing(Fault(path, "open", errno.EINVAL, str(error), "name"))
        try:
            part = self._sort(path, entries, limit, first=True, descriptor=descriptor, status=status)
        except BaseException:  # a signal
            if descriptor >= 0:
                os.close(descriptor)
            raise
        if part.faults or part.more or descriptor < 0:
            self._put_away(path, entries, descriptor, part, status)
        elif part.dirs:
            self._descent.keep(path, descriptor)
        else:
            os.close(descriptor)
        return part

    def _list(self, path: Any, limit: int, descriptor: int = -1) -> Any:
        """List a directory, or the rest of an open one, by the compiled reader (see ListRequest). None if `os.scandir`
        must do it.
        """
        list_directory: Any = self._native.list_directory  # type: ignore[union-attr]
        prefix = prefix_of(path).encode(ENCODING, ERRORS) if self._lines else b""
        # Plain tuples: a ListRequest takes as long to make as some system calls.
        rest = limit, self.quota, prefix, isinstance(path, bytes), *self._settings
        if descriptor < 0 and not self._checks:
            parent, name, no_link = self._descent.place(path)
            self._descent.requests += OPEN_REQUESTS + steps_in(name)
            try:
                return list_directory((parent, name, no_link, *rest))
            except OSError as error:
                if error.errno not in ONE_BY_ONE or not has_steps(name):
                    raise
        parent = self._gate.open(path) if descriptor < 0 else descriptor
        return list_directory((parent, None, False, *rest))

    def _part_of(
        self, path: Path, descriptor: int, dirs: list[Any], links: list[Any], files: Any, count: int, error: int,
        more: bool, opening: float, requests: int, *, held: Held | None = None,
    ) -> ReadPart:  # fmt: skip
        """Make the ReadPart of a listing. `held`: the earlier parts of the same directory."""
        self._gate.opening += opening
        self._descent.requests += requests
        faults = [Fault.of(OSError(error, os.strerror(error)), path, "read")] if error else []
        has_more, read = more, len(dirs) + count
        try:
            if self.sifter is not None:
                part = ReadPart(dirs, links, files, count, faults, more, read)
                part = self.sifter.sift(path, part, {}, first=held is None, known=not (error or more))
                dirs, links, files, count, faults, more, read = part
            if self._bars:
                dirs, links = self._bar(path, dirs, links, faults)
            if self.sifter is not None or self._form == WITH_ROWS:
                files = self._packed(path, links, files, faults, descriptor, {})
        finally:  # not before: opening something below would close it
            if has_more:
                before, below = (0, []) if held is None else (held.position, held.below)
                self._hold(path, Held(None, descriptor, before + read, children(path, dirs, links) + below))
            elif descriptor >= 0:
                self._descent.keep(path, descriptor)
        return new_part((dirs, links, files, count, faults, more, read))

    def _packed(
        self, path: Path, links: list[Any], files: Any, faults: list[Fault], descriptor: int, entry_of: dict[Any, Any],
        kept: KeptPart | None = None,
    ) -> Any:  # fmt: skip
        """Return the names of files in the form of the scan. Rows that fail become new `faults`."""
        if self._form == WITH_ROWS and not (faults and faults[-1].operation == "open"):
            rows = link_rows = b""
            targets = NO_TARGETS
            if kept is not None and kept.rows and self.known is not None:
                rows, link_rows = self.known.rows_of(kept, names(files)), self.known.rows_of(kept, links, own=False)
            elif self.statuses is not None:
                place = path if descriptor < 0 else descriptor
                rows = self.statuses.of_directory(path, place, files, entry_of, self.threads, faults)
                if self._reads_targets:
                    targets = self.statuses.targets(path, place, files, rows, faults)
                if links:
                    link_rows = self._rows_of_links(path, place, links, self.statuses, faults)
            excluded_names: Sequence[Any] = self.sifter.excluded_names if self.sifter is not None else ()
            if kept is not None and self.known is not None:
                excluded_names = [*excluded_names, *self.known.excluded_names(path, kept)]
            return FilesWithRows(
                files if isinstance(files, str | bytes) else join(files, path), rows, link_rows, excluded_names,
                targets,
            )  # fmt: skip
        return pack(files, path, self._form, self._separator) if isinstance(files, list) else files

    def _rows_of_links(
        self, path: Path, place: Any, links: list[Any], statuses: Statuses, faults: list[Fault]
    ) -> bytes:
        """Return the rows of links. A mount that must not be entered gets no `stat`: it may hang."""
        prefix = prefix_of(path)
        some = [(prefix + name, None if prefix + name in self._barred else name) for name in links]
        return statuses.of_some(place, some, faults)

    def _sort(
        self, path: Path, entries: Iterator[os.DirEntry[str]], limit: int, *, first: bool, descriptor: int,
        status: os.stat_result | None = None, kept: KeptPart | None = None, position: int = 0,
    ) -> ReadPart:  # fmt: skip
        """Read the next `limit` entries of an open directory by `os.scandir`.

        status  of the directory, for a snapshot.
        kept    the entries come from the snapshot store.
        """
        threads = self.threads if self.wary and kept is None else 0
        some: Iterator[os.DirEntry[str]] = islice(entries, limit)
        seen: list[os.DirEntry[str]] = []
        if status is not None:
            some = noted(some, seen)
        if self._counts and kept is None:
            some = self._counted(some, first=first)
        dirs, links, files, faults, entry_of = self._sorter.sort(path, some, threads)
        count = len(files)
        read = len(dirs) + count
        more = read == limit and not (faults and faults[-1].drops_listing)
        if isinstance(path, bytes):  # an open directory is listed as str
            dirs, links, files = ([os.fsencode(name) for name in names] for names in (dirs, links, files))
            entry_of = {os.fsencode(name): entry for name, entry in entry_of.items()}
        if self.sifter is not None:
            broken_off = bool(faults) and faults[-1].drops_listing
            part = ReadPart(dirs, links, files, count, faults, more, read)
            is_known = not more and not broken_off
            threads = self.threads if kept is None else 0
            part = self.sifter.sift(
                path, part, entry_of, first=first, known=is_known, stored=kept, threads=threads
            )  # fmt: skip
            dirs, links, files, count, faults, more, read = part
        if self._bars:  # before the part is held, whose directories are entered later
            dirs, links = self._bar(path, dirs, links, faults)
        files = self._packed(path, links, files, faults, descriptor, entry_of, kept)
        part = ReadPart(dirs, links, files, count, faults, more, read)
        broken_off = bool(faults) and faults[-1].drops_listing
        if status is not None and self.known is not None and not (broken_off or self._skips):
            excluded = self.sifter.excluded if self.sifter is not None else set()
            self.known.recorder.add(path, position, status, descriptor, seen, part, excluded)
        return part

    def _counted(self, entries: Iterator[os.DirEntry[str]], *, first: bool) -> Iterator[os.DirEntry[str]]:
        """Yield the entries, and count requests: blocks of the listing as the C library reads them, and look-ups."""
        if first:
            self._listed = 0
            self._descent.requests += 2 + (self.statuses is not None)  # the first block, and the end; its own `stat`
        each_costs = self._selects_by_status or (self.untyped and self.statuses is None)
        for entry in entries:
            self._listed += (len(entry.name) + RECORD_BYTES) & ALIGNED
            if self._listed > BLOCK_BYTES:
                self._listed -= BLOCK_BYTES
                self._descent.requests += 1
            self._descent.requests += each_costs or (self._looks_up_links and is_link(entry))
            yield entry

    def _put_away(
        self, path: Path, entries: Any, descriptor: int, part: ReadPart, status: os.stat_result | None = None
    ) -> None:
        """Keep a directory open that has sub-directories, or more entries to read."""
        held = Held(entries, descriptor, part.entries, [], status)
        if part.more:
            self._hold(path, held._replace(below=children(path, part.dirs, part.links)))
        elif part.dirs and descriptor >= 0 and not (part.faults and part.faults[-1].drops_listing):
            self._descent.keep(path, descriptor)
        else:
            held.close()

    def _hold(self, path: Path, held: Held) -> None:
        while len(self._held) >= HELD_DIRECTORIES:
            self._held.pop(next(iter(self._held))).close()  # resuming it starts over and skips
        self._held[path] = held

    def resume(self, path: Path, position: int, limit: int) -> tuple[ReadPart, list[Path]]:
        """Read the entries of a huge directory after the first `position`. Return also the sub-directories among these
        first entries.
        """
        held = self._held.pop(path, None)
        if held is not None and held.position != position:
            held.close()
            held = None
        if held is None and self.known is not None:
            remembered, before = self._remembered(path, position), self.known.directories_before(path, position)
            if remembered is not None and before is not None:
                return remembered, before
        if held is not None and held.entries is None:
            found = self._list(path, min(limit, self._entry_limit), held.descriptor)
            if found is not None:
                return self._part_of(path, *found, held=held), held.below
            held = None
        if held is None:
            fault, below = self._skip(path, position)
            if fault is not None:
                return no_listing(fault), below
            held = self._held.pop(path)
        part = self._sort(
            path, held.entries, min(limit, self._entry_limit), first=False, descriptor=held.descriptor,
            status=held.status, position=position,
        )  # fmt: skip
        if part.more:
            below = children(path, part.dirs, part.links) + held.below
            self._hold(path, held._replace(position=position + part.entries, below=below))
        else:
            held.close()
        return part, held.below

    def _skip(self, path: Path, position: int) -> tuple[Fault | None, list[Path]]:
        """Hold `path` open after its first `position` entries, or return the Fault and the sub-directories found.

        Called if this process does not hold it open. It is read again from the start: a directory that does not change
        has the same order each time.
        """
        with self._in_python_counting():  # the compiled reader cannot skip entries
            part = self.read(path, position)
        while part.more and (so_far := self._held[path].position) < position:  # the limit is small after ENOMEM
            part, _ = self.resume(path, so_far, position - so_far)
        below = children(path, part.dirs, part.links)
        if part.faults and part.faults[-1].drops_listing:
            return part.faults[-1]._replace(operation="read"), below
        if not part.more:  # which entries were listed before is unknown
            return Fault(path, "read", errno.ESTALE, "it became shorter while it was read", "io"), below
        return None, []

    @contextlib.contextmanager
    def _in_python_counting(self) -> Iterator[None]:
        kept = self._native, self._form
        self._native, self._form, self._skips = None, COUNT, True
        try:
            yield
        finally:
            self._native, self._form = kept
            self._skips = False

    def close(self) -> None:
        """Close all directories that are open."""
        self._descent.close()
        self._release_held()
        if self.known is not None:
            self.known.close()

    def _release_held(self) -> None:
        while self._held:
            self._held.popitem()[1].close()


def noted(entries: Iterator[Any], seen: list[Any]) -> Iterator[Any]:
    """Yield the entries, and append each to `seen`."""
    for entry in entries:
        seen.append(entry)
        yield entry
