"""The data that crosses all modules: a Task goes down to a worker, a Chunk comes up.

Paths and names are `str` or `bytes`, whichever the root was; one scan never mixes them.
"""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

import errno
import os
import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, AnyStr, Generic, Literal, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    PathText = TypeVar("PathText", bound=str | bytes, default=Any)  # the default: `Fault` alone means `Fault[Any]`
else:
    PathText = AnyStr

Path: TypeAlias = str | bytes
Walked: TypeAlias = tuple[PathText, list[PathText], list[PathText]]
"""The tuple that `os.walk` yields: root, names of directories, names of files; all str or all bytes."""
FaultKind = Literal[
    "denied", "depth", "excluded", "io", "lost", "loop", "name", "not_directory", "not_found", "pattern", "prune",
    "rules", "timeout", "unexpected", "vanished",
]  # fmt: skip
Operation = Literal["open", "read", "stat", "rules", "prune", "expect"]

_KINDS: dict[int, FaultKind] = {
    errno.EACCES: "denied", errno.EPERM: "denied",
    errno.ENOENT: "vanished", errno.ENOTDIR: "vanished", errno.ESTALE: "vanished",
    errno.ETIMEDOUT: "timeout", errno.ELOOP: "loop", errno.ENAMETOOLONG: "name",
}  # fmt: skip
_ROOT_KINDS: dict[int, FaultKind] = {errno.ENOENT: "not_found", errno.ENOTDIR: "not_directory"}
EXCLUDED: FaultKind = "excluded"
"""Kind of a directory that an option excludes once it is open: not an error."""
UNEXPECTED: FaultKind = "unexpected"
"""Kind of a root that was read but differs from what the caller expects."""


class Fault(NamedTuple, Generic[PathText]):
    """One error as data: a directory or an entry that is missing or incomplete in the result.

    path       the directory or entry, as str or bytes like the root
    operation  `open`, or `read`: the directory has no listing, or an incomplete one;
               `stat`: the type or the fields of an entry are unknown, the entry itself is kept (as a file);
               `rules`: a file of patterns, or a line of it, is ignored;
               `prune`: the caller's function failed, all names are kept;
               `expect`: a root differs from what the caller expects
    errno      error number of the system, or 0
    message    text of the error
    kind       denied, vanished (a directory that was listed is not there any more, or replaced), timeout, lost (workers
               died reading it), loop, depth, name (no system can have it), rules, pattern, prune, unexpected, or io for
               all other errors; of a root also not_found and not_directory
    attempts   how many times the operation was tried
    partial    True if the names read before the error are in the result
    """

    path: PathText
    operation: Operation
    errno: int
    message: str
    kind: FaultKind
    attempts: int = 1
    partial: bool = False

    @property
    def drops_listing(self) -> bool:
        """Whether the directory `path` has no complete listing (otherwise one of its entries has a problem)."""
        return self.operation in ("open", "read")

    @property
    def is_of_filter(self) -> bool:
        """Whether the caller's function or a file with patterns failed: `os.walk` has no such errors."""
        return self.operation in ("prune", "rules")

    @property
    def is_error(self) -> bool:
        """Whether the Fault is reported."""
        return self.kind != EXCLUDED

    def as_root(self) -> Self:
        """Return the Fault of a root: nothing has listed it, so it cannot have vanished."""
        return self._replace(kind=_ROOT_KINDS.get(self.errno, self.kind))

    def as_error(self) -> OSError:
        """Return the OSError that `os.walk` passes to `onerror`."""
        return OSError(self.errno, self.message, self.path)

    @classmethod
    def of(cls, error: OSError, path: Any, operation: Operation, attempts: int = 1) -> Self:
        """Return the Fault for an OSError."""
        number = error.errno or errno.EIO
        message = error.strerror or os.strerror(number)
        return cls(path, operation, number, message, _KINDS.get(number, "io"), attempts)


def excluded(path: Path, message: str) -> Fault:
    """Return the Fault of a directory that is listed by its parent but excluded itself: not an error."""
    return Fault(path, "open", 0, message, EXCLUDED)


NAME_BYTES = 64
"""Bytes that a short name occupies as a Python object, about."""
TASK_SECONDS, LONGEST_TASK = 0.05, 0.2
"""Seconds that a Task takes on this machine: usually, and where directories are slow."""
Rules: TypeAlias = dict[Path, tuple[tuple[int, str, bytes], ...]]
"""By directory: rank, source and content of each file of rules."""


class Task(NamedTuple):
    """Directories to walk next, in walk order, and the budget.

    A Chunk comes back after about `entries` entries or `seconds`, whichever is first, but never before one directory,
    or `entries` entries of it, were read; and after about `quota` requests to file systems, unless that is 0.
    `threads`: number of `stat` calls in flight at most. `shut`: directories that must not be entered, with kind and
    message; `fences`: directories at which the Task has to end, because other Tasks walk them; `rules`: rules from
    files in directories above (rank, source and content of each). `position`: number of entries of the first directory
    that earlier Chunks have brought.
    """

    number: int
    directories: list[Path]
    position: int
    entries: int
    seconds: float
    quota: int = 0
    threads: int = 1
    shut: dict[Path, tuple[str, str]] = {}  # noqa: RUF012  # never changed
    fences: frozenset[Path] = frozenset()
    rules: Rules = {}  # noqa: RUF012  # never changed


Listing: TypeAlias = tuple[Any, Any, Any]
"""The entries of one directory, or of one part of a huge one: names of sub-directories; names of those among them that
are not entered; names of all other entries. Lists, or joined by NULs if the names come from another process."""


class Chunk:
    """The result of one Task: consecutive directories in walk order, and the directories that were not reached.

    `task`: number of the Task (0: none, the planner made the Chunk); `origin`: its first directory; `worker`: number of
    the process that walked it (0: this one);
    `listings`: the four fields of all Listings, as lists or joined (see `split`), or empty;
    `output`: finished bytes of a producer of output;
    `leftovers`: directories not walked yet, in walk order; the first `position` entries of the first are in this Chunk
    or in earlier ones;
    `directories`, `entries`, `files`: how many were read; `retries`: attempts repeated after errors;
    `requests`: sent to file systems;
    `seconds`: duration of the walk; `cpu`: processor seconds of its thread; `opening`: seconds until directories were
    open, which grow with the number of path components;
    `slow`: seconds and path of each slow directory; `rules`: files of rules found that apply to leftovers, as in Task;
    `table`: `stat` columns, each with a value for each directory, its files, its links; then the numbers of files and
    of links in each directory as 32-bit integers;
    `clamped`: timestamps in these, or in columns of `output`, that exceed 64 bits;
    `snapshot`: what the writer of a snapshot needs (`kernel.known`);
    `failed`: faults of directories without a listing, in walk order; `visited`: finished directories, failed included;
    `size`: bytes held while the Chunk waits (default: an estimate from the contents).
    """

    __slots__ = (
        "clamped", "cpu", "directories", "entries", "failed", "faults", "files", "leftovers", "listings", "opening",
        "origin", "output", "position", "requests", "retries", "rules", "seconds", "size", "slow", "snapshot", "table",
        "task", "visited", "worker",
    )  # fmt: skip

    def __init__(
        self, task: int, origin: Path, *, worker: int = 0, listings: tuple[Any, ...] = (),
        output: bytes | memoryview = b"", leftovers: list[Path] | None = None, position: int = 0,
        faults: list[Fault] | None = None, directories: int = 0, entries: int = 0, files: int = 0, retries: int = 0,
        seconds: float = 0.0, cpu: float = 0.0, opening: float = 0.0, slow: list[tuple[float, Path]] | None = None,
        rules: Rules | None = None, table: list[bytes] | None = None, clamped: int = 0,
        snapshot: bytes | memoryview = b"", requests: int = 0, size: int | None = None,
    ) -> None:  # fmt: skip
        self.task = task
        self.origin = origin
        self.worker = worker
        self.listings = listings
        self.output = output
        self.leftovers = leftovers or []
        self.position = position
        self.faults = faults or []
        self.failed = [fault for fault in faults if fault.drops_listing] if faults else []
        self.visited = directories + len(self.failed)
        self.directories = directories
        self.entries = entries
        self.files = files
        self.retries = retries
        self.requests = requests
        self.seconds = seconds
        self.cpu = cpu
        self.opening = opening
        self.slow = slow or []
        self.rules = rules or {}
        self.table = table or []
        self.clamped = clamped
        self.snapshot = snapshot
        self.size = held_bytes(listings, entries) + len(output) + len(snapshot) if size is None else size

    def __iter__(self) -> Any:
        """Iterate over the listings, as tuples of path, dirs, links, files."""
        return split(self.listings)

    def to_bytes(self) -> bytes:
        """Return a versioned binary form, for any Python version, and any machine of the same byte order.

        The Chunk that is read has joined listings. `codec.chunk_pieces` saves a copy of the contents.
        """
        from scanner.codec import chunk_pieces  # which imports this module

        return b"".join(chunk_pieces(self))

    @staticmethod
    def from_bytes(body: bytes | bytearray | memoryview) -> "Chunk":
        """Return the Chunk that `to_bytes` wrote. `output` is a view of `body`, and `size` the length of `body`.

        Safe for untrusted input. Raises ValueError for damaged input and for another version of the format.
        """
        from scanner.codec import chunk_from

        return chunk_from(body)


SlotKind: TypeAlias = Literal["here", "thread", "process", "remote"]


class SlotUp(NamedTuple):
    """Event: a slot is ready for Tasks.

    `worker`: number of its worker process; slots of one process die together. 0: this process.
    `kind`: `here` (in the thread that calls `events`), `thread` (another thread of this process), `process` (a worker
    process on this machine), `remote` (another machine).
    """

    slot: int
    worker: int = 0
    kind: SlotKind = "process"


class SlotDown(NamedTuple):
    """Event: the slot gets no further Task; a running Task is finished."""

    slot: int


class SlotLost(NamedTuple):
    """Event: a slot is gone, and its running Task is lost.

    `path`: the directory that it was reading, where known. `blame`: its Task may be the reason; False: it left in
    order, or its machine is unreachable.
    """

    slot: int
    path: Path | None = None
    blame: bool = True


class SlotStuck(NamedTuple):
    """Event: a slot waited too long for the directory `path`, and is gone.

    `mount`: the directory at which the file system of `path` begins, as the scan names it. `message`: the reason.
    """

    slot: int
    path: Path
    mount: Path
    message: str


class ChunkArrived(NamedTuple):
    """Event: a slot has finished its Task and is idle."""

    slot: int
    chunk: Chunk


BackendEvent: TypeAlias = SlotUp | SlotDown | SlotLost | SlotStuck | ChunkArrived


def split(listings: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Iterate over the Listings of a Chunk, or over some of their fields."""
    return zip(*fields_of(listings), strict=True)


def fields_of(listings: tuple[Any, ...]) -> tuple[list[Any], ...]:
    """Return the fields of the Listings of a Chunk, or some of them, as lists with a value for each directory.

    Joined fields are split: paths at NULs, packed names of directories at slashes.
    """
    if not listings or isinstance(listings[0], list):
        return listings
    paths, *fields = listings
    nul, slash = ("\0", "/") if isinstance(paths, str) else (b"\0", b"/")
    return (paths.split(nul), *(field.split(slash) for field in fields))


def joined(listings: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the fields of Listings joined: the inverse of `fields_of`."""
    if not listings or not isinstance(listings[0], list):
        return listings
    paths, *fields = listings
    separators: Any = ("\0", "/") if isinstance(paths[0], str) else (b"\0", b"/")
    nul, slash = separators
    return (
        nul.join(paths),
        *(slash.join([nul.join(each) if isinstance(each, list) else each for each in field]) for field in fields),
    )


def held_bytes(listings: tuple[Any, ...], entries: int) -> int:
    """Return roughly how many bytes Listings occupy."""
    if listings and not isinstance(listings[0], list):
        return sum(map(len, listings))
    return NAME_BYTES * entries


def names(packed: Any) -> list[Any]:
    """Return the names in a field of a Listing, as a list that the caller may change."""
    if isinstance(packed, list):
        return packed
    if not packed:
        return []
    separator: Any = "\0" if isinstance(packed, str) else b"\0"
    result: list[Any] = packed.split(separator)
    return result


def prefix_of(path: Any) -> Any:
    """Return the prefix that makes a path of a name in `path`: `os.path.join` without a check of the name."""
    separator: Any = os.sep if isinstance(path, str) else os.sep.encode()
    return path if path[-1:] == separator else path + separator


def children(path: Any, dirs: list[Any], links: list[Any]) -> list[Any]:
    """Return the paths of the directories to enter below `path`, last first, as for a stack."""
    prefix = prefix_of(path)
    if not links:
        return [prefix + name for name in reversed(dirs)]
    shut = set(links)
    return [prefix + name for name in reversed(dirs) if name not in shut]


def is_below(path: Any, top: Any) -> bool:
    """Return whether `path` is `top` or lies below it."""
    return bool(path == top or path.startswith(prefix_of(top)))


def upwards(path: Any, longest: int = sys.maxsize) -> Iterator[Any]:
    """Yield `path` and the paths above it, up to the first name. `longest`: characters of a path to yield, at most."""
    separator: Any = os.sep if isinstance(path, str) else os.sep.encode()
    if len(path) <= longest:
        yield path
    while (cut := path.rfind(separator, 0, longest + 1)) >= 0:
        yield path[: cut + 1]  # a root, perhaps
        path = path[:cut]
        yield path


def directories_above(path: str) -> Iterator[str]:
    """Yield each directory above `path` that its text names, the nearest first."""
    while (above := os.path.dirname(path)) not in (path, ""):
        yield above
        path = above


def below_any(path: Any, roots: Collection[Any]) -> bool:
    """Return whether `path` is one of `roots` or lies below one."""
    return any(is_below(path, root) for root in roots)
