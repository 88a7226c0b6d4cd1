"""Cases to measure: a candidate beside a baseline, on one tree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import programs
from benchmarks.corpora import Corpora
from benchmarks.measure import drop_caches
from benchmarks.programs import Program, listing, os_walk, scan

FORMATS = ("txt", "ndjson", "ndjson.gz", "ndjson.zst", "csv", "parquet", "sqlite", "ncdu", "folded")
FIELDS = ("--fields", "size,mtime_ns")
FAR = {"$": "synth", "fanout": [10, 10], "files": 3}  # 111 directories


class Case(NamedTuple):
    """One case. `place`: its position in plots, by axis. `compared`: both programs must find the same entries.
    `before`: called before each run. `runs`: maximum number of pairs. `weighed`: measure memory; `counted`: calls.
    """

    group: str
    corpus: str
    entries: int
    candidate: Program
    baseline: Program
    place: dict[str, float] = {}  # noqa: RUF012  # never changed
    compared: bool = True
    before: Callable[[], None] = lambda: None
    runs: int = 1000
    weighed: bool = False
    counted: bool = False

    @property
    def name(self) -> str:
        return f"{self.candidate.name}, {self.corpus}"


class Site(NamedTuple):
    """Trees, a directory for files, and whether to be quick."""

    corpora: Corpora
    scratch: Path
    quick: bool

    def out(self, name: str) -> str:
        return str(self.scratch / name)


def walking(site: Site) -> Iterator[Case]:
    """Compare scan and walk with os.walk, on trees of every shape."""
    for corpus in ("monorepo", "skewed", "deep", "flat"):
        top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
        whole = corpus == "monorepo"
        yield Case("walking", corpus, entries, scan(top), os_walk(top), weighed=whole, counted=whole)
        if whole:
            pure = scan(top, name="scan(), SCANNER_PURE=1", environment={"SCANNER_PURE": "1"})
            yield Case("walking", corpus, entries, pure, os_walk(top))
        if corpus == "monorepo" or not site.quick:
            pool = scan(top, "backend='pool'")
            yield Case("walking", corpus, entries, pool, os_walk(top), counted=whole)
    for corpus, repeat in (("monorepo", 1), ("tiny", 200), ("small", 20)):
        top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
        yield Case("walking", corpus, entries, programs.walk(top, repeat=repeat),
                   os_walk(top, into="count", repeat=repeat))  # fmt: skip


def peers(site: Site) -> Iterator[Case]:
    """Compare scan with other walkers for Python, and the command with other programs, as whole processes."""
    top, entries = site.corpora.top("monorepo"), site.corpora.entries("monorepo")
    for peer in programs.in_python(top):
        yield Case("peers", "monorepo", entries, scan(top), peer, weighed=not site.quick)
    out = site.out("list.txt")
    for lister in programs.listers(top):
        yield Case("peers", "monorepo", entries, listing(top, out), lister, weighed=not site.quick, counted=True)
    if (ripgrep := programs.ripgrep(top, "-uuu")) is not None:
        yield Case("peers", "monorepo", entries, listing(top, out, "--type", "f"), ripgrep, counted=True)


def limit(site: Site) -> Iterator[Case]:
    """Compare with the system calls alone on one processor: with two, the limit is twice as fast."""
    top, entries = site.corpora.top("monorepo"), site.corpora.entries("monorepo")
    names = programs.system_calls(top, str(site.scratch))
    stats = programs.system_calls(top, str(site.scratch), statx=True)
    yield Case("limit", "monorepo", entries, scan(top), names, compared=False)
    yield Case("limit", "monorepo", entries, os_walk(top), names, compared=False)
    yield Case("limit", "monorepo", entries, listing(top, site.out("list.txt")), names, compared=False)
    yield Case("limit", "monorepo", entries, programs.scan_stated(top, "auto"), stats, compared=False)
    if not site.quick:
        yield Case("limit", "monorepo", entries, programs.os_walk_and_lstat(top), stats, compared=False)
        yield Case("limit", "monorepo", entries, programs.scanner_du(top, "-s"), stats, compared=False)


def filters(site: Site) -> Iterator[Case]:
    """Measure gain and cost of rules, and compare with ripgrep, which reads the same files."""
    top, entries = site.corpora.top("ruled"), site.corpora.entries("ruled")
    unfiltered = scan(top, "backend='pool'")
    yield Case("filters", "ruled", entries, scan(top, "backend='pool', gitignore=True"), unfiltered, compared=False)
    file = site.scratch / "patterns.txt"
    file.write_text(programs.patterns())
    for workers in (2,) if site.quick else (1, 2):
        options = f"backend='pool', max_workers={workers}"
        name = f"scan(exclude_from=..., max_workers={workers})"
        ruled = scan(top, f"{options}, exclude_from={str(file)!r}", name=name)
        yield Case("filters", "ruled", entries, ruled, scan(top, options))
    as_git = ["--hidden", "--no-require-git", "--no-ignore-global", "--no-ignore-exclude", "--no-ignore-parent"]
    if (ripgrep := programs.ripgrep(top, *as_git)) is not None:
        ripgrep = ripgrep._replace(name="rg --files --hidden > FILE")
        ours = listing(top, site.out("list.txt"), "--gitignore", "--type", "f")
        yield Case("filters", "ruled", entries, ours, ripgrep, counted=True)


def metadata(site: Site) -> Iterator[Case]:
    """Fetch sizes and times; compute disk usage."""
    top, entries = site.corpora.top("monorepo"), site.corpora.entries("monorepo")
    for backend in ("pool",) if site.quick else ("auto", "pool"):
        yield Case("metadata", "monorepo", entries, programs.scan_stated(top, backend),
                   programs.os_walk_and_lstat(top), counted=backend == "pool")  # fmt: skip
    if not site.quick:
        yield Case("metadata", "monorepo", entries, programs.entries_stated(top), programs.os_walk_and_lstat(top))
    if (find := programs.find_printf(top)) is not None:
        ours = listing(top, site.out("list.txt"), fields=("--template", "{size} {mtime_ns} {path}"))
        yield Case("metadata", "monorepo", entries, ours, find, weighed=True, counted=True)
    for flags in ((),) if site.quick else ((), ("-s",)):
        if (du := programs.du(top, *flags)) is not None:
            ours = programs.scanner_du(top, *flags)
            yield Case("metadata", "monorepo", entries, ours, du, weighed=not flags, counted=not flags)


def exports(site: Site) -> Iterator[Case]:
    """Write each format, as a whole process, beside `find -printf`."""
    find = programs.find_printf(site.corpora.top("monorepo"))
    sizes = [name for name in ("monorepo", "100,000", "1,000,000") if name in site.corpora]
    for suffix in ("ndjson",) if site.quick else FORMATS:
        for corpus in sizes[:1] if site.quick else sizes:
            top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
            fields = FIELDS if suffix.partition(".")[0] in ("ndjson", "csv", "parquet", "sqlite") else ()
            ours = listing(top, site.out(f"list.{suffix}"), fields=fields, suffix=f".{suffix}")
            theirs = None if find is None else find._replace(command=[find.command[0], top, *find.command[2:]])
            if theirs is not None:
                yield Case("exports", corpus, entries, ours, theirs, compared=False, weighed=True,
                           runs=1000 if corpus == "monorepo" else 0)  # fmt: skip


def formats(site: Site) -> Iterator[Case]:
    """Write each format beside `scanner du -s` of the same tree, and beside other programs that write inventories."""
    top, entries = site.corpora.top("monorepo"), site.corpora.entries("monorepo")
    sizes = programs.scanner_du(top, "-s")

    def ours(suffix: str) -> Program:
        return listing(top, site.out(f"list.{suffix}"), suffix=f".{suffix}")

    for suffix in ("ndjson", "ncdu", "sqlite") if site.quick else FORMATS:
        yield Case("formats", "monorepo", entries, ours(suffix), sizes, compared=False)
    template = listing(top, site.out("list.txt"), fields=("--template", "{size} {mtime_ns} {path}"))
    yield Case("formats", "monorepo", entries, template, sizes, compared=False)
    if (find := programs.find_printf(top)) is not None:
        yield Case("formats", "monorepo", entries, template, find)
    for suffix, peer in programs.inventories(top, site.out("peer.out")):
        yield Case("formats", "monorepo", entries, ours(suffix), peer, weighed=not site.quick)


def workers(site: Site) -> Iterator[Case]:
    """Compare numbers of workers."""
    top, entries = site.corpora.top("monorepo"), site.corpora.entries("monorepo")
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for number in sorted({1, 2, most} if site.quick else {1, 2, most, 2 * most}):
        ours = scan(top, f"backend='pool', max_workers={number}")
        yield Case("workers", "monorepo", entries, ours, os_walk(top), {"workers": number}, weighed=not site.quick)
    if not site.quick:
        one, two = (
            listing(top, site.out("list.txt"), "--backend", "pool", "--workers", workers) for workers in ("1", "2")
        )
        yield Case("workers", "monorepo", entries, two, one)


def sizes(site: Site) -> Iterator[Case]:
    """Compare sizes of trees of one kind."""
    repeats = {"tiny": 200, "small": 20, "medium": 4, "100,000": 1, "monorepo": 1, "1,000,000": 1}
    for corpus, repeat in repeats.items():
        if corpus in site.corpora:
            top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
            yield Case("sizes", corpus, entries, scan(top, name="scan()", repeat=repeat), os_walk(top, repeat=repeat),
                       {"entries": entries})  # fmt: skip
    for corpus in () if site.quick else ("medium", "100,000", "1,000,000"):  # cost of the command's start
        top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
        for lister in programs.listers(top):
            yield Case("sizes", corpus, entries, listing(top, site.out("list.txt")), lister)


def latency(site: Site) -> Iterator[Case]:
    """Walk a slow FUSE mount that behaves like a cold NFS client: three round trips per directory."""
    from tests.support.faultfs import FaultFS, unavailable

    if reason := unavailable():
        raise programs.NotHere(f"latency: {reason}")
    with tempfile.TemporaryDirectory() as scratch:
        mount = Path(scratch, "mount")
        with FaultFS(mount, tree=FAR, preset="nfs") as fs:
            entries = 111 + 333
            for milliseconds in (2,) if site.quick else (0.2, 2, 10):
                fs.latency(milliseconds)
                top = str(mount)
                name = f"round trips of {milliseconds} ms"
                yield Case("latency", name, entries, scan(top), os_walk(top), {"milliseconds": milliseconds},
                           before=drop_caches, runs=5)  # fmt: skip


def memory(site: Site) -> Iterator[Case]:
    """Measure memory with a consumer ten times slower than the walk, beside os.walk with the same consumer."""
    corpora = ("monorepo",) if site.quick else ("100,000", "1,000,000", "flat, 1,000,000")
    for corpus in corpora:
        top, entries = site.corpora.top(corpus), site.corpora.entries(corpus)
        for slow, baseline in programs.slow_consumers(top):
            if not (corpus.startswith("flat") and slow.inside):  # its one tuple is the whole tree
                yield Case("memory", corpus, entries, slow, baseline, compared=False, weighed=True, runs=0)


GROUPS: dict[str, Callable[[Site], Iterator[Case]]] = {
    each.__name__: each
    for each in (walking, peers, limit, filters, metadata, exports, formats, workers, sizes, latency, memory)
}
