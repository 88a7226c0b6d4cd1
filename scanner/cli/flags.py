"""The options of the commands, in groups. Their names in the Namespace are those of ScanOptions."""

from __future__ import annotations

import argparse

from scanner.cli.du_flags import add_link_options
from scanner.export.formats import FORMATS, USUAL_FIELDS
from scanner.fields import FIELDS, OUTPUT_FIELDS
from scanner.options import BACKENDS, MAX_DEPTH, MAX_HUNG, MAX_IN_FLIGHT, MAX_WORKERS, START_METHODS, TRUSTS
from scanner.units import A_DURATION, seconds_of

DIR_TIMEOUT = 60  # seconds


def add_report_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="print the report as JSON")
    group.add_argument(
        "--sizes", action="store_true",
        help="report sizes: totals, the largest, by size, age, suffix and owner (takes about twice as long)",
    )  # fmt: skip


def add_list_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("output")
    group.add_argument(
        "-o", "--output", metavar="FILE", action="append", default=[],
        help="write to FILE, whole or not at all; - is standard output (may be repeated: several from one scan)",
    )  # fmt: skip
    group.add_argument(
        "--format", type=str.lower, choices=FORMATS, metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: by the suffix of FILE, or paths)",
    )  # fmt: skip
    group.add_argument(
        "--fields", metavar="NAMES",
        help=f"fields of ndjson, csv, parquet, sqlite: {','.join(FIELDS)}, or all of these; also "
        f"{','.join(OUTPUT_FIELDS[len(FIELDS) :])} "
        f"(default: {','.join(USUAL_FIELDS)})",
    )  # fmt: skip
    group.add_argument(
        "--template", metavar="TEXT",
        help="print TEXT for each entry, such as '{size:>12} {mtime} {path}'; also {name}, {parent} and all fields; "
        "\\t, \\n, \\0",
    )  # fmt: skip
    group.add_argument("-0", "--null", action="store_true", help="end each path with a NUL instead of a newline")
    group.add_argument(
        "--trailer", action="store_true",
        help="end ndjson with a record of the scan: {\"scan\": {roots, host, times, outcome, unreadable directories}}",
    )  # fmt: skip


def add_treemap_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("output")
    group.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="write to FILE, whole or not at all: .svg or .html"
    )
    group.add_argument(
        "--most", type=int, metavar="N", default=1000,
        help="draw at most the N largest directories (default: 1000); smaller ones are part of their parent",
    )  # fmt: skip


def add_filter_options(command: argparse.ArgumentParser, *, max_depth: bool = True) -> None:
    """Add options that exclude or select entries, without --max-depth where the command has its own."""
    group = command.add_argument_group("exclude (excluded directories are not opened)")
    group.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[],
        help="exclude matches, as in a .gitignore in ROOT (may be repeated; !PATTERN includes again)",
    )  # fmt: skip
    group.add_argument(
        "--exclude-from", metavar="FILE", action="append", default=[],
        help="exclude matches of the patterns in FILE (may be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--gitignore", action="store_true",
        help="exclude entries that git ignores, by all .gitignore files, also those above ROOT; and .git itself",
    )  # fmt: skip
    group.add_argument(
        "--ignore-file", dest="ignore_files", metavar="NAME", action="append", default=[],
        help="read patterns also from files of this name; they override .gitignore (may be repeated)",
    )  # fmt: skip
    group.add_argument("--ignore-case", action="store_true", help="match patterns without regard to case")
    group.add_argument(
        "--exclude-if-present", metavar="NAME", action="append", default=[],
        help="do not enter directories that contain an entry NAME (may be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--exclude-caches", action="store_true", help="do not enter directories with a valid CACHEDIR.TAG"
    )
    group.add_argument("--no-hidden", dest="hidden", action="store_false", help="exclude names that begin with a dot")
    if max_depth:
        group.add_argument(
            "--max-depth", type=int, metavar="N",
            help=f"exclude entries more than N levels below ROOT (default: {MAX_DEPTH:,}, deeper ones are errors)",
        )  # fmt: skip
    group = command.add_argument_group("select (directories are entered all the same)")
    group.add_argument(
        "--include", metavar="PATTERN", action="append", default=[],
        help="select matches, as in a .gitignore, and all entries in directories that match (may be repeated)",
    )  # fmt: skip
    group.add_argument("--min-depth", type=int, metavar="N", default=0, help="select levels from N below ROOT")
    group.add_argument(
        "--type", dest="types", metavar="TYPES", default=(),
        help="select only f (files), d (directories), l (symlinks), p (pipes), s (sockets), b, c (devices): f,l",
    )  # fmt: skip
    group.add_argument(
        "--size", metavar="SIZE", action="append", default=[],
        help="select only files of at least +1M, at most -10K, or exactly 512 bytes (may be repeated)",
    )  # fmt: skip
    when = "a date (2026-11-23, 2026-11-23T14:30), an age (7d, 12h, 1y), or a file, for its modification time"
    group.add_argument("--newer", metavar="WHEN", help=f"select only entries modified after WHEN: {when}")
    group.add_argument("--older", metavar="WHEN", help="select only entries not modified after WHEN")
    for time, done in (("atime", "accessed"), ("ctime", "changed in content or status (owner, mode, links)")):
        group.add_argument(f"--newer-{time}", metavar="WHEN", help=f"select only entries {done} after WHEN")
        group.add_argument(f"--older-{time}", metavar="WHEN", help=f"select only entries not {done} after WHEN")
    for option, what, example in (("--owner", "user", "alice,1000"), ("--group", "group", "staff,1000")):
        group.add_argument(
            option, metavar="NAMES", type=_names, default=[], action="extend",
            help=f"select only entries of one of these {what}s, by name or number: {example}; !NAME: of others",
        )  # fmt: skip
    group.add_argument(
        "--perm", metavar="MODE", action="append", default=[],
        help="select only entries with mode 644 (exactly), with all bits of -u+s, or any bit of /022, as find -perm "
        "(may be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--links", metavar="N", action="append", default=[],
        help="select only entries with N names (hard links), +N: more, -N: fewer, as find -links (may be repeated)",
    )  # fmt: skip
    group.add_argument("--empty", action="store_true", help="select only empty files and empty directories")


def add_traversal_options(command: argparse.ArgumentParser, *, follows_roots: bool = True) -> None:
    """Add options that decide which directories are entered. `follows_roots`: whether ROOTs are always followed."""
    group = command.add_argument_group("traversal")
    if follows_roots:
        group.add_argument(
            "-L", "--follow-links", "--followlinks", dest="followlinks", action="store_true",
            help="enter directories that symlinks point to, except those that lead to a directory above themselves",
        )  # fmt: skip
    else:
        add_link_options(group)
    group.add_argument(
        "-x", "--one-file-system", action="store_true",
        help="do not enter other file systems than that of ROOT, as find -xdev and du -x; mount points are listed",
    )  # fmt: skip
    group.add_argument(
        "--one-mount", action="store_true",
        help="do not enter any mount point below ROOT, not even a bind mount of the same file system",
    )  # fmt: skip
    group.add_argument(
        "--skip-fs", metavar="TYPES", type=_names, default=[], action="extend",
        help="do not enter file systems of these types mounted below ROOT: nfs4,autofs,proc (may be repeated)",
    )  # fmt: skip


def add_estimate_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command `estimate`."""
    command.add_argument("root", metavar="ROOT", nargs="?", help="the directory to estimate (not needed with --from)")
    command.add_argument(
        "--seconds", metavar="N", type=float, default=60.0, help="time to spend (default: 60): more makes it more exact"
    )
    command.add_argument("--json", action="store_true", help="print a JSON document")
    command.add_argument(
        "--from", dest="source", metavar="STORE[@SNAPSHOT]", help="print the figures of a snapshot, and read nothing"
    )


def add_limit_options(command: argparse.ArgumentParser, *, whole: bool = True) -> None:
    """Add limits of time. `whole`: also of a whole scan."""
    group = command.add_argument_group("time limits")
    if whole:
        group.add_argument(
            "--timeout", type=_duration, metavar="TIME",
            help="stop after this time (90, 15min, 1.5h), report what was found, exit with code 75",
        )  # fmt: skip
    group.add_argument(
        "--between", metavar="HOURS",
        help="read only within these hours of a day, in local time: 20:00-06:00. At their end, pause until they begin; "
        "with --store, exit with code 75",
    )  # fmt: skip
    group.add_argument(
        "--dir-timeout", type=_duration, metavar="TIME", default=DIR_TIMEOUT,
        help=f"give up a directory that does not answer within this time (default: {DIR_TIMEOUT} s); 0: never",
    )  # fmt: skip
    group.add_argument(
        "--max-hung", type=int, metavar="N", default=MAX_HUNG,
        help=f"skip the rest of a mount after N directories of it did not answer (default: {MAX_HUNG}); 0: never",
    )  # fmt: skip


def add_performance_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("performance")
    group.add_argument(
        "--workers", "--max-workers", dest="max_workers", type=int, metavar="N",
        help=f"worker processes, or threads until processes start, 1 to {MAX_WORKERS} (default: one per processor)",
    )  # fmt: skip
    group.add_argument(
        "--backend", choices=BACKENDS, default="auto",
        help="serial: this process only; pool: worker processes; auto: this process and its threads first, worker "
        "processes once the tree proves large (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--start-method", choices=START_METHODS,
        help="how to start worker processes (default: fork on Linux, the fastest)",
    )  # fmt: skip
    group.add_argument(
        "--max-in-flight", type=int, metavar="N", default=MAX_IN_FLIGHT,
        help="limit of concurrent directory reads in all workers, on slow file systems; the number in use is found by "
        f"measuring (default: {MAX_IN_FLIGHT})",
    )  # fmt: skip
    group.add_argument("--max-rate", type=float, metavar="N", help="send at most N requests a second to file systems")
    group.add_argument(
        "--nice", action="store_true", help="lower the processor priority, and use the lowest I/O priority"
    )


def add_cluster_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("cluster (see docs/cluster.md)")
    group.add_argument(
        "--dask", metavar="ADDRESS",
        help="run on the workers of a Dask cluster: the address of its scheduler, tcp://HOST:8786, or a scheduler file",
    )  # fmt: skip
    group.add_argument(
        "--dask-workers", type=int, metavar="N", help="begin once N workers are there (default: 1); more may join later"
    )


def add_snapshot_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("snapshots (see docs/snapshots.md)")
    add_store_options(group)
    group.add_argument(
        "--from", dest="source", metavar="STORE[@SNAPSHOT]",
        help="read a snapshot instead of the tree: 41, -1 (the newest), -7d, 2026-11-28; ROOT may be a directory in it",
    )  # fmt: skip


def add_store_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--store", metavar="FILE",
        help="add a snapshot to FILE, and read only directories that changed; an interrupted scan is continued",
    )  # fmt: skip
    group.add_argument(
        "--trust", choices=TRUSTS,
        help="what unchanged times of a directory vouch for: names, files (also metadata: for files that are written "
        "once), or nothing (default: names)",
    )  # fmt: skip
    group.add_argument(
        "--recheck", metavar="SHARE", type=_share, default=0.0,
        help="read also this share of the unchanged directories, others each time, as a check: 1%%",
    )  # fmt: skip
    group.add_argument(
        "--changed", metavar="FILE",
        help="read only directories in which FILE names a changed path (- is stdin; separated by newlines or NULs)",
    )  # fmt: skip
    group.add_argument("--restart", action="store_true", help="do not continue an interrupted scan")
    group.add_argument("--keep", metavar="N", type=int, help="then remove all but the newest N snapshots")
    group.add_argument(
        "--keep-within", metavar="TIME", type=_duration, help="then remove snapshots that are older: 90d"
    )


def add_snapshots_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command `snapshots`."""
    command.add_argument("store", metavar="STORE", help="a file that scans with --store have made")
    action = command.add_mutually_exclusive_group()
    action.add_argument("--json", action="store_true", help="print the table as JSON")
    action.add_argument("--check", action="store_true", help="check the file, and every row (exit code 1 if damaged)")
    action.add_argument(
        "--prune", action="store_true", help="remove snapshots that --keep and --keep-within do not keep"
    )
    action.add_argument("--export", metavar=("SNAPSHOT", "FILE"), nargs=2, help="write one snapshot into a new store")
    command.add_argument("--keep", metavar="N", type=int, help="with --prune: keep the newest N")
    command.add_argument(
        "--keep-within", metavar="TIME", type=_duration, help="with --prune: keep those not older: 90d"
    )


def add_diff_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command `diff`."""
    from scanner.report.changes import BY, SORTS  # not needed by the other commands

    command.add_argument("store", metavar="STORE[@SNAPSHOT]", help="a file that scans with --store have made")
    command.add_argument(
        "snapshots", metavar="SNAPSHOT|NEW", nargs="*",
        help="which snapshots, as in --from (default: -2 -1), or another store",
    )  # fmt: skip
    command.add_argument("--live", metavar="ROOT", help="compare a snapshot with the tree as it is now")
    command.add_argument(
        "--itemize", action="store_true", help="print each change, a directory with all below it as one"
    )
    command.add_argument(
        "--by", choices=BY, default="directory", help="what to sum the changes by (default: directory)"
    )
    command.add_argument("--depth", metavar="N", type=int, default=1, help="levels of directories (default: 1)")
    command.add_argument("--top", metavar="N", type=int, help="print the first N only")
    command.add_argument("--sort", choices=SORTS, default="growth", help="(default: growth, in either direction)")
    _add_rule_option(command)
    command.add_argument("--json", action="store_true", help="print a JSON document")
    command.add_argument(
        "-o", dest="output", metavar="FILE", action="append", default=[],
        help="write to FILE; its suffix selects the format: .txt, .json, .ndjson, .csv, .parquet, .md, .xml "
        "(JUnit); may be repeated",
    )  # fmt: skip
    command.add_argument("-q", "--quiet", action="store_true", help="no messages about outputs")


def add_nightly_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command `nightly` that no other command has, and those of the store."""
    group = command.add_argument_group("nightly")
    group.add_argument("--to", metavar="DIR", help="write the pages to DIR (default: the directory of the store)")
    group.add_argument("--name", metavar="NAME", help="name in the line and on the page (default: that of ROOT)")
    group.add_argument(
        "--config", metavar="FILE",
        help="read options from a TOML file, for one tree or several: [trees.NAME] with roots, store, ...; options of "
        "the command line override it",
    )  # fmt: skip
    _add_rule_option(group)
    group.add_argument(
        "--depth", metavar="N", type=int, default=2, help="levels of directories that growth is summed by (default: 2)"
    )
    group.add_argument(
        "--keep-pages", metavar="N", type=int, default=30, help="keep the dated pages of N nights (default: 30)"
    )
    group.add_argument("--prom", metavar="FILE", help="write the metrics to FILE (default: latest.prom in DIR)")
    group.add_argument(
        "--ping", metavar="URL",
        help="send pings: URL/start, then URL if the night was good, or URL/fail (exit code 3 and more)",
    )  # fmt: skip
    group.add_argument("--quiet-ok", action="store_true", help="print nothing if all is well")
    group.add_argument(
        "--lock-wait", metavar="TIME", type=_duration, default=0.0,
        help="wait for another scan that uses the store, at most this long (default: 0)",
    )  # fmt: skip
    install = group.add_mutually_exclusive_group()
    install.add_argument(
        "--install-cron", action="store_true", help="print the line for crontab that does the same each night"
    )
    install.add_argument(
        "--install-systemd", action="store_true",
        help="print a script that installs a service and a timer that do the same each night",
    )  # fmt: skip
    group.add_argument(
        "--at",
        metavar="HH:MM",
        default="02:10",
        help="with --install-cron and --install-systemd: when (default: 02:10)",
    )
    add_store_options(command.add_argument_group("snapshots (see docs/snapshots.md)"))


def _add_rule_option(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--fail-if", metavar="RULE", action="append", default=[],
        help="exit with code 4 if RULE holds: 'growth > 10G', 'growth > 5%%', 'removed in src > 1000'; @FILE has one a "
        "line; may be repeated",
    )  # fmt: skip


def add_message_options(command: argparse.ArgumentParser, *, files: bool = True) -> None:
    """Add options about messages, and those that write files."""
    group = command.add_argument_group("messages and reports" if files else "messages")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress and no errors on stderr")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="print all errors on stderr, not only the first few"
    )
    if files:
        group.add_argument("--errors", metavar="FILE", help="write all errors to FILE, one JSON object a line (NDJSON)")
        group.add_argument(
            "--report", metavar="FILE", action="append", default=[],
            help="write a report of the scan to FILE: .json, .md or .html, by its suffix (may be repeated)",
        )  # fmt: skip
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=None,
        help="show progress on stderr, if it is a terminal (default: yes)",
    )  # fmt: skip


def add_check_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("checks (exit code 1 if one fails)")
    group.add_argument(
        "--expect-fs", metavar="TYPES", type=_names, default=[], action="extend",
        help="require each ROOT to be on a file system of one of these types, as in /proc/mounts: nfs4,xfs",
    )  # fmt: skip
    group.add_argument(
        "--min-entries", metavar="N", type=int, default=0, help="require at least N entries in all ROOTs together"
    )


def _duration(text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not {A_DURATION} (without a unit: seconds)")
    return seconds


def _share(text: str) -> float:
    """Parse `1%` or 0.01."""
    number = text.removesuffix("%")
    try:
        return float(number) / (100 if number != text else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, such as 1% or 0.01") from None


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a comma-separated list of names")
    return names
