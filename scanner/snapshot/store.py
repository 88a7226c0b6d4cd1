"""`Store`: reading snapshots, without touching the tree."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.errors import OptionError, StoreError
from scanner.kernel.rows import Key, KnownSpec, holding
from scanner.model import prefix_of
from scanner.options import PathLike, ScanOptions, parse_seconds
from scanner.snapshot.changed import ends_of
from scanner.snapshot.moments import chosen
from scanner.snapshot.prune import FINISHED, refuse_no_snapshot
from scanner.snapshot.schema import explained, open_reader
from scanner.snapshot.settings import Settings, shown

if TYPE_CHECKING:
    from scanner.entry import Entry
    from scanner.export.tree import Total
    from scanner.model import Chunk, Walked
    from scanner.options import ProducerSpec
    from scanner.run import ScanResult
    from scanner.snapshot.diff import Diff

ABOUT = "number", "state", "began", "ended", "host"
"""What a report says of a snapshot that it was read from."""
IS_UNREAD = "SELECT 1 FROM unread WHERE root = :root AND path = :path AND snapshot = :snapshot"
HAS_DIRECTORY = holding("root = :root AND path = :path", "part") + " LIMIT 1", IS_UNREAD
COLUMNS = (
    "id, state, began, ended, directories, entries, files, bytes, blocks, read, kept, rechecked, stale, unreliable, "
    "racy, damaged, errors, trust, version, host, "
    "(SELECT sum(attempts.ended - attempts.began) FROM attempts WHERE snapshot = snapshots.id)"
)


class Snapshot(NamedTuple):
    """One snapshot of a store.

    number       1 for the first one
    state        complete; incomplete: some directories were unreadable; failed: all roots were, or --expect-fs or
                 --min-entries was not met; open: interrupted, the next scan goes on
    began, ended seconds since 1970; `ended` None: never
    directories, entries
                 numbers of what was found
    files, bytes, blocks
                 number of entries that are no directories, and sums over them; None unless sizes are stored. They
                 include what was known of directories that are unreadable now
    read, kept   directories that were read, and that were taken from the snapshot before
    rechecked, stale
                 directories read only to check the times, and those that differed
    unreliable, racy, damaged
                 directories read because of their file system, because they had changed just before they were read, and
                 because their row was damaged
    errors       unreadable directories
    trust        the option
    version, host
                 the scanner, and where it ran
    seconds      time that the scan took, in all its parts
    """

    number: int
    state: str
    began: float
    ended: float | None
    directories: int
    entries: int
    files: int | None
    bytes: int | None
    blocks: int | None
    read: int
    kept: int
    rechecked: int
    stale: int
    unreliable: int
    racy: int
    damaged: int
    errors: int
    trust: str
    version: str
    host: str
    seconds: float | None


class Store:
    """A snapshot store, opened for reading: of scans with `store=`.

        path: The file.

    Which snapshot: its number, -1 for the newest finished one (default), -2 for the one before, "-7d" for the newest
    that is 7 days old or more, or "2026-11-28" for the last of that day.

    Raises StoreError if the file is missing, damaged, or no store.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.path.abspath(os.fsdecode(path))
        with explained(self.path), contextlib.closing(open_reader(self.path)) as database:
            self.settings = Settings.of(database) or Settings((), {})

    @property
    def roots(self) -> list[str]:
        """The roots of the scans, as the last scan was given them."""
        return [os.fsdecode(path) for (path,) in self._query("SELECT CAST(path AS BLOB) FROM roots ORDER BY number")]

    @property
    def places(self) -> list[bytes]:
        """The absolute paths of the roots."""
        return [place for (place,) in self._query("SELECT CAST(place AS BLOB) FROM roots ORDER BY number")]

    @property
    def identities(self) -> list[Any]:
        """Inode, kind and file system of each root: they identify it beside its path."""
        return self._query("SELECT inode, kind, filesystem FROM roots ORDER BY number")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are stored of each entry. The option `stat` of the first scan selected them."""
        return self.settings.columns

    @property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the oldest first."""
        return [Snapshot(*row) for row in self._query(f"SELECT {COLUMNS} FROM snapshots ORDER BY id")]

    @property
    def newest(self) -> Snapshot | None:
        """The newest finished snapshot; None if there is none."""
        return next((each for each in reversed(self.snapshots) if each.state in FINISHED), None)

    def snapshot(self, which: int | str = -1) -> Snapshot:
        """Return a finished snapshot. Raises OptionError if there is none of that name."""
        finished = [each for each in self.snapshots if each.state in FINISHED]
        number = chosen(which, [each.number for each in finished], [each.began for each in finished])
        return next(each for each in finished if each.number == number)

    def walk(
        self, which: int | str = -1, topdown: bool = True, path: str | None = None, **keywords: Any
    ) -> Iterator[Walked[str]]:
        """Yield what `os.walk` has yielded at the time of the snapshot, lazily.

            which: Which snapshot. Default: the newest finished one.
            path: The root, or a directory below it. Default: the first root.

        Keywords are options. Directories that the scan did not enter are not entered.
        """
        from scanner.api import walk

        root, options = self.source(which, path)
        return walk(root, topdown, options=options, **keywords)

    def scan(self, which: int | str = -1, path: str | None = None, **keywords: Any) -> ScanResult[str]:
        """Return what `scan` has returned at the time of the snapshot. Arguments as for `walk`."""
        from scanner.api import scan

        root, options = self.source(which, path)
        return scan(root, options=options, **keywords)

    def entries(self, which: int | str = -1, path: str | None = None, **keywords: Any) -> Iterator[Entry[str]]:
        """Yield the entries at the time of the snapshot, with the fields that are stored. Arguments as for `walk`."""
        from scanner.api import entries

        root, options = self.source(which, path)
        return entries(root, options=options, **{"stat": self.fields, **keywords})

    def du(self, which: int | str = -1, path: str | None = None) -> Iterator[Total]:
        """Yield the disk usage of each directory at the time of the snapshot, in the order of `du`: subdirectories
        first.

        A file with several names counts once. Raises OptionError if sizes are not stored.
        """
        from scanner.export.formats import SIZES_FIELDS
        from scanner.export.tree import Tree
        from scanner.options import ProducerSpec

        tree = Tree([self.source(which, path)[0]])
        for chunk in self._chunks(which, path, ProducerSpec("sizes", (None, False)), stat=SIZES_FIELDS):
            yield from tree.add(chunk.output)
        yield from tree.finish()

    def _chunks(
        self, which: int | str, path: str | None, *producers: ProducerSpec, stat: Sequence[str] = ()
    ) -> Iterator[Chunk]:
        from scanner.run import Run

        root, options = self.source(which, path)
        options = options._replace(producers=producers, stat=tuple(stat))
        with Run([root], options, monitored=False) as run:
            yield from run.chunks()

    def diff(self, before: int | str = -2, after: int | str = -1) -> Diff:
        """Return what changed between two snapshots.

            before, after: Which snapshots. Default: the last two finished ones.

        A directory that was moved is found by its inode and time of birth; a file by inode, size and mtime, if these
        are stored. A directory that one of the scans could not read is unknown: nothing in it came or went.
        """
        return diff(self, self, before, after)

    def check(self) -> list[str]:
        """Return a line for each problem of the file and its rows; an empty list if all is well."""
        from scanner.snapshot.check import problems_in

        with explained(self.path), contextlib.closing(open_reader(self.path)) as database:
            problems = list(problems_in(database, len(self.fields)))
        return problems or list(self._lost())

    def _lost(self) -> Iterator[str]:
        """Yield a line for each directory of the newest snapshot without a record, MOST_PROBLEMS at most."""
        from scanner.kernel.known import LOST
        from scanner.snapshot.check import MOST_PROBLEMS

        if self.newest is not None:
            faults = (fault for root in self.roots for chunk in self._chunks(-1, root) for fault in chunk.faults)
            lost = (f"{shown(os.fsencode(fault.path))}: {LOST}" for fault in faults if fault.message == LOST)
            yield from islice(lost, MOST_PROBLEMS)

    def prune(self, keep: int | None = None, within: float | str | None = None) -> int:
        """Remove old snapshots, and return how many.

            keep: Keep the newest finished ones, this many.
            within: Keep those that began in the last seconds, or in a duration such as "90d".

        A snapshot stays if either argument keeps it; the newest finished one always stays, and so does an open one.
        Raises StoreError while a scan writes the store.
        """
        from scanner.snapshot.lock import writing
        from scanner.snapshot.prune import remove_snapshots, to_keep

        seconds = parse_seconds("within", within) if isinstance(within, str) else within
        refuse_no_snapshot(keep, seconds)
        with writing(self.path) as database:
            snapshots = database.execute("SELECT id, began, state FROM snapshots ORDER BY id").fetchall()
            return remove_snapshots(database, to_keep(snapshots, keep=keep, within=seconds, now=time.time()))

    def export(self, which: int | str, target: PathLike) -> None:
        """Write one snapshot into a new store. Raises StoreError if the file exists."""
        from scanner.snapshot.lock import writing
        from scanner.snapshot.prune import remove_snapshots

        number, path = self.snapshot(which).number, os.path.abspath(os.fsdecode(target))
        if os.path.exists(path):
            raise StoreError(f"{path!r} exists already: give another name", "usage")
        with explained(path), contextlib.ExitStack() as undo:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            undo.callback(os.unlink, path)
            with contextlib.closing(open_reader(self.path)) as database:
                database.execute("PRAGMA query_only = 0")
                database.execute("VACUUM INTO ?", (path,))
            with writing(path) as database:
                database.execute("DELETE FROM versions WHERE since > ? OR until < ?", (number, number))
                database.execute("UPDATE versions SET until = NULL")
                remove_snapshots(database, {number})
                database.execute("PRAGMA incremental_vacuum").fetchall()
            undo.pop_all()

    def source(self, which: int | str = -1, path: str | None = None) -> tuple[str, ScanOptions]:
        """Return a root and options with which a scan reads the snapshot instead of the tree.

        Raises OptionError for a path that is no directory of the snapshot.
        """
        snapshot = self.snapshot(which)
        number = snapshot.number
        key, root = self._key(path)
        values = dict(zip(("root", "path", "snapshot"), (*key, number), strict=True))
        above = [key[1][:end] for end in ends_of(key[1])[:-1] if key[1]]
        for directory in above:
            if self._query(IS_UNREAD, {**values, "path": directory}):
                raise OptionError(f"{path!r} is below {shown(directory)}, which snapshot {number} could not read")
        if not any(self._query(query, values) for query in HAS_DIRECTORY):
            raise OptionError(f"{path!r} is no directory of snapshot {number} in store {self.path!r}")
        shallow = "max_depth" in self.settings.options
        about = {"store": self.path, **{name: getattr(snapshot, name) for name in ABOUT}}
        spec = KnownSpec(self.path, number, "all", columns=self.fields, shallow=shallow, tops=(key,), about=about)
        follow = {name: name in self.settings.options for name in ("followlinks", "detect_loops")}
        return root, ScanOptions(**follow)._replace(known=spec)

    def _key(self, path: str | None) -> tuple[Key, str]:
        """Return the key of a directory (default: the first root), and how it is spelled in results."""
        given = None if path is None else os.path.abspath(os.fsencode(path))
        for number, (place, root) in enumerate(zip(self.places, self.roots, strict=True)):
            if given in (None, place, os.path.abspath(os.fsencode(root))):
                return (number, b""), root
            for top in (place, os.path.abspath(os.fsencode(root))):
                if given is not None and given.startswith(prefix_of(top)):
                    key = given[len(prefix_of(top)) :]
                    return (number, key), prefix_of(root) + os.fsdecode(key)
        raise OptionError(f"{path!r} is not below {', '.join(map(repr, self.roots))}, the roots of store {self.path!r}")

    def _query(self, query: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a query. The file is not kept open: SQLite's locks do not survive a fork."""
        with explained(self.path), contextlib.closing(open_reader(self.path)) as database:
            return database.execute(query, values or {}).fetchall()


def diff(old: Store | PathLike, new: Store | PathLike, before: int | str = -1, after: int | str = -1) -> Diff:
    """Return what changed from a snapshot of one store to a snapshot of another one.

        old, new: The stores. They need not be of the same tree: then nothing is found to be moved.
        before, after: Which snapshots. Default: the newest finished ones.

    Raises StoreError, OptionError.
    """
    from scanner.snapshot.diff import Diff
    from scanner.snapshot.sides import Side, refuse_other_roots

    one, other = (each if isinstance(each, Store) else Store(each) for each in (old, new))
    refuse_other_roots(one.places, other.places)
    sides = Side("a", one.path, one.snapshot(before).number), Side("b", other.path, other.snapshot(after).number)
    identities = one.identities
    is_sure = one.places == other.places or all(filesystem for _, _, filesystem in identities)
    same_tree = is_sure and identities == other.identities
    return Diff(*sides, other.roots, (one.fields, other.fields), same_tree=same_tree)
