#!/usr/bin/env python3
"""Draw the pictures of README.md into docs/pictures, for light and dark pages.

    python benchmarks/pictures.py

`speed-*.svg` shows medians of benchmarks/results/full.json. `treemap-*.svg` is the output of `scanner treemap` for a
tree that is built here and removed. Requires the extra `report`, and 300 MB of disk space for a moment.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import cases_of

PICTURES = ROOT / "docs" / "pictures"
LISTING = "scanner list -o FILE, monorepo"
WIDTH, ROW, TOP, LABEL = 800, 34, 44, 150
TREE = {  # sizes of files in MB, by directory
    "assets/video": (48, 22, 9), "assets/textures": (14, 12, 8, 5), "assets/audio": (9, 7, 4),
    "data/2024": (16, 9, 4), "data/2025": (24, 13, 6), "data/2026": (31, 3),
    "src/server": (3, 2, 2, 1), "src/client": (4, 3, 1), "src/shared": (2, 1),
    "build/debug": (18, 7), "build/release": (11, 5),
    ".git/objects": (19, 6, 2), ".git/lfs": (12,), "docs/manual": (5, 3), "logs": (7, 4, 1),
}  # fmt: skip


class Theme(NamedTuple):
    """Colours; `treemap`: rules added to its style sheet."""

    ink: str
    faint: str
    ours: str
    others: str
    treemap: str = ""


DARK_TREEMAP = """\
.treemap { background: #0d1117; } .treemap rect { stroke: #0d1117; }
.treemap rect[fill="#e4e4e4"] { fill: #30363d; } .treemap rect[fill="#e4e4e4"] + text { fill: #e6edf3; }
"""
"""The colour of roots in `scanner.report.drawing` is replaced."""
THEMES = {
    "light": Theme("#1f2328", "#59636e", "#0072b2", "#b7bfc8"),
    "dark": Theme("#e6edf3", "#9198a1", "#56b4e9", "#6e7681", DARK_TREEMAP),
}


def bars() -> tuple[str, dict[str, float]]:
    """The title, and seconds by name of program, the slowest first."""
    found = cases_of("full")
    find, fd = found[LISTING, "find > FILE"], found[LISTING, "fd -u > FILE"]
    seconds = {
        "find": statistics.median(find["baseline_seconds"]),
        "fd": statistics.median(fd["baseline_seconds"]),
        "scanner list": statistics.median(find["candidate_seconds"]),
    }
    return f"Seconds to list {find['entries']:,} paths into a file (2 cores, warm cache)", seconds


def speed_svg(theme: Theme) -> str:
    """A bar chart; the last bar is the highlighted one."""
    title, seconds = bars()
    height, scale = TOP + ROW * len(seconds), (WIDTH - LABEL - 80) / max(seconds.values())
    spoken = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{title}: {spoken}" font-family="system-ui, sans-serif" font-size="16">',
        f'<text x="0" y="22" fill="{theme.faint}">{title}</text>',
    ]
    for number, (name, value) in enumerate(seconds.items()):
        top, last = TOP + ROW * number, number == len(seconds) - 1
        weight, fill = ("700", theme.ours) if last else ("400", theme.others)
        text, length = f'<text y="{top + 18}" fill="{theme.ink}" font-weight="{weight}"', value * scale
        lines += [
            f'{text} x="{LABEL - 12}" text-anchor="end">{name}</text>',
            f'<rect x="{LABEL}" y="{top}" width="{length:.1f}" height="{ROW - 10}" rx="3" fill="{fill}"/>',
            f'{text} x="{LABEL + length + 10:.1f}">{value:.2f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def build_tree(top: Path) -> None:
    """Create the files of TREE with blocks that are allocated, not written."""
    for directory, sizes in TREE.items():
        (top / directory).mkdir(parents=True)
        for number, megabytes in enumerate(sizes):
            with open(top / directory / f"file{number}", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, megabytes << 20)


def treemap_svg() -> str:
    """The treemap of TREE, drawn as for `scanner treemap`, but lower: it stands in a page."""
    from scanner.cli.main import main as run
    from scanner.report import drawing

    page: Any = drawing
    page.WIDTH, page.HEIGHT = WIDTH, 280
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        build_tree(Path("project"))
        assert run(["treemap", "project", "-o", "treemap.svg"]) == 0
        return Path("treemap.svg").read_text()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    treemap = treemap_svg()
    for name, theme in THEMES.items():
        (PICTURES / f"speed-{name}.svg").write_text(speed_svg(theme))
        (PICTURES / f"treemap-{name}.svg").write_text(treemap.replace("</style>", f"{theme.treemap}</style>"))


if __name__ == "__main__":
    main()
