"""Which format an output has, and what workers are to make for it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Sequence
from typing import NamedTuple

from scanner.errors import OptionError
from scanner.export.output import STDOUT
from scanner.fields import COLUMNS, FIELDS, fields_of
from scanner.options import SinkSpec

SUFFIXES = {
    ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".db": "sqlite", ".ncdu": "ncdu", ".folded": "folded", ".jsonlines": "ndjson",
    ".ldjson": "ndjson",
}  # fmt: skip
FORMATS = ("paths", "ndjson", "csv", "parquet", "sqlite", "ncdu", "folded")
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}
WHOLE = ("parquet", "sqlite")  # compressed themselves, or never
WITH_FIELDS = ("ndjson", "csv", "parquet", "sqlite")
USUAL_FIELDS = ("type", "size", "mtime_ns")
NCDU_FIELDS = ("size", "blocks", "mode", "uid", "gid", "ino", "dev", "nlink", "mtime_ns")
SIZES_FIELDS = ("size", "blocks", "mode", "ino", "dev", "nlink")
DERIVED = {"mtime": "mtime_ns", "ctime": "ctime_ns", "atime": "atime_ns"}
MOST_WIDE = 4096  # characters of a field of a template
ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
JSON = (".json", ".geojson", ".jsonld", ".har")
_PACKED = (
    ".xz .bz2 .bz .lz .lzma .lz4 .lzo .br .z .gzip .zstd .zip .7z .rar .tgz .tbz .tbz2 .txz .tzst .tar .cpio .sz "
    ".snappy .zlib .rz"
)
_DATA = (
    ".tsv .tab .psv .xls .xlsx .xlsm .xlsb .ods .xml .html .htm .xhtml .md .rst .tex .pdf .svg .png .yaml .yml .toml "
    ".ini .sql .feather .arrow .ipc .avro .orc .duckdb .ddb .mdb .accdb .dbf .h5 .hdf5 .hdf .nc .npy .npz .pkl .pickle "
    ".rds .rdata .dta .sav .msgpack .cbor .bson .proto .parq .pq .pqt .db3 .s3db .sl3 .sqlitedb .doc .docx .odt .rtf "
    ".geojsonl .json5 .jsonc .fods .odb .numbers .plist"
)
OTHER_COMPRESSIONS, OTHER_FORMATS = frozenset(_PACKED.split()), frozenset(_DATA.split())
"""Suffixes of formats that we do not write: a file of that name would not be what it says."""


class Target(NamedTuple):
    """One output: a file (None: standard output), its format, what is asked, and what workers make for it.

    `trailer`: whether it ends with a record of the scan.
    """

    path: str | None
    format: str
    compression: str | None
    fields: tuple[str, ...]
    sink: SinkSpec
    trailer: bool = False


def targets_of(
    paths: Sequence[str], format: str | None, fields: str | None, template: str | None, end: bytes, roots: int, *,
    trailer: bool = False,
) -> list[Target]:  # fmt: skip
    """As the flags say: `format`, or else the suffix of each path. Raises OptionError."""
    made = [_target(None if path == "-" else path, format, fields, template, end, roots) for path in paths or ["-"]]
    if fields is not None and not any(target.format in WITH_FIELDS for target in made):
        raise OptionError(f"--fields is for {', '.join(WITH_FIELDS)}, not for {made[0].format}")
    if not trailer:
        return made
    if not any(target.format == "ndjson" for target in made):
        raise OptionError(f"--trailer is for ndjson, not for {made[0].format}; sqlite and parquet always have a record")
    return [target._replace(trailer=target.format == "ndjson") for target in made]


def _target(
    path: str | None, given: str | None, fields: str | None, template: str | None, end: bytes, roots: int
) -> Target:
    inner, suffix = suffixes_of(path or "")
    compression = COMPRESSIONS.get(suffix)
    kind = inner if compression else suffix
    format = given or SUFFIXES.get(kind, "paths")
    refuse_other(f"-o {path!r}", kind, OTHER_COMPRESSIONS.union(COMPRESSIONS))
    if template is not None:
        if given is not None:
            raise OptionError("--template and --format: choose one of them")
        format = "template"
    elif given is None:
        if kind in JSON:
            raise OptionError(f"-o {path!r}: there are several kinds of JSON; say --format ndjson or --format ncdu")
        refuse_other(f"-o {path!r}", kind, OTHER_FORMATS)
    if format in WHOLE and compression:
        raise OptionError(f"-o {path!r}: {format} is not to be compressed once more; leave out the {suffix}")
    if format == "sqlite" and path is None:
        raise OptionError("--format sqlite needs a file: -o FILE")
    if format == "ncdu" and roots > 1:
        raise OptionError("--format ncdu takes one ROOT: its tree has one")
    if end == b"\0" and format not in ("paths", "template"):
        raise OptionError(f"-0 is for paths and --template, not for {format}")
    wanted = USUAL_FIELDS if fields is None else FIELDS if fields == "all" else fields_of_flag(fields)
    shown = end != b"\0" and is_terminal(path)  # as in find: with -print0, names are as they are
    return Target(path, format, compression, *_made(format, wanted, template, end, shown=shown))


def is_terminal(path: str | None) -> bool:
    """Whether an output goes to a terminal, which takes control characters in names for commands."""
    try:
        if path is None:
            return os.isatty(STDOUT)
        if not stat.S_ISCHR(os.stat(path).st_mode):
            return False
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # reported when it is opened for writing
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def suffixes_of(path: str) -> tuple[str, str]:
    """The last two suffixes of a file's name, in small letters; empty where there are none. A name may be a suffix."""
    _, *suffixes = os.path.basename(path).lower().split(".")
    inner, last = ["", "", *("." + suffix for suffix in suffixes)][-2:]
    return inner, last


def refuse_other(flag: str, suffix: str, others: Collection[str]) -> None:
    """Raise OptionError for a suffix that says another format than ours."""
    if suffix in others:
        raise OptionError(
            f"{flag}: {suffix} is not written here; the formats are {', '.join(SUFFIXES)}, compressed "
            f"{', '.join(COMPRESSIONS)}, and paths for other suffixes"
        )


def fields_of_flag(text: str) -> tuple[str, ...]:
    """The path is always there, and may be named."""
    names = [name.strip() for name in text.split(",")]
    try:
        return fields_of([name for name in names if name != "path"])
    except OptionError as error:
        raise OptionError(f"--fields {text!r}: must be all, or of path, {', '.join(FIELDS)}") from error


def _made(
    format: str, fields: tuple[str, ...], template: str | None, end: bytes, *, shown: bool
) -> tuple[tuple[str, ...], SinkSpec]:
    """`shown`: on a terminal."""
    if format == "paths":
        return (), SinkSpec("text", ("template", (), "{path}", end.decode(), True)) if shown else SinkSpec(
            "paths", (end,)
        )
    if format == "template":
        text, asked = template_of(template or "")
        return asked, SinkSpec("text", ("template", asked, text, end.decode(), shown))
    if format == "csv":
        return fields, SinkSpec("text", (format, fields, shown))
    if format == "ndjson":
        return fields, SinkSpec("text", (format, fields))
    if format == "ncdu":
        return NCDU_FIELDS, SinkSpec("ncdu", (shown,))
    if format == "folded":
        return SIZES_FIELDS, SinkSpec("sizes", (None, False))
    return fields, SinkSpec("table", (fields,))


def template_of(text: str) -> tuple[str, tuple[str, ...]]:
    """The template with its escapes replaced, and the fields it asks for. Raises OptionError."""
    names = ("path", "name", "parent", *DERIVED, *FIELDS)
    text = re.sub(r"\\([nt0\\])", lambda match: ESCAPES[match[1]], text)
    try:
        from string import Formatter  # not needed otherwise

        parts = [(name, spec or "") for _, name, spec, _ in Formatter().parse(text) if name is not None]
        used = [name for name, _ in parts]
        wrong = next((name for name in used if name not in names), None)
        if wrong is not None:
            raise OptionError(f"--template: {{{wrong}}} is no field; the fields are {', '.join(names)}")
        if any("{" in spec for _, spec in parts):
            raise ValueError("a field in the format of another")
        if any(spec.endswith("c") for _, spec in parts):
            raise ValueError("values are no characters")
        if any(int(number) > MOST_WIDE for _, spec in parts for number in re.findall(r"\d+", spec)):
            raise ValueError(f"a width beyond {MOST_WIDE:,} characters")
        text.format(**{name: 0 if name in COLUMNS else "" for name in names})
    except (ValueError, IndexError, KeyError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"--template {text!r} cannot be read: {error}") from error
    asked = {DERIVED.get(name, name) for name in used}
    return text, tuple(name for name in FIELDS if name in asked)
