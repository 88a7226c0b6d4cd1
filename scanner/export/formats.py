"""Formats of outputs: what the options select, and what workers make for it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from scanner.errors import OptionError
from scanner.export.output import STDOUT
from scanner.fields import COLUMNS, FIELDS, NAMED, OUTPUT_FIELDS, worker_fields
from scanner.options import ProducerSpec

SUFFIXES = {
    ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".db": "sqlite", ".ncdu": "ncdu", ".folded": "folded", ".jsonlines": "ndjson",
    ".ldjson": "ndjson",
}  # fmt: skip
FORMATS = ("paths", "ndjson", "csv", "parquet", "sqlite", "ncdu", "folded")
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}
UNCOMPRESSED = ("parquet", "sqlite")  # parquet compresses itself
WITH_FIELDS = ("ndjson", "csv", "parquet", "sqlite")
USUAL_FIELDS = ("type", "size", "mtime_ns")
NCDU_FIELDS = ("size", "blocks", "mode", "uid", "gid", "ino", "dev", "nlink", "mtime_ns")
SIZES_FIELDS = ("size", "blocks", "mode", "ino", "dev", "nlink")
DERIVED = {"mtime": "mtime_ns", "ctime": "ctime_ns", "atime": "atime_ns"}
MAX_WIDTH = 4096  # characters of a field of a template
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
"""Suffixes of formats that are not written here: the file would not be what its name says."""


class OutputSpec(NamedTuple):
    """One output: its file (None: standard output), format and fields, and the producer of its bytes in workers.

    `trailer`: whether it ends with a record of the scan. `lines`: form and arguments of lines that the coordinator
    formats, because they hold names of owners or groups.
    """

    path: str | None
    format: str
    compression: str | None
    fields: tuple[str, ...]
    producer: ProducerSpec
    trailer: bool = False
    lines: tuple[Any, ...] = ()


def output_specs(
    paths: Sequence[str], format: str | None, fields: str | None, template: str | None, end: bytes, roots: int, *,
    trailer: bool = False,
) -> list[OutputSpec]:  # fmt: skip
    """Return the outputs that the options select, by `format` or by the suffix of each path. Raises OptionError."""
    specs = [_spec(None if path == "-" else path, format, fields, template, end, roots) for path in paths or ["-"]]
    if fields is not None and not any(spec.format in WITH_FIELDS for spec in specs):
        raise OptionError(f"--fields is for {', '.join(WITH_FIELDS)}, not for {specs[0].format}")
    if not trailer:
        return specs
    if not any(spec.format == "ndjson" for spec in specs):
        raise OptionError(
            f"--trailer is for ndjson, not for {specs[0].format}; sqlite and parquet always have a record"
        )
    return [spec._replace(trailer=spec.format == "ndjson") for spec in specs]


def _spec(
    path: str | None, given: str | None, fields: str | None, template: str | None, end: bytes, roots: int
) -> OutputSpec:
    inner, suffix = suffixes_of(path or "")
    compression = COMPRESSIONS.get(suffix)
    kind = inner if compression else suffix
    format = given or SUFFIXES.get(kind, "paths")
    refuse_suffix(f"-o {path!r}", kind, OTHER_COMPRESSIONS.union(COMPRESSIONS))
    if template is not None:
        if given is not None:
            raise OptionError("--template and --format: give only one of them")
        format = "template"
    elif given is None:
        if kind in JSON:
            raise OptionError(f"-o {path!r}: several formats are JSON; give --format ndjson or --format ncdu")
        refuse_suffix(f"-o {path!r}", kind, OTHER_FORMATS)
    if format in UNCOMPRESSED and compression:
        raise OptionError(f"-o {path!r}: {format} is not compressed again; remove the suffix {suffix}")
    if format == "sqlite" and path is None:
        raise OptionError("--format sqlite needs a file: -o FILE")
    if format == "ncdu" and roots > 1:
        raise OptionError("--format ncdu takes one ROOT: its file holds one tree")
    if end == b"\0" and format not in ("paths", "template"):
        raise OptionError(f"-0 is for paths and --template, not for {format}")
    selected = USUAL_FIELDS if fields is None else parse_fields(fields)
    on_terminal = end != b"\0" and is_terminal(path)  # as in find: -print0 does not escape names
    spec = OutputSpec(path, format, compression, *_fields_and_producer(format, selected, template, end, on_terminal))
    if spec.producer.kind != "text" or NAMED.keys().isdisjoint(spec.fields):
        return spec
    return spec._replace(producer=ProducerSpec("exact", (worker_fields(spec.fields),)), lines=spec.producer.arguments)


def is_terminal(path: str | None) -> bool:
    """Return whether an output goes to a terminal, which interprets control characters in names."""
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
    """Return the last two suffixes of a file name in lower case, empty if missing: `.csv` has the suffix .csv."""
    _, *suffixes = os.path.basename(path).lower().split(".")
    inner, last = ["", "", *("." + suffix for suffix in suffixes)][-2:]
    return inner, last


def refuse_suffix(option: str, suffix: str, refused: Collection[str]) -> None:
    """Raise OptionError for a suffix of a format that is not written here."""
    if suffix in refused:
        raise OptionError(
            f"{option}: {suffix} is not supported; use one of {', '.join(SUFFIXES)}, compressed "
            f"{', '.join(COMPRESSIONS)}, or another suffix for plain paths"
        )


def parse_fields(text: str) -> tuple[str, ...]:
    """Return the fields of --fields, without the path: it is always written. Raises OptionError."""
    names = {name.strip() for name in text.split(",")} - {"path"}
    if "all" in names:
        names = (names - {"all"}).union(FIELDS)
    if not names <= set(OUTPUT_FIELDS):
        raise OptionError(f"--fields {text!r}: must be of all, path, {', '.join(OUTPUT_FIELDS)}")
    return tuple(name for name in OUTPUT_FIELDS if name in names)


def _fields_and_producer(
    format: str, fields: tuple[str, ...], template: str | None, end: bytes, on_terminal: bool
) -> tuple[tuple[str, ...], ProducerSpec]:
    """`on_terminal`: on a terminal."""
    if format == "paths":
        escaped = ("template", (), "{path}", end.decode(), True)
        return (), ProducerSpec("text", escaped) if on_terminal else ProducerSpec("paths", (end,))
    if format == "template":
        text, needed = parse_template(template or "")
        return needed, ProducerSpec("text", ("template", needed, text, end.decode(), on_terminal))
    if format == "csv":
        return fields, ProducerSpec("text", (format, fields, on_terminal))
    if format == "ndjson":
        return fields, ProducerSpec("text", (format, fields))
    if format == "ncdu":
        return NCDU_FIELDS, ProducerSpec("ncdu", (on_terminal,))
    if format == "folded":
        return SIZES_FIELDS, ProducerSpec("sizes", (None, False))
    return fields, ProducerSpec("table", (worker_fields(fields),))


def parse_template(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the template with its escapes replaced, and the fields that it needs. Raises OptionError."""
    names = ("path", "name", "parent", *DERIVED, *OUTPUT_FIELDS)
    text = re.sub(r"\\([nt0\\])", lambda match: ESCAPES[match[1]], text)
    try:
        from string import Formatter  # not needed otherwise

        parts = [(name, spec or "") for _, name, spec, _ in Formatter().parse(text) if name is not None]
        used = [name for name, _ in parts]
        wrong = next((name for name in used if name not in names), None)
        if wrong is not None:
            raise OptionError(f"--template: {{{wrong}}} is not a field; the fields are {', '.join(names)}")
        if any("{" in spec for _, spec in parts):
            raise ValueError("a format holds another field")
        if any(spec.endswith("c") for _, spec in parts):
            raise ValueError("values are not characters")
        if any(int(number) > MAX_WIDTH for _, spec in parts for number in re.findall(r"\d+", spec)):
            raise ValueError(f"the largest width is {MAX_WIDTH:,}")
        text.format(**{name: 0 if name in COLUMNS else "" for name in names})
    except (ValueError, IndexError, KeyError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"--template {text!r} is not valid: {error}") from error
    needed = {DERIVED.get(name, name) for name in used}
    return text, tuple(name for name in OUTPUT_FIELDS if name in needed)


def missing_extra(extra: str, feature: str) -> OptionError:
    """Return the error for a feature whose optional dependencies are not installed."""
    return OptionError(f"{feature} requires an optional dependency: pip install 'parallel-scanner[{extra}]'")


def require_extra(extra: str, feature: str, *modules: str) -> None:
    """Raise OptionError unless all `modules` are installed. Does not import them."""
    from importlib.util import find_spec  # not needed otherwise

    if any(find_spec(module) is None for module in modules):
        raise missing_extra(extra, feature)
