# Written by tools/make_stub.py. Do not edit.
# ruff: noqa
# fmt: off
"""Parallel directory scans with the result of `os.walk`.

    import scanner

    for root, dirs, files in scanner.walk("/srv"): ...
    for entry in scanner.entries("/srv", stat=("size", "mtime_ns")): print(entry.path, entry.size)

    result = scanner.scan("/srv", exclude="node_modules", timeout="1h")
    print(len(result), result.errors, result.stats.as_dict())

    result = await scanner.scan_parallel("/srv")

Functions:

    walk(top)             yields the tuples of `os.walk`; may be pruned like it
    entries(top)          yields an Entry with size, times, owner for each file, link and directory
    scan(path)            returns all tuples as a list, with statistics, errors and entries
    awalk, aentries, scan_parallel
                          the same under asyncio (`awalk` and `aentries` also under trio)
    du(tops)              yields the disk usage of each directory
    why(path, root)       returns whether a scan includes a path, and if not, why
    estimate(path)        returns an Estimate of entries, bytes and the time of a scan, from samples
    diff(old, new)        returns what changed between two snapshots

Classes:

    ParallelScanner       several scans with warm worker processes, also from asyncio
    ScanOptions           all options: the functions take them as keywords, or as `options=`
    ScanResult, ScanStats, Entry, Fault, Total, Answer
                          what these functions return
    Store, Snapshot, Diff, Change
                          what earlier scans have found

Exceptions:

    ScanError             base class of all of them: OptionError (a ValueError), ScanTimeout (a TimeoutError),
                          ScanIncomplete (an OSError), ScanCancelled, ScanForked, PruneError, StoreError, OutputError,
                          ClusterError
    ScanWarning           a result is empty because its root is unreadable, or `prune` failed

`scanner.testing` injects faults for tests. How the package is built: docs/architecture.md.
"""

import os
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from typing import AnyStr, overload

from scanner.estimates import Estimate as Estimate
from scanner.entry import Entry as Entry
from scanner.errors import ClusterError as ClusterError
from scanner.errors import OptionError as OptionError
from scanner.errors import OutputError as OutputError
from scanner.errors import PruneError as PruneError
from scanner.errors import ScanCancelled as ScanCancelled
from scanner.errors import ScanError as ScanError
from scanner.errors import ScanForked as ScanForked
from scanner.errors import ScanIncomplete as ScanIncomplete
from scanner.errors import ScanTimeout as ScanTimeout
from scanner.errors import ScanWarning as ScanWarning
from scanner.errors import StoreError as StoreError
from scanner.model import Fault as Fault
from scanner.run import ScanResult as ScanResult
from scanner.stats import ScanStats as ScanStats
from scanner.snapshot.diff import Change as Change
from scanner.snapshot.diff import Diff as Diff
from scanner.snapshot.store import Snapshot as Snapshot
from scanner.snapshot.store import Store as Store
from scanner.snapshot.store import diff as diff
from scanner.kernel.why import Answer as Answer
from scanner.export.tree import Total as Total
from scanner.errors import ErrorMode as ErrorMode
from scanner.fields import EntryType as EntryType, Field as Field
from scanner.model import FaultKind as FaultKind, Operation as Operation, Walked
from scanner.options import BackendName as BackendName, Moment, PathLike, Prune, Size, StartMethod as StartMethod
from scanner.options import TrustName as TrustName
from scanner.options import ScanOptions as _ScanOptions
from scanner.parallel import ParallelScanner as _ParallelScanner
from scanner.plan.merge import OnError
from scanner.run import ProgressCallback
from scanner.usage import TimeName
from scanner import testing as testing

__version__: str
__all__ = [
    "aentries",
    "awalk",
    "entries",
    "estimate",
    "Estimate",
    "scan",
    "walk",
    "why",
    "du",
    "Entry",
    "ClusterError",
    "OptionError",
    "OutputError",
    "PruneError",
    "ScanCancelled",
    "ScanError",
    "ScanForked",
    "ScanIncomplete",
    "ScanTimeout",
    "ScanWarning",
    "StoreError",
    "Fault",
    "ScanOptions",
    "ParallelScanner",
    "scan_parallel",
    "ScanResult",
    "ScanStats",
    "Change",
    "Diff",
    "Snapshot",
    "Store",
    "diff",
    "Answer",
    "Total",
]

def walk(
    top: AnyStr | os.PathLike[AnyStr], topdown: bool = True, onerror: OnError = None, followlinks: bool = False, *,
    client: object | None = None, options: ScanOptions | None = None, backend: BackendName = 'auto', max_workers:
    int | None = None, start_method: StartMethod | None = None, timeout: str | float | None = None, window: str |
    int = 16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate:
    float | None = None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount:
    bool = False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike |
    Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str |
    Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches:
    bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType |
    Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None
    = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None,
    older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int
    | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty:
    bool = False, prune: Prune | None = None, detect_loops: bool = False, store: PathLike | None = None, trust:
    TrustName = 'names', recheck: float = 0.0, changed: PathLike | Sequence[PathLike] | None = None, restart: bool =
    False
) -> Iterator[Walked[AnyStr]]:
    """Yield the tuples `(root, dirs, files)` of `os.walk`, in its order, reading ahead in threads or processes.

        top: Root of the tree, str, bytes or path-like.
        topdown: Whether to yield a directory before its subdirectories. Changing `dirs` then prunes as in `os.walk`.
        onerror: Function that gets the OSError of each unreadable directory. Default: these are ignored. It also gets
            failures of `prune` and of files with patterns, as soon as they are known.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    Symbolic links to directories are in `dirs`. Nothing below the root is read before the second tuple is requested.
    Closing the iterator stops all threads and processes of the walk.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), ClusterError, exceptions of `onerror`, and without
    it PruneError.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

def entries(
    top: AnyStr | os.PathLike[AnyStr], *, onerror: OnError = None, client: object | None = None, options:
    ScanOptions | None = None, followlinks: bool = False, backend: BackendName = 'auto', max_workers: int | None =
    None, start_method: StartMethod | None = None, timeout: str | float | None = None, window: str | int = 16777216,
    dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None =
    None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool = False,
    skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] =
    (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str | Sequence[str] = (),
    ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches: bool = False, hidden:
    bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType | Collection[EntryType] = (),
    size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None = None, newer_atime: Moment
    | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None, older_ctime: Moment | None
    = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int | str] = (), perm: int |
    str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty: bool = False, prune: Prune |
    None = None, detect_loops: bool = False, partial_listings: bool = True, stat: bool | Field | Sequence[Field] =
    True, store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
    Sequence[PathLike] | None = None, restart: bool = False
) -> Iterator[Entry[AnyStr]]:
    """Yield an Entry with its fields for each directory, file and symbolic link of a tree, lazily, in walk order.

        top: Root of the tree, str, bytes or path-like.
        onerror: Function that gets an OSError for each unreadable directory and entry. Default: these are ignored.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    The root comes first. The files of a directory follow it, then its subdirectories, each with all entries below it.
    Directories that are not entered, or are unreadable, are included. Fewer fields take less time.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), ClusterError, exceptions of `onerror`, and without
    it PruneError.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

def estimate(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes], seconds: float = 60.0, *, options: ScanOptions | None
    = None, followlinks: bool = False, backend: BackendName = 'auto', max_workers: int | None = None, start_method:
    StartMethod | None = None, window: str | int = 16777216, dir_timeout: str | float | None = None, max_hung: int =
    3, max_in_flight: int = 64, max_rate: float | None = None, between: str | None = None, nice: bool = False,
    one_file_system: bool = False, one_mount: bool = False, skip_fs: Collection[str] = (), exclude: str |
    Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] = (), include: str | Sequence[str] = (),
    gitignore: bool = False, ignore_files: str | Sequence[str] = (), ignore_case: bool = False, exclude_if_present:
    str | Sequence[str] = (), exclude_caches: bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int
    | None = None, types: EntryType | Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment |
    None = None, older: Moment | None = None, newer_atime: Moment | None = None, older_atime: Moment | None = None,
    newer_ctime: Moment | None = None, older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] =
    (), group: int | str | Sequence[int | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str |
    Sequence[int | str] = (), empty: bool = False, prune: Prune | None = None, detect_loops: bool = False
) -> Estimate:
    """Estimate the number of entries and bytes of a tree, and how long a full scan would take.

        path: Root of the tree, str, bytes or path-like.
        seconds: Time to spend. A tree that is read within half of it is counted exactly.
        options: A ScanOptions, which the keywords override.

    Each result has an interval, which becomes narrow with more time. With `max_rate` or `between` they hold here too.

    Raises OptionError (a ValueError).

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
    """

def scan(
    path: AnyStr | os.PathLike[AnyStr], topdown: bool = True, *, progress_callback: ProgressCallback | None = None,
    errors: ErrorMode | None = None, client: object | None = None, options: ScanOptions | None = None, followlinks:
    bool = False, backend: BackendName = 'auto', max_workers: int | None = None, start_method: StartMethod | None =
    None, timeout: str | float | None = None, window: str | int = 16777216, dir_timeout: str | float | None = None,
    max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None = None, between: str | None = None, nice:
    bool = False, one_file_system: bool = False, one_mount: bool = False, skip_fs: Collection[str] = (), exclude:
    str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] = (), include: str | Sequence[str] = (),
    gitignore: bool = False, ignore_files: str | Sequence[str] = (), ignore_case: bool = False, exclude_if_present:
    str | Sequence[str] = (), exclude_caches: bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int
    | None = None, types: EntryType | Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment |
    None = None, older: Moment | None = None, newer_atime: Moment | None = None, older_atime: Moment | None = None,
    newer_ctime: Moment | None = None, older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] =
    (), group: int | str | Sequence[int | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str |
    Sequence[int | str] = (), empty: bool = False, prune: Prune | None = None, detect_loops: bool = False,
    partial_listings: bool = False, stat: bool | Field | Sequence[Field] = False, store: PathLike | None = None,
    trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike | Sequence[PathLike] | None = None, restart:
    bool = False
) -> ScanResult[AnyStr]:
    """Scan a whole tree and return `list(os.walk(path, topdown))` with statistics and errors.

        path: Root of the tree, str, bytes or path-like.
        topdown: Whether a directory precedes its subdirectories.
        progress_callback: Function that gets the numbers of directories read and known so far.
        errors: "raise" raises an OSError if anything was unreadable, as `.raise_for_errors()` of the result does;
            "collect" only collects. Default: collect, with a ScanWarning if the root is unreadable or `prune` failed.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    Unreadable directories, also the root, are in `.errors` of the result. With `stat`, `.entries()` yields the fields
    of each entry. The numbers of progress only grow, and are equal at the end. The first exception of
    `progress_callback` is logged, and the scan goes on.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError) and ClusterError with the result so far, and with
    `errors="raise"` FileNotFoundError and others for the root, ScanIncomplete (an OSError) with the result for anything
    else.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        partial_listings: Keep names that were read before a listing failed. Default: False (True in the shell).
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: False.
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

def du(
    tops: AnyStr | os.PathLike[AnyStr] | Sequence[AnyStr | os.PathLike[AnyStr]], *, depth: int | None = None, files:
    bool = False, count_links: bool = False, dereference: bool = False, time: TimeName | None = None, onerror:
    OnError = None, options: ScanOptions | None = None, followlinks: bool = False, backend: BackendName = 'auto',
    max_workers: int | None = None, start_method: StartMethod | None = None, timeout: str | float | None = None,
    window: str | int = 16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int =
    64, max_rate: float | None = None, between: str | None = None, nice: bool = False, one_file_system: bool =
    False, one_mount: bool = False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from:
    PathLike | Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files:
    str | Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (),
    exclude_caches: bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types:
    EntryType | Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older:
    Moment | None = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment
    | None = None, older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str
    | Sequence[int | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] =
    (), empty: bool = False, prune: Prune | None = None, detect_loops: bool = True, partial_listings: bool = True,
    store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
    Sequence[PathLike] | None = None, restart: bool = False
) -> Iterator[Total[AnyStr]]:
    """Yield the disk usage of each directory, lazily, in the order of `scanner du`: subdirectories first.

        tops: One or several directories or files, str, bytes or path-like.
        depth: Levels below each of them to yield; deeper ones count. Default: None (all).
        files: Whether to yield files as well. Default: False.
        count_links: Count a file once for each of its names. Default: False.
        dereference: Follow symbolic links among `tops`. Default: False.
        time: Time whose latest value each Total has, "mtime", "atime" or "ctime". Default: None.
        onerror: Function that gets an OSError for each unreadable directory and entry. Default: these are ignored.
        options: A ScanOptions, which the keywords override.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    A file with several names counts once, for the first in walk order. So does a directory that several roots share.
    The sums of the roots add up to the total.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), exceptions of `onerror`, and without it
    PruneError.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

def why(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes], root: str | bytes | os.PathLike[str] |
    os.PathLike[bytes] = '.', *, options: ScanOptions | None = None, followlinks: bool = False, backend: BackendName
    = 'auto', max_workers: int | None = None, start_method: StartMethod | None = None, timeout: str | float | None =
    None, window: str | int = 16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight:
    int = 64, max_rate: float | None = None, between: str | None = None, nice: bool = False, one_file_system: bool =
    False, one_mount: bool = False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from:
    PathLike | Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files:
    str | Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (),
    exclude_caches: bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types:
    EntryType | Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older:
    Moment | None = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment
    | None = None, older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str
    | Sequence[int | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] =
    (), empty: bool = False, prune: Prune | None = None, detect_loops: bool = True, partial_listings: bool = True,
    store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
    Sequence[PathLike] | None = None, restart: bool = False
) -> Answer:
    """Return whether a scan of `root` with these options includes `path`, and if not, why.

        path: Path of an entry, relative to the working directory or to the root.
        root: Root of the scan. Default: the working directory.
        options: A ScanOptions, which the keywords override.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    Only directories between the root and the path are read.

    Raises OptionError (a ValueError).

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

@overload
def awalk(
    top: AnyStr | os.PathLike[AnyStr], topdown: bool = True, onerror: OnError = None, followlinks: bool = False, *,
    batch: None = None, options: ScanOptions | None = None, backend: BackendName = 'auto', max_workers: int |
    None = None, start_method: StartMethod | None = None, timeout: str | float | None = None, window: str | int =
    16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float |
    None = None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool =
    False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike |
    Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str |
    Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches:
    bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType |
    Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None
    = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None,
    older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int
    | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty:
    bool = False, prune: Prune | None = None, detect_loops: bool = False, store: PathLike | None = None, trust:
    TrustName = 'names', recheck: float = 0.0, changed: PathLike | Sequence[PathLike] | None = None, restart: bool =
    False
) -> AsyncGenerator[Walked[AnyStr], None]:
    """Yield the tuples of `walk` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        topdown: Whether to yield a directory before its subdirectories. Changing `dirs` then prunes as in `os.walk`.
        onerror: Function that gets the OSError of each unreadable directory, in the thread of the event loop.
        batch: Yield lists of this many tuples, of which only the last is shorter. Changing `dirs` then has no effect.
            Default: None (single tuples).
        options: A ScanOptions, which the keywords override.

    A thread reads ahead, some thousand directories at most beyond what workers do. Other tasks get a turn of the event
    loop every 5 ms at least, if the caller's own code takes less. Cancelling the task stops everything before the task
    ends. After a `break`, the generator stops when it is closed: `contextlib.aclosing` does that at once.

    Works under asyncio, uvloop and trio. Raises the same as `walk`.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

@overload
def awalk(
    top: AnyStr | os.PathLike[AnyStr], topdown: bool = True, onerror: OnError = None, followlinks: bool = False, *,
    batch: int, options: ScanOptions | None = None, backend: BackendName = 'auto', max_workers: int |
    None = None, start_method: StartMethod | None = None, timeout: str | float | None = None, window: str | int =
    16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float |
    None = None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool =
    False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike |
    Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str |
    Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches:
    bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType |
    Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None
    = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None,
    older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int
    | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty:
    bool = False, prune: Prune | None = None, detect_loops: bool = False, store: PathLike | None = None, trust:
    TrustName = 'names', recheck: float = 0.0, changed: PathLike | Sequence[PathLike] | None = None, restart: bool =
    False
) -> AsyncGenerator[list[Walked[AnyStr]], None]:
    """Yield the tuples of `walk` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        topdown: Whether to yield a directory before its subdirectories. Changing `dirs` then prunes as in `os.walk`.
        onerror: Function that gets the OSError of each unreadable directory, in the thread of the event loop.
        batch: Yield lists of this many tuples, of which only the last is shorter. Changing `dirs` then has no effect.
            Default: None (single tuples).
        options: A ScanOptions, which the keywords override.

    A thread reads ahead, some thousand directories at most beyond what workers do. Other tasks get a turn of the event
    loop every 5 ms at least, if the caller's own code takes less. Cancelling the task stops everything before the task
    ends. After a `break`, the generator stops when it is closed: `contextlib.aclosing` does that at once.

    Works under asyncio, uvloop and trio. Raises the same as `walk`.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

@overload
def aentries(
    top: AnyStr | os.PathLike[AnyStr], *, batch: None = None, onerror: OnError = None, options: ScanOptions |
    None = None, followlinks: bool = False, backend: BackendName = 'auto', max_workers: int | None = None,
    start_method: StartMethod | None = None, timeout: str | float | None = None, window: str | int = 16777216,
    dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None =
    None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool = False,
    skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] =
    (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str | Sequence[str] = (),
    ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches: bool = False, hidden:
    bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType | Collection[EntryType] = (),
    size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None = None, newer_atime: Moment
    | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None, older_ctime: Moment | None
    = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int | str] = (), perm: int |
    str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty: bool = False, prune: Prune |
    None = None, detect_loops: bool = False, partial_listings: bool = True, stat: bool | Field | Sequence[Field] =
    True, store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
    Sequence[PathLike] | None = None, restart: bool = False
) -> AsyncGenerator[Entry[AnyStr], None]:
    """Yield the entries of `entries` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        batch: Yield lists of this many entries, of which only the last is shorter. Default: None (single entries).
        onerror: Function that gets an OSError for each unreadable directory and entry, in the thread of the event loop.
        options: A ScanOptions, which the keywords override.
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    A thread makes the entries, at most two batches ahead, or two thousand entries. Turns of the event loop,
    cancellation and `break` are as in `awalk`.

    Works under asyncio, uvloop and trio. Raises the same as `entries`.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

@overload
def aentries(
    top: AnyStr | os.PathLike[AnyStr], *, batch: int, onerror: OnError = None, options: ScanOptions |
    None = None, followlinks: bool = False, backend: BackendName = 'auto', max_workers: int | None = None,
    start_method: StartMethod | None = None, timeout: str | float | None = None, window: str | int = 16777216,
    dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None =
    None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool = False,
    skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] =
    (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str | Sequence[str] = (),
    ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches: bool = False, hidden:
    bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType | Collection[EntryType] = (),
    size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None = None, newer_atime: Moment
    | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None, older_ctime: Moment | None
    = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int | str] = (), perm: int |
    str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty: bool = False, prune: Prune |
    None = None, detect_loops: bool = False, partial_listings: bool = True, stat: bool | Field | Sequence[Field] =
    True, store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
    Sequence[PathLike] | None = None, restart: bool = False
) -> AsyncGenerator[list[Entry[AnyStr]], None]:
    """Yield the entries of `entries` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        batch: Yield lists of this many entries, of which only the last is shorter. Default: None (single entries).
        onerror: Function that gets an OSError for each unreadable directory and entry, in the thread of the event loop.
        options: A ScanOptions, which the keywords override.
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    A thread makes the entries, at most two batches ahead, or two thousand entries. Turns of the event loop,
    cancellation and `break` are as in `awalk`.

    Works under asyncio, uvloop and trio. Raises the same as `entries`.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

async def scan_parallel(
    path: AnyStr | os.PathLike[AnyStr], max_workers: int | None = 4, progress_callback: ProgressCallback | None =
    None, timeout: str | float | None = 300.0, *, errors: ErrorMode | None = None, options: ScanOptions | None =
    None, followlinks: bool = False, backend: BackendName = 'auto', start_method: StartMethod | None = None, window:
    str | int = 16777216, dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64,
    max_rate: float | None = None, between: str | None = None, nice: bool = False, one_file_system: bool = False,
    one_mount: bool = False, skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from:
    PathLike | Sequence[PathLike] = (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files:
    str | Sequence[str] = (), ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (),
    exclude_caches: bool = False, hidden: bool = True, min_depth: int = 0, max_depth: int | None = None, types:
    EntryType | Collection[EntryType] = (), size: Size | Sequence[Size] = (), newer: Moment | None = None, older:
    Moment | None = None, newer_atime: Moment | None = None, older_atime: Moment | None = None, newer_ctime: Moment
    | None = None, older_ctime: Moment | None = None, owner: int | str | Sequence[int | str] = (), group: int | str
    | Sequence[int | str] = (), perm: int | str | Sequence[int | str] = (), links: int | str | Sequence[int | str] =
    (), empty: bool = False, prune: Prune | None = None, detect_loops: bool = False, partial_listings: bool = False,
    stat: bool | Field | Sequence[Field] = False, store: PathLike | None = None, trust: TrustName = 'names',
    recheck: float = 0.0, changed: PathLike | Sequence[PathLike] | None = None, restart: bool = False
) -> ScanResult[AnyStr]:
    """Scan one tree without blocking the event loop. Return `list(os.walk(path))` with statistics and errors.

        path: Root of the tree, str, bytes or path-like.
        max_workers: Number of worker processes or threads, 1 to 256. Default: 4.
        progress_callback: Function that gets the numbers of directories read and known so far.
        timeout: Time limit in seconds, or text like "1.5h". Default: 300; None means no limit.
        errors: As in the function `scan`: "raise", "collect", or None, which warns.
        options: A ScanOptions, which the keywords override.

    Cancelling the task stops the workers before the task ends.

    Raises OptionError (a ValueError), and ScanTimeout (a TimeoutError) with the result so far.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        partial_listings: Keep names that were read before a listing failed. Default: False (True in the shell).
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: False.
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

class ParallelScanner(_ParallelScanner):
    """Scan trees with one set of options, from asyncio or from plain code.

        max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        progress_callback: Function that gets the numbers of directories read and known so far.
        timeout: Time limit for each scan in seconds, or text like "1.5h". Default: 300; None means no limit.
        client: A Dask cluster to run on, a `distributed.Client` or the address of a scheduler. See docs/cluster.md.
        options: A ScanOptions, which the keywords override.

    As a context manager it keeps its worker processes between scans, which saves 50 to 100 ms each. Otherwise each
    scan stops the workers that it has started. Concurrent scans of one instance are independent: each has its own
    statistics, and starts its own workers if the warm ones are in use. So does a forked process.

    The numbers of progress only grow, and are equal at the end. `scan` calls `progress_callback` in the thread of the
    event loop, `scan_sync` in the calling thread. Its first exception is logged, and the scan goes on.

    Raises OptionError (a ValueError) for invalid values.

    Options, see `ScanOptions` for details:
        followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
        backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        nice: Lower the processor and disk priority of worker processes. Default: False.
        one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        exclude_from: Files with patterns of entries to exclude. Default: none.
        include: Patterns of entries to include; directories are entered in any case. Default: all entries.
        gitignore: Exclude the entries that git ignores. Default: False.
        ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
        ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
        exclude_if_present: Names of entries whose presence skips a directory. Default: none.
        exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
        hidden: Include entries whose names begin with a dot. Default: True.
        min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
        max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
        size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
        newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
        older_atime: Include entries not accessed after such a moment. Default: None.
        newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
        older_ctime: Include entries whose status did not change after such a moment. Default: None.
        owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        group: Names or numbers of groups, in the same form. Default: any group.
        perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        partial_listings: Keep names that were read before a listing failed. Default: False (True in the shell).
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: False.
        store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        restart: Do not continue an interrupted scan. Default: False.
    """

    def __init__(
        self, max_workers: int | None = None, progress_callback: ProgressCallback | None = None, timeout: str | float |
        None = 300.0, *, client: object | None = None, options: ScanOptions | None = None, followlinks: bool = False,
        backend: BackendName = 'auto', start_method: StartMethod | None = None, window: str | int = 16777216,
        dir_timeout: str | float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None =
        None, between: str | None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool = False,
        skip_fs: Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] =
        (), include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str | Sequence[str] = (),
        ignore_case: bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches: bool = False, hidden:
        bool = True, min_depth: int = 0, max_depth: int | None = None, types: EntryType | Collection[EntryType] = (),
        size: Size | Sequence[Size] = (), newer: Moment | None = None, older: Moment | None = None, newer_atime: Moment
        | None = None, older_atime: Moment | None = None, newer_ctime: Moment | None = None, older_ctime: Moment | None
        = None, owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int | str] = (), perm: int |
        str | Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty: bool = False, prune: Prune |
        None = None, detect_loops: bool = False, partial_listings: bool = False, stat: bool | Field | Sequence[Field] =
        False, store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
        Sequence[PathLike] | None = None, restart: bool = False
    ) -> None: ...

class ScanOptions(_ScanOptions):
    """The options of a scan, validated and immutable. Functions take them as keywords, the shell as flags.

    Pass an instance as `options=` to reuse settings. Keywords beside it override it. An option that has its default
    value here counts as not set. To *skip* a directory is to list its name, but not to enter it. To *exclude* an entry
    is to ignore it altogether. Patterns, names, types, sizes and fields may be one value or several.

    followlinks: Enter directories through symbolic links, as in `os.walk`. Default: False.
    backend: Where directories are read, "auto" (default), "serial" (this process) or "pool" (worker processes).
        `auto` reads in this process until the tree proves large, then in threads or worker processes. Threads are used
        if the compiled walker needs no interpreter lock (no patterns, no `prune`, no `nice`, no
        `start_method="fork"`): they start at once, so that processes are faster only for trees that take seconds.
    max_workers: Number of worker processes or threads, 1 to 256. Default: one for each processor.
        More workers than processors help only if directories wait for a network or a disk.
    start_method: How worker processes start, "fork", "forkserver" or "spawn". Default: the fastest safe method.
        `fork` is fastest, but unsafe in a process with threads. The others take 50 to 150 ms longer. The default is
        `fork` on Linux in a process with a single thread and less than 1 GiB of memory, otherwise `forkserver`. Forked
        workers close the file descriptors that they inherit.
    timeout: Time limit for the whole scan in seconds, or text like "1.5h". Default: None (no limit).
        It is checked between directories. A directory that never answers blocks `serial`, and also `auto` while it
        reads in the calling thread: see `dir_timeout`.
    window: Limit for buffered results in bytes, or text like "64M". Default: 16 MiB.
        Memory is bounded by about four times this limit plus one Chunk for each worker. With a larger window, workers
        run further ahead of a slow consumer.
    dir_timeout: Time limit for one directory in seconds, or text like "30s". Default: None (60 in the shell).
        A slower directory is a Fault `timeout`; its worker is killed, and the rest of its Task runs elsewhere.
        Requires worker processes: `serial` has no such limit. `auto` starts them at once if anything but a local file
        system is mounted at or below the root. Each part of 20,000 entries of a huge directory has its own limit.
    max_hung: Number of directories that may exceed `dir_timeout` before their mount is skipped. Default: 3.
        Mounts below that mount are skipped as well. 0 means no limit.
    max_in_flight: Limit for directories read concurrently in all processes, 1 to 4096. Default: 64.
        Where directories wait for a network, threads are added while this increases the measured throughput. Lower the
        limit for a server that others use; raise it for a distant server with reserves.
    max_rate: Limit for requests to file systems per second, of all workers together. Default: None (no limit).
        A directory costs 5: look up its name, open it, close it, and two reads, more in a large one. Each `stat` of an
        entry, and of a directory that a store knows, costs one. Short bursts are followed by a pause.
    between: Hours of each day in which to read, such as "20:00-06:00" in local time. Default: None (always).
        At their end no directory is begun, and the scan pauses until they begin again; so it does if it is started
        outside of them. A scan that writes a store raises ScanTimeout instead, and the next one continues. `timeout`
        goes on during a pause.
    nice: Lower the processor and disk priority of worker processes. Default: False.
    one_file_system: Skip directories on other file systems than the root's, as `find -xdev` does. Default: False.
        This holds for mount points, subvolumes and targets of symbolic links. Device numbers decide: a bind mount of
        the root's own file system is entered. Mount points of other file systems get no request, not even `stat`.
    one_mount: Skip all mount points below the root, including bind mounts of its file system. Default: False.
        Targets of symbolic links on other mounts are skipped as well. Mount points get no request. Subvolumes that are
        not mounted are entered, unless `one_file_system` is set.
    skip_fs: Types of file systems to skip below the root, such as ("nfs4", "autofs"). Default: none.
        Their mount points get no request: no automount is triggered, and none can hang.
    exclude: Patterns of entries to exclude, as in a `.gitignore` in the root. Default: none.
        Excluded directories are not opened. `!` includes again; later patterns override earlier ones. `exclude`
        overrides `exclude_from`, which overrides `ignore_files`, which overrides `gitignore`.
    exclude_from: Files with patterns of entries to exclude. Default: none.
    include: Patterns of entries to include; directories are entered in any case. Default: all entries.
    gitignore: Exclude the entries that git ignores. Default: False.
        Rules come from `.gitignore` files, also those above a root inside a repository, from `.git/info/exclude` and
        from the user's own file. `.git` is excluded, nested repositories are skipped. Files that git tracks despite a
        rule are excluded as well, because the index is not read.
    ignore_files: Names of pattern files that apply in any directory, such as ".scanignore". Default: none.
    ignore_case: Ignore the case of ASCII letters in patterns. Default: False.
    exclude_if_present: Names of entries whose presence skips a directory. Default: none.
    exclude_caches: Skip directories that contain a `CACHEDIR.TAG` with a valid signature. Default: False.
    hidden: Include entries whose names begin with a dot. Default: True.
    min_depth: Exclude entries that are fewer levels than this below the root. Default: 0.
    max_depth: Exclude entries that are more levels than this below the root. Default: None (no limit).
        Beyond 131,072 levels, directories are Faults `depth`, so that endless trees terminate.
    types: Types of entries to include, of f, d, l, p, s, b and c as in `find -type`. Default: all types.
    size: Sizes of files to include, "+1M" (at least), "-10K" (at most) or 0 (exactly). Default: all sizes.
        Several sizes must hold together.
    newer: Include entries modified after a moment, such as "7d" (ago), "2026-11-23" or a datetime. Default: None.
        Also "@SECONDS" or a number of seconds since 1970, or a path, which means its modification time. Exact to the
        nanosecond. Like all selection by status (from `size` to `links`), this costs a `stat` call for each entry whose
        type and name are selected.
    older: Include entries not modified after such a moment, as `find ! -newermt` does. Default: None.
    newer_atime: Include entries accessed after such a moment, as `find -newerat` does. Default: None.
    older_atime: Include entries not accessed after such a moment. Default: None.
    newer_ctime: Include entries whose status (owner, mode, links, content) changed after it. Default: None.
    older_ctime: Include entries whose status did not change after such a moment. Default: None.
    owner: Names or numbers of users, "alice" or "1000,bob", one of whom owns the entry. Default: any user.
        "!alice" excludes the entries of a user. Text that is a name is a name, otherwise it is a number. Names are
        looked up once, before the scan.
    group: Names or numbers of groups, in the same form. Default: any group.
    perm: Modes of entries as `find -perm` has them, 0o644 or "644" (exactly), "-u+s" (all of these bits), "/022" (any).
        Symbols are those of `chmod`. Several modes must hold together. Default: all modes.
    links: Numbers of names (hard links) that entries have, 1 (exactly), "+1" (more) or "-3" (fewer). Default: any.
        Several must hold together.
    empty: Include only empty regular files and empty directories, as `find -empty` does. Default: False.
        A directory is empty if nothing is in it, whatever filters exclude. Unreadable directories are not. Directories
        that are not entered because of `max_depth` are opened for this, mount points that are not entered are not.
    prune: Function that gets a path and the names of its directories and returns those to keep. Default: None.
        It may also be an object with a method `should_ignore_directory(relative_path)`. It runs in the workers, so
        they must be able to import it. Prefer patterns: they are faster.
    detect_loops: With `followlinks`, skip links to a directory above them. Default: False (True in the shell).
        Each is a Fault `loop`. Costs some system calls for each symbolic link.
    partial_listings: Keep names that were read before a listing failed. Default: False (True in the shell).
        The Fault has `partial` set. `os.walk` drops these names.
    stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: False.
        The names are type, size, blocks (of 512 bytes), mode, uid, gid, ino, dev, nlink, mtime_ns, ctime_ns, atime_ns.
        Unavailable fields are None, with a Fault `stat`. Costs a system call for each entry: a local scan takes about
        three times as long. On a network it costs a round trip, with many in flight.

    store: Snapshot store, a file: each scan adds a snapshot, and reads only directories that changed. Default: None.
        The file is made if it does not exist. `walk` reads ahead from it, but does not write. A scan that was
        interrupted is continued by the next one with the same store. Other options than those of the first scan are
        refused if they change which directories are entered.
    trust: Data that a directory with unchanged times vouches for, "names" (default), "files" or "nothing".
        `names`: its names; metadata is fetched anew. `files`: also the metadata of its entries, for trees in which
        files are written once: growth of existing files is not noticed. `nothing`: everything is read.
    recheck: Share of unchanged directories to read all the same, 0 to 1. Default: 0.
        With 0.01 each directory is read at least once in 100 scans. A difference means that directory times are not
        reliable there.
    changed: File with the paths that changed since the last scan, or a sequence of them. Default: None.
        All other directories are taken from the store without any request. As reliable as the list is.
    restart: Do not continue an interrupted scan. Default: False.

    Raises OptionError (a ValueError) for invalid values.
    """

    def __init__(
        self, *, followlinks: bool = False, backend: BackendName = 'auto', max_workers: int | None = None, start_method:
        StartMethod | None = None, timeout: str | float | None = None, window: str | int = 16777216, dir_timeout: str |
        float | None = None, max_hung: int = 3, max_in_flight: int = 64, max_rate: float | None = None, between: str |
        None = None, nice: bool = False, one_file_system: bool = False, one_mount: bool = False, skip_fs:
        Collection[str] = (), exclude: str | Sequence[str] = (), exclude_from: PathLike | Sequence[PathLike] = (),
        include: str | Sequence[str] = (), gitignore: bool = False, ignore_files: str | Sequence[str] = (), ignore_case:
        bool = False, exclude_if_present: str | Sequence[str] = (), exclude_caches: bool = False, hidden: bool = True,
        min_depth: int = 0, max_depth: int | None = None, types: EntryType | Collection[EntryType] = (), size: Size |
        Sequence[Size] = (), newer: Moment | None = None, older: Moment | None = None, newer_atime: Moment | None =
        None, older_atime: Moment | None = None, newer_ctime: Moment | None = None, older_ctime: Moment | None = None,
        owner: int | str | Sequence[int | str] = (), group: int | str | Sequence[int | str] = (), perm: int | str |
        Sequence[int | str] = (), links: int | str | Sequence[int | str] = (), empty: bool = False, prune: Prune | None
        = None, detect_loops: bool = False, partial_listings: bool = False, stat: bool | Field | Sequence[Field] =
        False, store: PathLike | None = None, trust: TrustName = 'names', recheck: float = 0.0, changed: PathLike |
        Sequence[PathLike] | None = None, restart: bool = False
    ) -> None: ...
