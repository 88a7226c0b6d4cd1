"""`scanner du --by`: a table of sums by owner, group, suffix, age or directory, which add up to the total of du."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from scanner.cli.blocks import size_formatter, unit_of
from scanner.cli.lines import Document, Figures, Ranking
from scanner.errors import OptionError
from scanner.export.formats import SIZES_FIELDS
from scanner.export.output import Output
from scanner.fields import Field
from scanner.kernel.met import key_of, met_files
from scanner.kernel.producers.sizes import ancestor_of
from scanner.kernel.producers.summary import Counts, add_to
from scanner.model import is_below
from scanner.owners import group_of, owner_of
from scanner.report.classes import MergedClasses, days_of, kind_of
from scanner.report.data import path_fields, shown_text, valid_text
from scanner.report.tables import age_label, aligned
from scanner.usage import Places

FIELDS: dict[str, tuple[Field, ...]] = {"owner": ("uid",), "group": ("gid",), "age": ("mtime_ns",)}
UNSUITED = {"all": "-a", "separate_dirs": "-S", "threshold": "-t", "time": "--time", "inodes": "--inodes", "null": "-0"}
OTHERS = "(others)"


class Group(NamedTuple):
    """The sums of one class: its name in the table, its fields in JSON."""

    label: str
    fields: dict[str, Any]
    figures: Figures


def refuse_unsuited(args: argparse.Namespace, depth: int | None) -> None:
    """Raise OptionError for options that say nothing about a table."""
    for name, flag in UNSUITED.items():
        if getattr(args, name) not in (None, False):
            raise OptionError(f"{flag} cannot be used with --by: a table has sums of classes, not of paths")
    if depth is not None and args.by != "directory":
        raise OptionError(f"-d and -s are for --by directory, not for --by {args.by}")
    if args.sort == "mtime":
        raise OptionError("--sort mtime cannot be used with --by: sort by size, name or count")


class GroupTable:
    """Takes the Chunks of a scan, in walk order, and prints the table at the end."""

    def __init__(
        self, args: argparse.Namespace, roots: Sequence[str], places: Places, depth: int | None, output: Output
    ) -> None:
        refuse_unsuited(args, depth)
        self._by, self._output = args.by, output
        self._roots = roots
        self._json: bool = args.json
        self._formatted = size_formatter(unit_of(args.block_size))
        self._order = order_of(args.sort, apparent=args.apparent_size)
        self._top: int | None = args.top
        self._sums = (
            DirectoryGroups(places, 1 if depth is None else depth)
            if args.by == "directory"
            else ClassGroups(args.by, places)
        )
        self.producer = self._sums.producer
        self.fields = (*SIZES_FIELDS, *FIELDS.get(args.by, ()))

    def take(self, output: bytes | memoryview) -> None:
        self._sums.take(output)

    def finish(self, outcome: str, *, is_whole: bool) -> None:
        if is_whole:
            self._sums.finish()
        groups = list(self._sums.groups())
        total = sum_of(groups) if is_whole else None
        ranking = Ranking(self._order, self._top)
        for group in groups:
            ranking.add(group)
        best = ranking.best()
        if len(best) < len(groups):
            kept = {id(group) for group in best}
            rest = [group for group in groups if id(group) not in kept]
            best.append(Group(OTHERS, {"others": len(rest)}, sum_of(rest)))
        if self._json:
            self._print_json(best, total, outcome)
        else:
            self._print_table(best, total)

    def _print_json(self, groups: list[Group], total: Figures | None, outcome: str) -> None:
        document = Document(self._output, self._roots, by=self._by)
        for group in groups:
            document.add(group.fields, group.figures)
        document.finish(total, outcome)

    def _print_table(self, groups: list[Group], total: Figures | None) -> None:
        rows = [("disk usage", "apparent size", "entries", self._by)]
        rows += [self._cells(group.figures, shown_text(group.label)) for group in groups]
        rows += [self._cells(total, "total")] if total is not None else []
        self._output.write("".join(f"{line}\n" for line in aligned(rows)).encode())

    def _cells(self, figures: Figures, label: str) -> tuple[str, str, str, str]:
        return self._formatted(figures.disk), self._formatted(figures.size), f"{figures.entries}", label


def sum_of(groups: list[Group]) -> Figures:
    size, disk, entries = (sum(group.figures[number] or 0 for group in groups) for number in range(3))
    return Figures(size, disk, entries, None)


def order_of(sort: str | None, *, apparent: bool) -> Callable[[Group], Any]:
    if sort == "name":
        return lambda group: group.label
    if sort == "count":
        return lambda group: -group.figures.entries
    return (lambda group: -group.figures.size) if apparent else (lambda group: -group.figures.disk)


class DirectoryGroups:
    """Sums by directory, `depth` levels below each root: each with what no other one has."""

    def __init__(self, places: Places, depth: int) -> None:
        self.producer = places.sizes(depth)
        self._tree, self._depth = places.tree(), depth
        self._roots = sorted(places.named, key=len, reverse=True)
        self._found: Counts = {}

    def take(self, output: bytes | memoryview) -> None:
        self._add(self._tree.add(output))

    def finish(self) -> None:
        self._add(self._tree.finish())

    def _add(self, totals: Iterator[Any]) -> None:
        for total in totals:
            root = next(root for root in self._roots if is_below(total.path, root))
            path = ancestor_of(total.path, root, self._depth)
            add_to(self._found, path, total.own_entries, total.own_size, total.own_disk)

    def groups(self) -> Iterator[Group]:
        for path, (entries, size, disk) in self._found.items():
            yield Group(valid_text(path), path_fields(path), Figures(size, disk, entries, None))


class ClassGroups:
    """Sums by owner, group, suffix or age. What is no regular file has neither suffix nor age: it is summed by type."""

    def __init__(self, by: str, places: Places) -> None:
        self._by = by
        met = met_files()
        now = time.time_ns()
        self.producer = places.summary(now)
        self._classes = MergedClasses(lambda key: met.add(*key))
        for path in places.named:
            status = places.files.get(path)
            if status is not None and (met.add(*key_of(status)) or places.counting.every_name):
                self._classes.add_file(path, status, now)
        self.take = self._classes.take

    def finish(self) -> None:
        pass

    def groups(self) -> Iterator[Group]:
        classes = self._classes
        if self._by in ("owner", "group"):
            name_of, number = (owner_of, "uid") if self._by == "owner" else (group_of, "gid")
            for key, sums in (classes.owners if self._by == "owner" else classes.groups).items():
                yield group(name_of(key), {self._by: name_of(key), number: key}, sums)
            return
        if self._by == "suffix":
            for suffix, sums in classes.suffixes.items():
                yield group(suffix or "none", {"suffix": suffix}, sums)
        else:
            for age, sums in classes.ages.items():
                yield group(age_label(days_of(age)), {"below_days": days_of(age)}, sums)
        for kind, sums in classes.types.items():
            if kind_of(kind) != "files":
                yield group(f"({kind_of(kind)})", {"type": kind_of(kind)}, sums)


def group(label: str, fields: dict[str, Any], sums: list[int]) -> Group:
    entries, size, disk = sums
    return Group(label, fields, Figures(size, disk, entries, None))
