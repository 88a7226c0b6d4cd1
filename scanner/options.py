"""Everything a caller may choose, validated once and frozen: it travels down, never sideways."""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

import contextlib
import math
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypedDict

from scanner.errors import OptionError
from scanner.fields import fields_of, with_exact_times
from scanner.model import Path

BackendName = Literal["auto", "serial", "pool"]
StartMethod = Literal["forkserver", "spawn", "fork"]

BACKENDS = ("auto", "serial", "pool")
START_METHODS = ("forkserver", "spawn", "fork")
MAX_WORKERS = 256
WINDOW = 16 << 20  # bytes
MAX_DEPTH = 1 << 17  # levels: more than any honest tree has
MAX_HUNG = 3
FORK_BYTES = 1 << 30  # of memory: to fork a process that has more takes long
MAX_IN_FLIGHT = 64
MOST_IN_FLIGHT = 4096
EXACT_SINKS = ("text", "ncdu")


def cpu_count() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):  # refused: seccomp, gVisor
            return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if TYPE_CHECKING:

    class CommonKeywords(TypedDict, total=False):
        """The options as keywords, those apart that every function names itself."""

        backend: BackendName
        start_method: StartMethod | None
        window: int | str
        dir_timeout: float | str | None
        max_hung: int
        max_in_flight: int
        max_rate: float | None
        nice: bool
        one_file_system: bool
        one_mount: bool
        skip_fs: Collection[str]
        exclude: str | Sequence[str]
        exclude_from: Any
        include: str | Sequence[str]
        gitignore: bool
        ignore_files: str | Sequence[str]
        ignore_case: bool
        exclude_if_present: str | Sequence[str]
        exclude_caches: bool
        hidden: bool
        min_depth: int
        max_depth: int | None
        types: str | Collection[str]
        size: Any
        newer: Any
        older: Any
        prune: Any
        detect_loops: bool
        partial_listings: bool

    class Keywords(CommonKeywords, total=False):
        max_workers: int | None
        timeout: float | str | None


class SinkSpec(NamedTuple):
    """What workers are to make of entries: see `kernel.sinks`."""

    kind: str
    arguments: tuple[Any, ...] = ()


class _Fields(NamedTuple):
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
    nice: bool = False
    one_file_system: bool = False
    one_mount: bool = False
    skip_fs: Collection[str] = ()
    exclude: str | Sequence[str] = ()
    exclude_from: Any = ()
    include: str | Sequence[str] = ()
    gitignore: bool = False
    ignore_files: str | Sequence[str] = ()
    ignore_case: bool = False
    exclude_if_present: str | Sequence[str] = ()
    exclude_caches: bool = False
    hidden: bool = True
    min_depth: int = 0
    max_depth: int | None = None
    types: str | Collection[str] = ()
    size: Any = ()
    newer: Any = None
    older: Any = None
    prune: Any = None
    detect_loops: bool = False
    partial_listings: bool = False
    stat: bool | str | Sequence[str] = False
    # Chosen by the entry point, not by its caller: where the scan begins, what a Listing holds, what ends a path.
    roots: tuple[Path, ...] = ()
    cwd: str = ""  # what relative roots are relative to: workers may have been started elsewhere
    sinks: tuple[SinkSpec, ...] | None = None  # what is made of entries in the workers; None: tuples of names
    barred: tuple[Path, ...] = ()  # mount points that are not entered
    filter: Any = None  # a Spec: what is left out, in the form in which it is compared
    own: tuple[str, ...] = ()  # names of our own temporary files, which are not there for any scan of ours
    pure: bool = False  # directories are read in Python although the compiled reader is there


class ScanOptions(_Fields):
    """The options of one scan: keywords in Python, fields here, flags in the shell. Raises OptionError.

    followlinks   enter directories that links point to, as `os.walk` does. Default: no.
    detect_loops  with `followlinks`: do not enter a link that leads to a directory above itself; it is a Fault
                  `loop` (default in the shell). Costs some calls for each link.
    backend       `serial`: in this process; `pool`: in worker processes from the first directory on;
                  `auto` (default): in this process until the tree proves large, then in worker processes. Where the
                  compiled walker can do nearly all of it without the interpreter lock (no filters, no `nice`, not with
                  `start_method="fork"`), `max_workers` threads come first, and one more where tuples are made beside
                  them: they need no start, so that a tree must be very large (seconds of walking) for processes to be
                  better.
    max_workers   worker processes, 1 to 256; default: one a processor. More than processors pay off only
                  where directories wait for a network or a disk.
    start_method  `fork`: fastest, and unsafe when the calling process has threads; `forkserver` or `spawn`: 50 to 150
                  ms slower to start. Default: `fork` on Linux as long as the process has a single thread and less than
                  1 GiB of memory; else `forkserver`, where there is one. Forked workers close what they inherit.
    timeout       seconds for the whole scan, or text like "1.5h"; None (default) for no limit. Checked between
                  directories: one that never answers holds up `serial`, and `auto` while it still walks in the caller's
                  thread.
    dir_timeout   seconds for one directory to be listed, or text; None (default; 60 in the shell) for no limit. What
                  takes longer is a Fault `timeout`; its worker is killed, the rest of its Task runs elsewhere. Needs
                  worker processes: `serial` cannot keep it, and `auto` starts them at once where anything but a local
                  file system is mounted at or below the root, elsewhere no sooner than without it.
                  An honest huge directory must have the time it takes:
                  each part of 20,000 entries counts by itself.
    max_hung      directories of one mount that may exceed `dir_timeout` (default 3) before the rest of the mount is not
                  entered any more, nor what is mounted below it; 0: any number.
    max_in_flight  directories to read at a time, in all processes together, at most (default 64, up to 4,096). Where
                  they cost waiting and not work, as on a network, threads are started until more of them are no gain:
                  how many is measured. A server that others use as well may want less; a far one with reserves, more.
    max_rate      directories a second, or None (default) for as many as there can be. Holds over any second of a scan.
    nice          lower the priority of worker processes, for the processor and for the disk. Default: no.
    one_file_system  do not enter other file systems than the root's: mount points, subvolumes, what links lead to. They
                  are shown themselves. As with `find -xdev`, the device number decides: a bind mount of the root's own
                  file system is entered. What is mounted from another one is not even asked. Default: no.
    one_mount     do not enter any mount point below the root, not even a bind mount of the root's own file system, nor
                  what links on another mount lead to. Mount points are shown and not asked. Subvolumes that are not
                  mounted are entered, unless `one_file_system` excludes them. Default: no.
    skip_fs       types of file systems that are not entered where they are mounted below the roots, such as
                  `("nfs4", "autofs")`. Nothing is asked of them, so no automount is triggered and none can hang.
    exclude       patterns of what is left out, as in a `.gitignore` in the root: what is excluded is not even opened.
                  A `!` takes back. Default: none. The stronger, the further to the right; stronger than `exclude_from`,
                  that than `ignore_files`, that than `gitignore`.
    exclude_from  files with such patterns.
    gitignore     leave out what git would: by `.gitignore` files, also those above a root that lies in a repository,
                  `.git/info/exclude` and the user's own; `.git` itself; repositories in the repository are not entered.
                  What git tracks all the same is left out as well: its index is not read. Default: no.
    ignore_files  names of files of the same syntax, such as `.scanignore`, in any directory.
    ignore_case   capital letters in patterns are small ones, for ASCII. Default: no.
    exclude_if_present  names: what holds such an entry is shown and not entered.
    exclude_caches  the same for directories with a `CACHEDIR.TAG` that has the signature. Default: no.
    hidden        whether names that begin with a dot are there (default), or not.
    include       patterns of what is shown; directories are entered all the same. Default: everything.
    types         of entries to show: of f, d, l, p, s, b, c, as in `find -type`. Default: all.
    size          of files to show: `+1M` at least, `-10K` at most, `0` exactly; several hold together.
    newer, older  show what was changed after a moment, or not after it, to the nanosecond, as `find -newermt` and
                  `find ! -newermt`: a date, `@SECONDS`, a span such as `7d`, a datetime, or a file's own change.
                  Read in Python, as with `size`; what all else lets through is asked for by `stat`.
    min_depth     levels above this are not shown. Default: 0.
    max_depth     levels below this are neither shown nor entered. Default: no limit but 131,072 levels, from where on
                  directories are Faults `depth`: the end of a tree that has none.
    prune         for what patterns cannot say: `prune(path, names)` gives those of the names of directories to keep; or
                  an object with `should_ignore_directory(relative_path)`. Runs in the workers: it must be importable.
    partial_listings  keep the names that were read before a listing broke off (default in the shell); their Fault says
                  `partial`. `os.walk` drops them.
    stat          what to ask about each entry, for `scan` and `entries`: True for everything, or names of fields: type,
                  size, blocks (of 512 bytes), mode, uid, gid, ino, dev, nlink, mtime_ns, ctime_ns, atime_ns. What
                  cannot be asked is None, and a Fault `stat`. A call for each entry: a scan of a local tree takes about
                  three times as long; on a network a round trip each, as many at a time as pay. Default: nothing.
    window        bytes of results that may wait for their turn, or text like "64M" (default 16 MiB). Memory is bounded
                  by about four times this plus one Chunk a worker. Larger: workers may run further ahead of a slow
                  consumer.
    """

    __slots__ = ()  # a tuple rather than a dataclass: those take 8 ms to import

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if len(args) < len(cls._fields):  # not so when it is unpickled
            kwargs.setdefault("pure", os.environ.get("SCANNER_PURE", "") not in ("", "0"))
        for name, parse in _WRITTEN.items():
            if isinstance(kwargs.get(name), str):
                kwargs[name] = parse(name, kwargs[name])
        if kwargs.get("exclude_from"):
            from scanner.filters.spec import read_once  # not needed otherwise

            kwargs["exclude_from"] = read_once(kwargs["exclude_from"])
        options = super().__new__(cls, *args, **kwargs)
        for name in _SWITCHES:
            if getattr(options, name) not in (True, False):
                raise OptionError(f"{name} must be True or False, not {getattr(options, name)!r}")
        _one_of("backend", options.backend, BACKENDS)
        if options.max_workers is not None:
            _whole_number("max_workers", options.max_workers, 1, MAX_WORKERS)
        if options.timeout is not None:
            _positive("timeout", options.timeout, "number of seconds")
        _whole_number("window", options.window, 1, sys.maxsize)
        if options.dir_timeout is not None:
            _positive("dir_timeout", options.dir_timeout, "number of seconds")
        _whole_number("max_hung", options.max_hung, 0, sys.maxsize)
        _whole_number("max_in_flight", options.max_in_flight, 1, MOST_IN_FLIGHT)
        if options.max_rate is not None:
            _positive("max_rate", options.max_rate, "number of directories a second")
        if isinstance(options.skip_fs, str) or not all(isinstance(kind, str) and kind for kind in options.skip_fs):
            raise OptionError(f"skip_fs must be the names of types of file systems, not {options.skip_fs!r}")
        for kind in options.skip_fs:
            _encodable("skip_fs", kind)
        _whole_number("min_depth", options.min_depth, 0, sys.maxsize)
        if options.max_depth is not None:
            _whole_number("max_depth", options.max_depth, 0, sys.maxsize)
        if options.stat:
            fields_of(options.stat)
        if options.filters:
            from scanner.filters.spec import refuse_prune, spec_of  # not needed otherwise

            spec_of(options._replace(gitignore=False), ())
            if options.prune is not None and options.backend != "serial":
                refuse_prune(options.prune, options.method)
        if options.start_method is not None:
            _one_of("start_method", options.start_method, available_start_methods())
        return options

    @classmethod
    def of(cls, keywords: dict[str, Any]) -> Self:
        """The options that a caller names. Raises TypeError for a name that is no option, as a function would."""
        for name in keywords:
            if name not in cls._fields or name in _CHOSEN:
                raise TypeError(f"{name!r} is not an option; the options are {', '.join(PUBLIC)}")
        return cls(**keywords)

    def starting_at(self, roots: Sequence[Path]) -> Self:
        """The same options for these roots."""
        cwd = ""
        if any(not os.path.isabs(root) for root in roots):
            with contextlib.suppress(OSError):  # it was removed: the roots will say so
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
        return self._replace(roots=tuple(roots), cwd=cwd, barred=barred, filter=spec)

    @property
    def filters(self) -> bool:
        """Whether anything is to be left out."""
        return bool(self.own) or self[_FIRST_FILTER : _LAST_FILTER + 1] != _NO_FILTERS

    @property
    def separator(self) -> bytes:
        """What ends a path, where paths are all that is wanted."""
        return self.sinks[0].arguments[0] if self.sinks and self.sinks[0].kind == "paths" else b"\n"

    @property
    def fields(self) -> tuple[str, ...]:
        """What is asked about each entry. Text has exact times, which 64 bits need not hold."""
        fields = fields_of(self.stat)
        return with_exact_times(fields) if any(sink.kind in EXACT_SINKS for sink in self.sinks or ()) else fields

    @property
    def workers(self) -> int:
        return self.max_workers or min(cpu_count(), MAX_WORKERS)

    @property
    def method(self) -> StartMethod:
        """As chosen; otherwise as is best for this process at this moment."""
        if self.start_method is not None:
            return self.start_method
        if "fork" in available_start_methods() and may_be_forked():
            return "fork"
        return "forkserver" if "forkserver" in available_start_methods() else "spawn"


_CHOSEN = ("roots", "cwd", "sinks", "barred", "filter", "own", "pure")
_SWITCHES = tuple(
    name for name, default in _Fields._field_defaults.items() if isinstance(default, bool) and name != "stat"
)
_FIRST_FILTER, _LAST_FILTER = (_Fields._fields.index(name) for name in ("exclude", "prune"))
_NO_FILTERS = _Fields()[_FIRST_FILTER : _LAST_FILTER + 1]
PUBLIC = tuple(name for name in ScanOptions._fields if name not in _CHOSEN)


def available_start_methods() -> tuple[str, ...]:
    """The start methods of this system, without the cost of importing multiprocessing."""
    if sys.platform == "win32":
        return ("spawn",)
    return START_METHODS


def descriptors_allowed() -> float:
    """How many this process may have open, where there is a limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


def may_be_forked() -> bool:
    """Whether nothing speaks against it: no thread could hold a lock, and there is little memory to be shared."""
    try:
        return resident_bytes() < FORK_BYTES and len(os.listdir("/proc/self/task")) == 1
    except OSError:  # not Linux
        return False


def resident_bytes() -> int:
    """Of this process in memory, without the cost of importing psutil. Raises OSError where Linux' /proc is not."""
    with open("/proc/self/statm", "rb") as sizes:
        return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _seconds(name: str, text: str) -> float:
    from scanner.units import A_DURATION, seconds_of  # seldom needed

    if (seconds := seconds_of(text)) is None:
        raise OptionError(f"{name} must be {A_DURATION} (without a unit: seconds), not {text!r}")
    return seconds


def _bytes(name: str, text: str) -> int:
    from scanner.units import A_SIZE, bytes_of  # seldom needed

    if (size := bytes_of(text)) is None:
        raise OptionError(f"{name} must be {A_SIZE}, not {text!r}")
    return size


_WRITTEN: dict[str, Callable[[str, str], float]] = {"timeout": _seconds, "dir_timeout": _seconds, "window": _bytes}
"""Options that may be text, with a unit."""


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
