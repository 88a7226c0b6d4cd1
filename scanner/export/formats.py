"""Which format an output has, and what workers are to make for it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from scanner.errors import OptionError
from scanner.fields import COLUMNS, FIELDS, fields_of
from scanner.options import SinkSpec

SUFFIXES = {
    ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".db": "sqlite", ".ncdu": "ncdu", ".folded": "folded",
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
ESCAPES = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\"}


class Target(NamedTuple):
    """One output: a file (None: standard output), its format, what is asked, and what workers make for it."""

    path: str | None
    format: str
    compression: str | None
    fields: tuple[str, ...]
    sink: SinkSpec


def targets_of(
    paths: Sequence[str], format: str | None, fields: str | None, template: str | None, end: bytes, roots: int
) -> list[Target]:
    """As the flags say: `format`, or else the suffix of each path. Raises OptionError."""
    made = [_target(None if path == "-" else path, format, fields, template, end, roots) for path in paths or ["-"]]
    if fields is not None and not any(target.format in WITH_FIELDS for target in made):
        raise OptionError(f"--fields is for {', '.join(WITH_FIELDS)}, not for {made[0].format}")
    return made


def _target(
    path: str | None, given: str | None, fields: str | None, template: str | None, end: bytes, roots: int
) -> Target:
    stem, suffix = os.path.splitext(path or "")
    compression = COMPRESSIONS.get(suffix)
    format = given or SUFFIXES.get(os.path.splitext(stem)[1] if compression else suffix, "paths")
    if template is not None:
        if given is not None:
            raise OptionError("--template and --format: choose one of them")
        format = "template"
    elif given is None and (stem if compression else path or "").endswith(".json"):
        raise OptionError(f"-o {path!r}: there are several kinds of JSON; say --format ndjson or --format ncdu")
    if format in WHOLE and compression:
        raise OptionError(f"-o {path!r}: {format} is not to be compressed once more; leave out the {suffix}")
    if format == "sqlite" and path is None:
        raise OptionError("--format sqlite needs a file: -o FILE")
    if format == "ncdu" and roots > 1:
        raise OptionError("--format ncdu takes one ROOT: its tree has one")
    if end == b"\0" and format not in ("paths", "template"):
        raise OptionError(f"-0 is for paths and --template, not for {format}")
    wanted = USUAL_FIELDS if fields is None else FIELDS if fields == "all" else fields_of_flag(fields)
    return Target(path, format, compression, *_made(format, wanted, template, end))


def fields_of_flag(text: str) -> tuple[str, ...]:
    """The path is always there, and may be named."""
    names = [name.strip() for name in text.split(",")]
    try:
        return fields_of([name for name in names if name != "path"])
    except OptionError as error:
        raise OptionError(f"--fields {text!r}: must be all, or of path, {', '.join(FIELDS)}") from error


def _made(format: str, fields: tuple[str, ...], template: str | None, end: bytes) -> tuple[tuple[str, ...], SinkSpec]:
    if format == "paths":
        return (), SinkSpec("paths", (end,))
    if format == "template":
        text, asked = template_of(template or "")
        return asked, SinkSpec("text", ("template", asked, text, end.decode()))
    if format in ("ndjson", "csv"):
        return fields, SinkSpec("text", (format, fields))
    if format == "ncdu":
        return NCDU_FIELDS, SinkSpec("ncdu")
    if format == "folded":
        return SIZES_FIELDS, SinkSpec("sizes", (None, False))
    return fields, SinkSpec("table", (fields,))


def template_of(text: str) -> tuple[str, tuple[str, ...]]:
    """The template with its escapes replaced, and the fields it asks for. Raises OptionError."""
    names = ("path", "name", "parent", *DERIVED, *FIELDS)
    for escape, character in ESCAPES.items():
        text = text.replace(escape, character)
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
