"""What a store is of: its roots, the options that all of its snapshots share, and the columns that it has."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from scanner.encoding import printable, utf8_text
from scanner.errors import OptionError, StoreError
from scanner.fields import FIELDS, fields_of
from scanner.kernel.devices import RELIABLE, as_signed
from scanner.kernel.known import stored_columns
from scanner.kernel.rows import KnownSpec, Trust
from scanner.model import Path, is_below
from scanner.mounts import filesystem_type
from scanner.options import DEFAULTS, SELECTING, ScanOptions

ENTERING = (
    "followlinks", "one_file_system", "one_mount", "skip_fs", "exclude", "exclude_from", "gitignore", "ignore_files",
    "ignore_case", "exclude_if_present", "exclude_caches", "hidden", "max_depth", "detect_loops",
)  # fmt: skip
"""Options that decide which directories are entered: the same for all snapshots of a store."""
BESIDE = "-wal", "-shm", "-journal"
"""What SQLite appends to the names of files beside a database."""


NUMBERED = frozenset(["ext2", "ext3", "ext4", "btrfs", "zfs"])
"""File systems whose number (f_fsid) is derived from one that is kept on the disk."""


class Settings(NamedTuple):
    """Settings of a store. `unreliable`: number of the snapshot that showed that directory times mean nothing here."""

    columns: tuple[str, ...]
    options: dict[str, str]
    unreliable: int | None = None

    def trust(self, wanted: Trust) -> Trust:
        """Return `nothing` if directory times mean nothing here, otherwise `wanted`."""
        return wanted if self.unreliable is None else "nothing"

    @classmethod
    def of(cls, database: sqlite3.Connection) -> Settings | None:
        """Return the settings of a store; None if it is new."""
        try:
            found = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM store")}
            if not found:
                return None
            columns, options = map(str, found["columns"]), {str(k): str(v) for k, v in found["options"].items()}
            return cls(tuple(columns), options, found.get("unreliable"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"the settings of the store are damaged ({error}): use another store") from error


def found_store(database: sqlite3.Connection, roots: Sequence[Path], options: ScanOptions) -> Settings:
    """Write the settings of a new store, and return them."""
    rows = [(number, os.fsencode(root), place_of(root), *identity(root)) for number, root in enumerate(roots)]
    database.executemany("INSERT INTO roots VALUES (?, ?, ?, ?, ?, ?, 0)", rows)
    columns = stored_columns(options.fields)
    settings = Settings(columns, entering(options, columns))
    values = [(name, json.dumps(getattr(settings, name))) for name in ("columns", "options")]
    database.executemany("INSERT INTO store VALUES (?, ?)", values)
    return settings


def refuse_others(
    path: str, database: sqlite3.Connection, settings: Settings, roots: Sequence[Path], options: ScanOptions
) -> None:
    """Raise OptionError or StoreError unless the store is of these roots and options."""
    known = list(database.execute("SELECT place, inode, kind, filesystem FROM roots ORDER BY number"))
    refuse_other_roots(path, [place for place, *_ in known], roots)
    for number, ((_, *before), root) in enumerate(zip(known, roots, strict=True)):
        found = identity(root)
        refuse_other_root(root, Identity(*before), found)
        values = os.fsencode(root), *(found if found.inode else before), number
        database.execute("UPDATE roots SET path = ?, inode = ?, kind = ?, filesystem = ? WHERE number = ?", values)
    now = entering(options, settings.columns)
    for name in (*ENTERING, *SELECTING):
        before, here = (values.get(name, repr(DEFAULTS[name])) for values in (settings.options, now))
        if before != here:
            raise OptionError(
                f"store {path!r} was made {in_words(name, before)}, this scan is {in_words(name, here)}: "
                "use the same, or another store"
            )


def in_words(name: str, value: str) -> str:
    """Return in words what an option is: `with exclude '*.o'`, `without followlinks`."""
    if value == repr(DEFAULTS[name]):
        return f"without {name}"
    if value == "True":
        return f"with {name}"
    contents = re.sub(r"PatternFile\(name=(.*?), content=.*?\)(?=[,)])", r"\1 with this content", value)
    return f"with {name} {contents.strip('()[]').rstrip(',')}"


def refuse_other_roots(path: str, known: Sequence[bytes], roots: Sequence[Path]) -> None:
    """Raise OptionError unless these are the roots that the store at `path` knows."""
    if list(known) != list(map(place_of, roots)):
        raise OptionError(f"store {path!r} is of {', '.join(map(shown, known))}: give the same ROOTs, or another store")


def place_of(root: Path) -> bytes:
    """Return the absolute path of a root: how it was given depends on the working directory."""
    return os.path.abspath(os.fsencode(root))


class Identity(NamedTuple):
    """What a root is. `filesystem`: number of its file system where that is kept on its disk; 0: unknown."""

    inode: int
    kind: str
    filesystem: int


def identity(root: Path) -> Identity:
    """Return what a root is. An unreadable root has inode 0."""
    kind = filesystem_type(root)
    try:
        inode = os.stat(root).st_ino
        filesystem = os.statvfs(root).f_fsid if kind in NUMBERED else 0
    except OSError:
        inode = filesystem = 0
    return Identity(as_signed(inode), kind, as_signed(filesystem))


def refuse_other_root(root: Path, before: Identity, now: Identity) -> None:
    """Raise StoreError if a root is on another file system than before, or another directory: it may not be mounted."""
    if 0 in (before.inode, now.inode) or before == now:
        return
    if before.kind != now.kind:
        what = f"{now.kind} where {before.kind} was"
    elif before.filesystem != now.filesystem:
        what = f"another {now.kind} than before"
    elif before.inode != now.inode and now.kind in RELIABLE:  # elsewhere it may change with each mount
        what = f"inode {now.inode} where {before.inode} was"
    else:
        return
    message = f"{shown(os.fsencode(root))} is another directory than in the store ({what})"
    raise StoreError(f"{message}: is it mounted? Otherwise use another store", "unmounted")


def shown(path: bytes) -> str:
    """Return a path for messages."""
    return repr(printable(utf8_text(path)))


def entering(options: ScanOptions, columns: Sequence[str]) -> dict[str, str]:
    """Return the options that must be the same for all snapshots, as text, without those that have their default."""
    names: tuple[str, ...] = (*ENTERING, *SELECTING) if columns else ENTERING  # selected entries have columns
    if not options.followlinks:
        names = tuple(name for name in names if name != "detect_loops")
    return {name: repr(getattr(options, name)) for name in names if getattr(options, name) != DEFAULTS[name]}


def with_snapshot(options: ScanOptions, spec: KnownSpec, roots: Sequence[Path]) -> ScanOptions:
    """Return the options for a scan with a store: the fields that are stored are fetched as well, and the files that
    SQLite keeps beside the store during the scan are not part of the tree.
    """
    fields = {*fields_of(options.stat), *spec.columns}
    own = options.own
    folder = os.path.realpath(os.path.dirname(spec.store))
    if options.followlinks or any(is_below(folder, os.path.realpath(os.fsdecode(root))) for root in roots):
        own += tuple(os.path.basename(spec.store) + suffix for suffix in BESIDE)
    return options._replace(known=spec, stat=tuple(name for name in FIELDS if name in fields), own=own)
