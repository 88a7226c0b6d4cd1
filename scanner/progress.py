"""The progress line on a terminal. Imports rich, so it is imported only if there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from scanner.stats import ScanStats

REFRESH = 0.1  # seconds


class ProgressLine:
    """A live line on stderr, removed when the context ends. Call `update` at any rate."""

    def __init__(self, stats: ScanStats, memory: Callable[[], int], shown: Callable[[str | bytes], str]) -> None:
        self._stats = stats
        self._memory = memory
        self._shown = shown
        self._console = Console(stderr=True)
        self._console.width = max(20, self._console.width - 3)  # room for the ^C of the terminal
        self._live = Live(Text(), console=self._console, transient=True, auto_refresh=False)
        self._due = 0.0

    def __enter__(self) -> ProgressLine:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._live.stop()

    def update(self, scanned: int, total: int) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + REFRESH
        self._live.update(self._line(scanned, total), refresh=True)

    def _line(self, scanned: int, total: int) -> Text:
        stats = self._stats
        rate = stats.entries / max(stats.elapsed_seconds, 1e-9)
        figures = f"{scanned:,} of {total:,}+ directories  {stats.entries:,} entries  {rate:,.0f}/s"
        if memory := self._memory():
            figures += f"  {memory / 1e6:.0f} MB"
        place = f"  {self._shown(stats.last_directory)}" if stats.last_directory else ""
        line = Text(figures, style="bold", no_wrap=True, overflow="ellipsis")
        return line.append(place, style="dim")
