"""`scanner nightly`: the arguments of each tree, from the command line and --config; what installs the job."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from scanner.cli import exits
from scanner.cli.main import in_terms_of_flags, options_from
from scanner.cli.night import NightlyJob
from scanner.cli.outputs import refuse_same_files
from scanner.cli.parser import Parser, make_parsers
from scanner.errors import OptionError
from scanner.nightly.config import arguments_of, read_config
from scanner.nightly.install import Job, cron_line, refuse_control_characters, systemd_script, this_program
from scanner.nightly.pages import LATEST, SUFFIXES, refuse_missing_libraries
from scanner.nightly.ping import Pinger
from scanner.options import MOMENTS
from scanner.report.data import shown
from scanner.report.rules import RuleCheck, rules_of
from scanner.snapshot.prune import refuse_no_snapshot

GRAVITY = [0, 1, exits.RULE_BROKEN, exits.OUT_OF_TIME, exits.NO_RESULT, exits.USAGE]
"""Exit codes of several trees: the gravest counts."""
LONGEST_NAME = 100  # characters


def nightly_command(args: argparse.Namespace, words: Sequence[str], interruption: exits.Interruption) -> int:
    trees = list(trees_of(vars(args)))
    for tree in trees:
        check(tree)
    refuse_shared_files(trees)
    for flag, text_of in (("install_cron", cron_line), ("install_systemd", systemd_script)):
        if flag in args:
            job = job_of(words, trees)
            refuse_control_characters(job)
            print(text_of(job), end="")
            return exits.COMPLETE
    codes = [NightlyJob(tree, interruption).run() for tree in trees]
    return max(codes, key=lambda code: GRAVITY.index(code) if code in GRAVITY else len(GRAVITY))


def trees_of(explicit: dict[str, Any]) -> Iterator[argparse.Namespace]:
    """Yield the arguments of each tree: those of the command line, then those of --config, then the defaults.

    `explicit`: what the command line sets.
    """
    path = explicit.get("config")
    shared, trees = ({}, {"": {}}) if path is None else read_config(path)
    if explicit.get("roots") and "" not in trees:
        raise OptionError(f"--config {path!r} names the ROOTs of its trees: give none on the command line")
    if len(trees) > 1 and (found := {"store", "name", "prom"} & explicit.keys()):
        raise OptionError(f"--{min(found)} cannot be the same for all trees of --config {path!r}")
    for name, keys in trees.items():
        where = f"--config {path!r}{f' [trees.{name}]' if name else ''}"
        parser: Parser = make_parsers(["nightly"])[1]["nightly"]
        parser.where = "" if path is None else f"{where}: "
        given = parser.parse_args(list(arguments_of(where, {**shared, **keys}, parser.options)))
        tree = argparse.Namespace(**{**vars(given), **explicit, "command": "scan"})
        if not tree.roots:
            raise OptionError("no ROOT: give one, or a --config with [trees.NAME] and roots")
        shares_to = len(trees) > 1 and ("to" in explicit or ("to" in shared and "to" not in keys))
        yield with_places(tree, name, shares_to=shares_to)


def with_places(args: argparse.Namespace, name: str, *, shares_to: bool) -> argparse.Namespace:
    """Fill in name, store and directory of the pages, where they are not given.

    `shares_to`: several trees have one --to: each gets a directory in it.
    """
    args.name = args.name or name
    if not args.name:
        args.name = ", ".join(map(name_of, args.roots))[:LONGEST_NAME]
    elif not is_name(args.name):
        raise OptionError(
            f"--name {args.name!r} must be a name of at most {LONGEST_NAME} printable characters, without /"
        )
    if args.store is not None and (args.store.endswith("/") or os.path.isdir(args.store)):
        raise OptionError(f"--store {args.store!r} is a directory: give a file in it")
    args.given = tuple(path for path in (args.store, args.to, args.prom) if path is not None)
    if args.to is None and args.store is None:
        raise OptionError("--store FILE is required: it keeps what later nights are compared with")
    if args.to is None:
        args.to = os.path.dirname(os.path.abspath(args.store))
    args.to = os.path.abspath(os.path.join(args.to, args.name) if shares_to else args.to)
    args.store = os.path.realpath(args.store or os.path.join(args.to, f"{args.name}.snap"))
    args.prom = os.path.abspath(args.prom or os.path.join(args.to, f"{LATEST}.prom"))
    return args


def name_of(root: str) -> str:
    return shown(os.path.basename(os.path.abspath(root))) or "root"


def is_name(text: str) -> bool:
    return text.isprintable() and "/" not in text and text not in (".", "..") and len(text) <= LONGEST_NAME


def check(args: argparse.Namespace) -> None:
    """Raise OptionError for wrong options, before anything is done."""
    refuse_missing_libraries()
    refuse_no_snapshot(args.keep, args.keep_within)
    Pinger(args.ping)
    RuleCheck(rules_of(args.fail_if), args.roots)
    if args.lock_wait < 0:
        raise OptionError("--lock-wait must be 0 or more")
    if args.keep_pages < 1 or args.depth < 0:
        raise OptionError("--keep-pages must be a whole number of 1 or more, and --depth one of 0 or more")
    try:
        options_from(args)
    except OptionError as error:
        raise OptionError(in_terms_of_flags(str(error))) from error


def refuse_shared_files(trees: Sequence[argparse.Namespace]) -> None:
    """Raise OptionError if two trees have one store or one directory of pages, or if an output is a store."""
    for name in ("store", "to"):
        paths = [getattr(tree, name) for tree in trees]
        if len(set(paths)) < len(paths):
            raise OptionError(f"--{name} {max(paths, key=paths.count)!r} is that of two trees: each needs its own")
    pages = [os.path.join(tree.to, LATEST + suffix) for tree in trees for suffix in SUFFIXES]
    outputs = {"--to": pages, "--prom": [tree.prom for tree in trees]}
    refuse_same_files(outputs, {}, [tree.store for tree in trees])


def job_of(words: Sequence[str], trees: Sequence[argparse.Namespace]) -> Job:
    """Return the job that does the same each night, without the options that install it."""
    at = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", trees[0].at)
    if at is None:
        raise OptionError(f"--at {trees[0].at!r} must be a time of day, such as 02:10")
    directories = sorted({path for tree in trees for path in (tree.to, os.path.dirname(tree.store))})
    others = sorted({os.path.dirname(tree.prom) for tree in trees} - set(directories))
    roots = [os.path.abspath(root) for tree in trees for root in tree.roots]
    workdir = None if all(os.path.isabs(path) for tree in trees for path in paths_in(tree)) else os.getcwd()
    name = trees[0].name if len(trees) == 1 else "trees"
    command = [*this_program(), *without_installation(words)]
    return Job(command, name, roots, directories, others, workdir, int(at[1]), int(at[2]))


def without_installation(words: Sequence[str]) -> list[str]:
    """Return the words of a command line without --at, --install-cron and --install-systemd."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--at":
            next(rest, None)
        elif not word.startswith(("--at=", "--install-")):
            kept.append(word)
    return kept


def paths_in(tree: argparse.Namespace) -> Iterator[str]:
    """Yield the paths that the command uses, as they are given."""
    yield from (*tree.roots, *tree.given, *tree.exclude_from)
    yield from (path for path in (tree.config, tree.changed) if path not in (None, "-"))
    yield from (rule[1:] for rule in tree.fail_if if rule.startswith("@"))
    moments = (getattr(tree, name) for name in MOMENTS)
    yield from (when for when in moments if when is not None and os.path.exists(when))
