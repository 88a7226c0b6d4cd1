"""The compiled reader: arguments and results of its functions, and whether this build fits this source.

Without it (no C compiler, not Linux) a reader in Python gives the same result.
"""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import repeat
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias
from zlib import crc32

from scanner.fields import COLUMNS
from scanner.kernel.descent import GAP
from scanner.kernel.requests import OPEN_REQUESTS, PROBES, SLOW_REQUEST
from scanner.model import Path, split

LinkRule = Literal["mark", "enter", "file"]
"""What a symlink to a directory is: a directory that is not entered (`os.walk`), one that is entered (`followlinks`),
or no directory at all (`find`: costs no `stat` of the target)."""
LINK_RULES: tuple[LinkRule, ...] = ("mark", "enter", "file")
LIST, JOINED, LINES, COUNT, WITH_ROWS = range(5)
"""Forms of the names of files: a list; one string, separated by NULs; the lines that `PathLines` writes; nothing;
joined, with rows of columns. The compiled reader does not know the last."""
FORMS = ("list", "joined", "lines", "count")
PLACE_HEADER = 16  # bytes before the path in shared memory: see backends/heartbeat.py
NEWS_SECONDS = 0.002  # between two checks whether another slot is idle
NO_LIMIT = (1 << 63) - 1
RACY_NS = 3 * 10**9
"""Nanoseconds: two seconds are the coarsest times of a file system, one more the coarsest clock of a kernel."""
HOWS, KNOWN_COUNTS, HEAD_BYTES, UPDATE_BYTES = 6, 7, 64, 64
"""What can be done with a record, counts of a snapshot, bytes of Head and Update: see record.py, which is not loaded
without a store."""


class ListRequest(NamedTuple):
    """Arguments of `list_directory`. `keep`: leave the directory open, even if nothing below it is entered."""

    parent: int
    name: Path | None  # None: read the next entries of `parent` itself
    no_link: bool  # refuse symlinks
    limit: int  # entries
    requests: int
    prefix: bytes  # of lines
    as_bytes: bool  # names are bytes, not str
    rule: int  # in LINK_RULES
    form: int
    separator: bytes  # of lines
    keep: bool


class ListResult:
    """Result of `list_directory`: a plain tuple of these."""

    descriptor: int  # -1: closed
    dirs: list[Any]
    links: list[Any]
    files: Any
    file_count: int
    error: int  # errno with which the listing broke off, or 0
    more: bool
    opening: float  # seconds
    requests: int  # sent to the file system, except for opening and closing


class RowsRequest(NamedTuple):
    """Arguments of `fill_rows`. `patient`: do not stop when rows are slow."""

    directory: int
    names: bytes  # separated by NULs
    columns: bytes  # indices in COLUMNS
    follow: bool  # symlinks
    patient: bool
    rows: bytearray
    first: int
    last: int


class RowsResult:
    """Result of `fill_rows`: a plain tuple of these."""

    row: int  # the next row to fill; `last` if all were filled
    failures: int


class RunRequest(NamedTuple):
    """Arguments of `walk_run`. A run ends before a directory that is unreadable, that has `limit` entries or more, that
    is not on `device`, that is deeper than `deepest`, whose path is in `mount_parents`, or that has an entry which
    matches `names`, `endings` or `beginnings` (each separated by NULs).
    """

    way: list[tuple[Any, int]]
    stack: list[Any]
    root_length: int  # bytes of the root with its slash: depth counts from there
    limit: int
    most_open: int
    keep_way: bool  # leave the directories above the next one open
    device: int  # -1: any
    most: int  # directories to take from the stack
    names: bytes
    endings: bytes
    beginnings: bytes
    entries: int
    requests: int
    text: int  # bytes of paths
    seconds: float
    news: int | bytearray
    form: int
    separator: bytes
    rule: int
    columns: bytes
    as_bytes: bool
    place: memoryview | None
    slow_from: float  # seconds for a directory, from which on it is reported
    hidden_types: int  # bit set of d_type that are not selected
    hides_dotfiles: bool
    conditions: bytes  # of entries that are not directories: see `packed` in filters/conditions.py
    directory_conditions: bytes
    only_empty: bool  # of directories
    min_depth: int  # levels below the root
    last_depth: int  # sub-directories at this depth are shown, but not entered
    deepest: int
    mount_parents: bytes
    page: Any  # a KnownPage; None: there is no snapshot store


class KnownPage(NamedTuple):
    """Records of a snapshot store, in the order of paths, for one run. They are all that the store has of `top`, and of
    paths from `low` on, below `high`.
    """

    known: bytes  # the records, one behind the other
    how: int  # what to do with them: KEEP, CHECK or READ in record.py
    exceptions: list[bytes]  # keys, in order: directories to read in any case; or, if settled, without a record
    every: int  # read one of so many directories to check its times; 0: none
    turn: int  # which of them
    top: bytes
    low: bytes
    high: bytes
    settled: bool  # the tree must not be touched
    records: bool  # make records of what is read
    root: int
    root_length: int  # bytes of a path before its key
    root_device: int
    devices: bytearray  # three 64-bit numbers each: number, newest ctime (updated), whether it is reliable
    columns: bytes  # of the store: positions among those of the run; NOT_REQUESTED


class WalkedRun(NamedTuple):
    """Result of `walk_run`: consecutive directories in walk order, all of them read without trouble.

    `trouble`: the next directory must be read singly. `error`: errno of opening it; negative: of reading it. `lost`:
    seconds spent on that directory. `slow`: seconds and path of each slow directory. `opening`: seconds spent on
    opening directories. `files`: number of entries that are not directories. `text`: bytes of paths. `requests`: sent
    to file systems, also for the next directory. `names`: as
    `Chunk.listings`, or lines instead of files. `counts`: numbers of files and of links of each directory. `rows`:
    columns, each with a value for each directory, its files, its links.
    """

    trouble: bool
    error: int
    lost: float
    slow: list[tuple[float, Path]]
    opening: float
    directories: int
    entries: int
    files: int
    text: int
    requests: int
    names: tuple[Any, Any, Any, Any]
    counts: bytes
    rows: bytes
    uncovered: bool  # the next directory is not in the page
    records: bytes
    last: Any  # path of the last finished directory whose place in the store may be noted; empty: none
    known: bytes  # Counts, as 64-bit numbers

    @property
    def paths(self) -> list[Any]:
        joined = self.names[0]
        paths: list[Any] = joined.split("\0" if isinstance(joined, str) else b"\0")
        return paths

    def lengths(self) -> list[int]:
        """Return the number of rows of each directory: itself, its files, its links."""
        counts = memoryview(self.counts).cast("i").tolist()
        return [1 + files + links for files, links in zip(counts[::2], counts[1::2], strict=True)]

    def by_directory(self, width: int) -> Iterator[tuple[Any, Any, Any, Any, bytes, bytes]]:
        """Yield for each directory: path, directories, links, files, rows of itself and its files, rows of links."""
        numbers = iter(memoryview(self.counts).cast("i").tolist()) if width else repeat(0)
        size, start = len(self.rows) // (width or 1), 0

        def rows(count: int) -> bytes:
            nonlocal start
            first, start = start, start + 8 * count
            return b"".join(
                [self.rows[column + first : column + start] for column in range(0, width * size, size or 1)]
            )

        for listing, files, links in zip(split(self.names), numbers, numbers, strict=False):
            yield *listing, rows(1 + files), rows(links)


TABLES: dict[str, type[Any]] = {
    "ListRequest": ListRequest, "ListResult": ListResult, "RowsRequest": RowsRequest, "RowsResult": RowsResult,
    "RunRequest": RunRequest, "RunResult": WalkedRun, "KnownPage": KnownPage,
}  # fmt: skip


PIECES = (
    "literal", "path", "path_json", "path_raw_json", "path_csv", "name", "parent", "signed", "unsigned", "time", "date",
    "type", "type_json", "if_positive", "if_disk", "if_links", "if_special", "if_id", "if_mode", "if_seconds",
    "with_unsigned",
)  # fmt: skip
"""Kinds of pieces of a line: see _lines.h."""
Piece: TypeAlias = tuple[int, int, bytes]
"""Kind, column, and the literal or the text of a missing value."""


class Native(Protocol):
    """The extension module `scanner.kernel._native`."""

    LAYOUT: dict[str, Any]
    BUILD_ID: int

    def birth_time(self, descriptor: int, /) -> int: ...
    def column_at(self, packed: bytes, start: int, count: int, /) -> tuple[list[int], int]: ...
    def sum_run(
        self,
        names: bytes,
        counts: bytes,
        rows: bytes,
        columns: tuple[int, ...],
        now: int,
        read_at: int,
        ages: bytes,
        most: int,
        least: int,
        /,
    ) -> tuple[list[tuple[Any, ...]], ...] | None: ...
    def count_suffixes(self, names: bytes, /) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]: ...
    def copy_met(self, table: bytearray, larger: bytearray, /) -> None: ...
    def has_met(self, table: bytearray, device: int, inode: int, /) -> bool: ...
    def meet_files(self, table: bytearray, shared: bytes, /) -> tuple[int, int, int, int] | None: ...
    def sum_sizes(
        self, counts: bytes, rows: bytes, columns: tuple[int, ...], hashes: bool, /
    ) -> list[tuple[int, int, int, int, bytes]] | None: ...
    def list_directory(self, request: ListRequest, /) -> tuple[Any, ...] | None: ...
    def fill_rows(self, request: RowsRequest, /) -> tuple[int, int]: ...
    def format_lines(
        self, paths: bytes, rows: bytes, width: int, row: int, at: int, pieces: tuple[Piece, ...], /
    ) -> tuple[bytes, int, int]: ...
    def format_lists(
        self,
        own: tuple[Piece, ...],
        file: tuple[Piece, ...],
        root_length: int,
        depth: int,
        paths: bytes,
        links: bytes,
        files: bytes,
        counts: bytes,
        rows: bytes,
        width: int,
        /,
    ) -> bytes | None: ...
    def fill_leaves(
        self,
        page_bytes: int,
        locked: int,
        fields: tuple[int, ...],
        mode: int,
        paths: bytes,
        rows: bytes | memoryview,
        width: int,
        page: int,
        next: int,
        /,
    ) -> tuple[bytes, bytes, int, int, bool]: ...
    def walk_run(self, request: RunRequest, /) -> tuple[Any, ...]: ...
    def keep_memory(self) -> None: ...


def fields_in(table: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields of a request or result, in order."""
    return tuple(table.__annotations__)


def layout() -> dict[str, Any]:
    """Return the constants and tables that the C code must share, as Python has them."""
    names = {name: "".join(f" {field}" for field in fields_in(table)) for name, table in TABLES.items()}
    micros = {"slow_micros": round(SLOW_REQUEST * 1e6), "news_micros": round(NEWS_SECONDS * 1e6)}
    numbers = {"gap": GAP, "open_requests": OPEN_REQUESTS, "probes": PROBES, "place_header": PLACE_HEADER, **micros}
    numbers |= {"racy": RACY_NS, "update": UPDATE_BYTES, "head": HEAD_BYTES, "hows": HOWS, "known_counts": KNOWN_COUNTS}
    return {"rules": LINK_RULES, "forms": FORMS, "columns": COLUMNS, "pieces": PIECES, **numbers, **names}


def build_id(folder: str) -> int:
    """Return the checksum of the C sources in `folder`; 0 if they are not there (an installed package)."""
    checksum = 0
    for name in sorted(name for name in os.listdir(folder) if name.endswith((".c", ".h"))):
        with open(os.path.join(folder, name), "rb") as source:
            checksum = crc32(source.read(), checksum)
    return checksum


def misfit(module: Native) -> str | None:
    """Return how the build differs from this source; None if it fits."""
    ours, theirs = layout(), module.LAYOUT
    wrong = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if wrong:
        return f"it differs in {', '.join(wrong)}"
    sources = build_id(os.path.dirname(__file__))
    return "the C sources have changed since it was built" if sources not in (0, module.BUILD_ID) else None


_is_worker = False


@cache
def native() -> Native | None:
    """Return the compiled reader if it was built from this source. Log an outdated build once, in the coordinator."""
    try:
        module: Any = import_module("scanner.kernel._native")
    except ImportError:
        return None
    reason = misfit(module)
    if reason is None:
        found: Native = module
        return found
    if _is_worker:
        return None
    import logging  # slow to load, and not needed otherwise

    logging.getLogger("scanner").warning(
        "scanner.kernel._native is outdated (%s): reading in Python; rebuild it: pip install --editable .", reason
    )
    return None


def prepare_worker() -> None:
    """Prepare a worker process: keep freed memory, and leave it to the coordinator to log."""
    global _is_worker  # noqa: PLW0603  # a process is a worker from its start to its end
    _is_worker = True
    keep_memory()


def keep_memory() -> None:
    """Keep freed memory for the next Task, in a process of ours: the system clears each page before it hands it out."""
    module = native()
    if module is not None:
        module.keep_memory()
