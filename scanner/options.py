"""The options of a scan: validated once, then passed down unchanged."""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

import contextlib
import math
import os
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias, get_args

from scanner.errors import OptionError
from scanner.fields import TARGET, EntryType, fields_of, with_exact_times
from scanner.model import Path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from typing import Protocol

    class DirectoryFilter(Protocol):
        """An object for the option `prune`."""

        def should_ignore_directory(self, relative_path: Any, /) -> object: ...

    PathLike: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Size: TypeAlias = int | str
    Moment: TypeAlias = str | float | date | os.PathLike[str]
    Prune: TypeAlias = Callable[[Any, list[Any]], Iterable[Any]] | DirectoryFilter
else:
    PathLike = Size = Moment = Prune = Any  # spares worker processes imports

BackendName = Literal["auto", "serial", "pool"]
StartMethod = Literal["forkserver", "spawn", "fork"]
TrustName = Literal["nothing", "names", "files"]

BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
START_METHODS: tuple[StartMethod, ...] = get_args(StartMethod)
TRUSTS: tuple[TrustName, ...] = get_args(TrustName)
MAX_WORKERS = 256
WINDOW = 16 << 20  # bytes
MAX_DEPTH = 1 << 17  # levels: more than any real tree has
MAX_HUNG = 3
FORK_BYTES = 1 << 30  # of memory: forking a larger process is slow
MAX_IN_FLIGHT = 64
MOST_IN_FLIGHT = 4096
EXACT_PRODUCERS = ("text", "ncdu", "exact")
InjectedOperation = Literal["open", "read", "stat"]
Injected: TypeAlias = tuple[tuple[tuple[bytes, str], int], ...]
"""Faults for tests: absolute path, operation, errno."""
injected: Injected = ()
"""Faults of all scans that start now: set by `scanner.testing`."""
UNSET: Any = object()
"""Default of a parameter that is an option: the caller has not given it."""


def cpu_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):  # refused: seccomp, gVisor
            return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_pure() -> bool:
    """Return whether SCANNER_PURE forces pure Python."""
    return os.environ.get("SCANNER_PURE", "") not in ("", "0")


class ProducerSpec(NamedTuple):
    """Output that workers make of entries: see `kernel.producers`."""

    kind: str
    arguments: tuple[Any, ...] = ()


class OptionFields(NamedTuple):
    followlinks: bool = False
    backend: BackendName = "auto"
    max_workers: int | None = None
    start_method: StartMethod | None = None
    timeout: float | None = None
    window: int = WINDOW
    dir_timeout: float | None = None
    max_hung: int = MAX_HUNG
    max_in_flight: int = MAX_IN_FLIGHT
    max_rate: float | None = None
    between: str | None = None
    nice: bool = False
    one_file_system: bool = False
    one_mount: bool = False
    skip_fs: Collection[str] = ()
    exclude: str | Sequence[str] = ()
    exclude_from: PathLike | Sequence[PathLike] = ()
    include: str | Sequence[str] = ()
    gitignore: bool = False
    ignore_files: str | Sequence[str] = ()
    ignore_case: bool = False
    exclude_if_present: str | Sequence[str] = ()
    exclude_caches: bool = False
    hidden: bool = True
    min_depth: int = 0
    max_depth: int | None = None
    types: EntryType | Collection[EntryType] = ()
    size: Size | Sequence[Size] = ()
    newer: Moment | None = None
    older: Moment | None = None
    newer_atime: Moment | None = None
    older_atime: Moment | None = None
    newer_ctime: Moment | None = None
    older_ctime: Moment | None = None
    owner: int | str | Sequence[int | str] = ()
    group: int | str | Sequence[int | str] = ()
    perm: int | str | Sequence[int | str] = ()
    links: int | str | Sequence[int | str] = ()
    empty: bool = False
    prune: Prune | None = None
    detect_loops: bool = False
    partial_listings: bool = False
    stat: bool | str | Sequence[str] = False
    store: PathLike | None = None
    trust: TrustName = "names"
    recheck: float = 0.0
    changed: PathLike | Sequence[PathLike] | None = None
    restart: bool = False
    # Internal, set by the entry points: roots, output that workers make, directories that they must not enter.
    roots: tuple[Path, ...] = ()
    cwd: str = ""  # base of relative roots: workers may have been started elsewhere
    producers: tuple[ProducerSpec, ...] | None = None  # of the output of workers; None: tuples of names
    barred: tuple[Path, ...] = ()  # mount points that are not entered
    filter: Any = None  # a Spec: the filters in the form in which names are compared
    own: tuple[str, ...] = ()  # names of our own temporary files, excluded from all scans
    pure: bool = False  # read directories in Python although the compiled reader is available
    injected: Injected = ()  # faults that a test has requested
    known: Any = None  # a KnownSpec: what a snapshot store knows of the tree
    canonical: Any = None  # a function: the number of a device on the machine to which those of others are compared


_INTERNAL = ("roots", "cwd", "producers", "barred", "filter", "own", "pure", "injected", "known", "canonical")
PUBLIC = tuple(name for name in OptionFields._fields if name not in _INTERNAL)
DEFAULTS = OptionFields._field_defaults
SELECTING = (
    "include", "min_depth", "types", "size", "newer", "older", "newer_atime", "older_atime", "newer_ctime",
    "older_ctime", "owner", "group", "perm", "links", "empty",
)  # fmt: skip
"""Options that decide which entries are results; directories are entered all the same."""
MOMENTS = tuple(name for name in SELECTING if name.startswith(("newer", "older")))
FLAGS = {
    "client": "--dask",
    "max_workers": "--workers",
    "followlinks": "--follow-links",
    "ignore_files": "--ignore-file",
    "types": "--type",
}
"""Flags of the shell that are not named as their options."""
_FIRST_FILTER, _LAST_FILTER = (OptionFields._fields.index(name) for name in ("exclude", "prune"))
_NO_FILTERS = OptionFields()[_FIRST_FILTER : _LAST_FILTER + 1]


class ScanOptions(OptionFields):
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

    __slots__ = ()  # a tuple rather than a dataclass: those take 8 ms to import

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if len(args) < len(cls._fields):  # false while unpickling, which passes all fields
            kwargs.setdefault("pure", is_pure())
        for name in WITH_UNITS.keys() & kwargs.keys():
            if isinstance(kwargs[name], str):
                kwargs[name] = WITH_UNITS[name](name, kwargs[name])
        if kwargs.get("exclude_from"):
            from scanner.filters.spec import read_once  # not needed otherwise

            kwargs["exclude_from"] = read_once(kwargs["exclude_from"])
        for name in kwargs.keys() - set(cls._fields):
            raise TypeError(_no_option(name))
        options = super().__new__(cls, *args, **kwargs)
        for name, value in (*zip(cls._fields, args, strict=False), *kwargs.items()):
            if name in CHECKS and value is not DEFAULTS[name]:
                CHECKS[name](name, value)
        if options.filters:
            from scanner.filters.spec import refuse_prune, spec_of  # not needed otherwise

            spec_of(options._replace(gitignore=False), ())
            if options.prune is not None and options.backend != "serial":
                refuse_prune(options.prune, options.method)
        return options

    @classmethod
    def of(cls, keywords: dict[str, Any], options: Self | None = None, **defaults: Any) -> Self:
        """Return the options of a call: `keywords` override `options`, which override `defaults`.

        Raises TypeError for a keyword that is no option, as a function does, and OptionError for invalid values.
        """
        given = {name: value for name, value in keywords.items() if value is not UNSET}
        for name in given:
            if name not in PUBLIC:
                raise TypeError(_no_option(name))
        if not isinstance(options, cls | None):
            raise OptionError(f"options must be a ScanOptions, not {options!r}")
        if "followlinks" in given:
            given["followlinks"] = bool(given["followlinks"])  # any value that is true, as in os.walk
        chosen = cls(**{**defaults, **(options.given if options is not None else {}), **given})
        return chosen if options is None or options.known is None else chosen._replace(known=options.known)

    @property
    def given(self) -> dict[str, Any]:
        """The public options that differ from their defaults."""
        return {name: getattr(self, name) for name in PUBLIC if getattr(self, name) != DEFAULTS[name]}

    def __repr__(self) -> str:
        return f"ScanOptions({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def starting_at(self, roots: Sequence[Path]) -> Self:
        """Return these options for the given roots."""
        cwd = ""
        if any(not os.path.isabs(root) for root in roots):
            with contextlib.suppress(OSError):  # it was removed: opening the roots reports it
                cwd = os.getcwd()
        barred = self.barred
        if self.one_file_system or self.one_mount or self.skip_fs:
            from scanner.mounts import barred as barred_mounts  # not needed otherwise

            barred += tuple(
                barred_mounts(roots, kinds=self.skip_fs, one_file_system=self.one_file_system, one_mount=self.one_mount)
            )
        spec = None
        if self.filters:
            from scanner.filters.spec import spec_of  # not needed otherwise

            spec = spec_of(self, tuple(roots))
        options = self._replace(roots=tuple(roots), cwd=cwd, barred=barred, filter=spec)
        return options._for_tests() if injected or not isinstance(os.scandir, BuiltinFunctionType) else options

    def _for_tests(self) -> Self:
        """Return these options for a scan with injected faults, or with a replaced `os`, as by pyfakefs: compiled code
        and other processes do not see that one.
        """
        replaced = not isinstance(os.scandir, BuiltinFunctionType)
        return self._replace(pure=True, injected=injected, backend="serial" if replaced else self.backend)

    @property
    def filters(self) -> bool:
        """Whether any option excludes entries."""
        return bool(self.own) or self[_FIRST_FILTER : _LAST_FILTER + 1] != _NO_FILTERS

    @property
    def separator(self) -> bytes:
        """The end of each path in the output of the producer `paths`."""
        return self.producers[0].arguments[0] if self.producers and self.producers[0].kind == "paths" else b"\n"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields and columns to fetch. Text has exact times, which 64 bits may not hold."""
        fields = fields_of(self.stat)
        exact = any(producer.kind in EXACT_PRODUCERS for producer in self.producers or ())
        return with_exact_times(fields) if exact else fields

    @property
    def hours(self) -> tuple[int, int] | None:
        """The option `between`, as minutes of a day."""
        if self.between is None:
            return None
        from scanner.units import hours_of  # not needed otherwise

        return hours_of(self.between)

    @property
    def needs_stat(self) -> bool:
        """Whether entries cost a request each."""
        return bool(self.fields) or self.selects_by_status

    @property
    def selects_by_status(self) -> bool:
        return self.filter is not None and bool(self.filter.conditions)

    @property
    def reads_targets(self) -> bool:
        """Whether an output holds the targets of symlinks."""
        arguments = [each for producer in self.producers or () for each in producer.arguments]
        return any(isinstance(fields, tuple) and TARGET in fields for fields in arguments)

    @property
    def workers(self) -> int:
        return self.max_workers or min(cpu_count(), MAX_WORKERS)

    @property
    def method(self) -> StartMethod:
        """The start method: as set, otherwise the fastest that is safe in this process now."""
        if self.start_method is not None:
            return self.start_method
        return "fork" if may_be_forked() else "forkserver"


def flag_of(name: str) -> str:
    """Return the flag that sets an option in the shell."""
    return FLAGS.get(name, "--" + name.replace("_", "-"))


def _no_option(name: str) -> str:
    """Return the message for a keyword that is no option."""
    from scanner.spelling import no_option  # not needed otherwise

    return no_option(name, PUBLIC)


def descriptors_allowed() -> float:
    """Return the limit of open file descriptors of this process."""
    import resource  # not needed otherwise

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


def may_be_forked() -> bool:
    """Whether forking is safe and fast: no thread can hold a lock, and there is little memory to share."""
    try:
        return resident_bytes() < FORK_BYTES and len(os.listdir("/proc/self/task")) == 1
    except OSError:  # not Linux
        return False


def resident_bytes() -> int:
    """Return the resident memory of this process without importing psutil. Raises OSError where /proc is missing."""
    with open("/proc/self/statm", "rb") as sizes:
        return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def parse_seconds(name: str, text: str) -> float:
    from scanner.units import A_DURATION, seconds_of  # not needed otherwise

    if (seconds := seconds_of(text)) is None:
        raise OptionError(f"{name} must be {A_DURATION} (without a unit: seconds), not {text!r}")
    return seconds


def _hours(name: str, value: object) -> None:
    from scanner.units import SOME_HOURS, hours_of  # not needed otherwise

    if not isinstance(value, str) or hours_of(value) is None:
        raise OptionError(f"{name} must be {SOME_HOURS}, or None for no limit, not {value!r}")


def _bytes(name: str, text: str) -> int:
    from scanner.units import A_SIZE, bytes_of  # not needed otherwise

    if (size := bytes_of(text)) is None:
        raise OptionError(f"{name} must be {A_SIZE}, not {text!r}")
    return size


WITH_UNITS: dict[str, Callable[[str, str], float]] = {
    "timeout": parse_seconds, "dir_timeout": parse_seconds, "window": _bytes
}  # fmt: skip
"""Options that accept text with a unit."""


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def _encodable(name: str, value: str) -> None:
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise OptionError(f"{name} {value!r} cannot be encoded in {error.encoding}") from error


def _whole_number(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        limit = f"from {low} to {high}" if high < sys.maxsize else f"of {low} or more"
        raise OptionError(f"{name} must be a whole number {limit}, not {value!r}")


def _positive(name: str, value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise OptionError(f"{name} must be a positive {what}, or None for no limit, not {value!r}")


def _switch(name: str, value: object) -> None:
    if value not in (True, False):
        raise OptionError(f"{name} must be True or False, not {value!r}")


def _share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise OptionError(f"{name} must be a share from 0 to 1, not {value!r}")


def _file_systems(name: str, value: Any) -> None:
    if value is None or isinstance(value, str) or not all(isinstance(kind, str) and kind for kind in value):
        raise OptionError(f"{name} must be the names of types of file systems, not {value!r}")
    for kind in value:
        _encodable(name, kind)


def _fields(_: str, value: Any) -> None:
    fields_of(value)


CHECKS: dict[str, Callable[[str, Any], None]] = {
    **{name: _switch for name, default in DEFAULTS.items() if isinstance(default, bool)},
    "backend": partial(_one_of, allowed=BACKENDS),
    "max_workers": partial(_whole_number, low=1, high=MAX_WORKERS),
    "start_method": partial(_one_of, allowed=START_METHODS),
    "timeout": partial(_positive, what="number of seconds"),
    "window": partial(_whole_number, low=1, high=sys.maxsize),
    "dir_timeout": partial(_positive, what="number of seconds"),
    "max_hung": partial(_whole_number, low=0, high=sys.maxsize),
    "max_in_flight": partial(_whole_number, low=1, high=MOST_IN_FLIGHT),
    "max_rate": partial(_positive, what="number of requests a second"),
    "between": _hours,
    "skip_fs": _file_systems,
    "min_depth": partial(_whole_number, low=0, high=sys.maxsize),
    "max_depth": partial(_whole_number, low=0, high=sys.maxsize),
    "stat": _fields,
    "trust": partial(_one_of, allowed=TRUSTS),
    "recheck": _share,
}
