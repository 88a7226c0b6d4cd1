"""Synthetic trees, reproducible, in two sizes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tools.make_tree import make_tree

SEED = 1
FILES_OF_RULES = 20
IGNORED = 0.4  # share of all entries that rules exclude


class Corpus(NamedTuple):
    """Profile (see tools/make_tree.py) and size of a tree."""

    profile: str
    directories: int
    files: int
    ruled: bool = False  # with .gitignore files

    @property
    def entries(self) -> int:
        return self.directories + self.files


QUICK = {
    "monorepo": Corpus("monorepo", 5_000, 100_000),
    "skewed": Corpus("skewed", 3_000, 60_000),
    "flat": Corpus("flat", 0, 50_000),
    "deep": Corpus("chains", 1_000, 20_000),
    "tiny": Corpus("monorepo", 20, 400),
    "small": Corpus("monorepo", 200, 4_000),
    "ruled": Corpus("monorepo", 3_000, 60_000, ruled=True),
}
FULL = {
    "monorepo": Corpus("monorepo", 30_000, 600_000),
    "skewed": Corpus("skewed", 30_000, 600_000),
    "flat": Corpus("flat", 0, 500_000),
    "deep": Corpus("chains", 4_000, 200_000),
    "tiny": Corpus("monorepo", 20, 400),
    "small": Corpus("monorepo", 200, 4_000),
    "medium": Corpus("monorepo", 2_000, 40_000),
    "100,000": Corpus("monorepo", 5_000, 95_000),
    "1,000,000": Corpus("monorepo", 50_000, 950_000),
    "flat, 1,000,000": Corpus("flat", 0, 1_000_000),
    "ruled": Corpus("monorepo", 25_000, 500_000, ruled=True),
}


class Corpora:
    """Build trees on first use. They are reused if `scratch` is kept."""

    def __init__(self, scratch: Path, known: dict[str, Corpus]) -> None:
        self._scratch = scratch
        self._known = known
        self.used: dict[str, dict[str, Any]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def entries(self, name: str) -> int:
        return self._known[name].entries

    def top(self, name: str) -> str:
        corpus = self._known[name]
        self.used[name] = {**corpus._asdict(), "seed": SEED}
        ruled = "-ruled" if corpus.ruled else ""
        top = self._scratch / f"{corpus.profile}-{corpus.directories}-{corpus.files}{ruled}"
        if not top.exists():
            building = top.with_suffix(".building")
            shutil.rmtree(building, ignore_errors=True)
            make_tree(corpus.profile, building, corpus.directories, corpus.files, SEED)
            if corpus.ruled:
                write_rules(building)
            building.rename(top)
        return str(top)


def write_rules(top: Path) -> None:
    """Write .gitignore files in 20 directories, which exclude two fifths of all entries."""
    sizes: dict[str, int] = {}
    for root, dirs, files in os.walk(top, topdown=False):
        sizes[root] = len(dirs) + len(files) + sum(sizes[os.path.join(root, name)] for name in dirs)
    share, taken = IGNORED * sizes[str(top)] / FILES_OF_RULES, list[str]()
    for directory, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        above = any(directory.startswith(f"{other}/") or other.startswith(f"{directory}/") for other in taken)
        if size <= 2 * share and not above and directory != str(top) and len(taken) < FILES_OF_RULES:
            taken.append(directory)
            with open(Path(directory).parent / ".gitignore", "a") as rules:
                rules.write(f"/{Path(directory).name}/\n")
