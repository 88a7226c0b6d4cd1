"""The progress line on a terminal. Imports rich, so it is imported only if there is a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from scanner.units import duration

REFRESH = 0.1  # seconds
WINDOW = 5.0  # seconds over which the rate is measured: it falls to 0 when nothing comes
STEP = 0.25  # seconds between two points of this measurement
PATIENCE = 2.0  # seconds for a directory, after which it is named
STILL = 1.0  # seconds without an entry, after which nobody knows what is left


class Expected(NamedTuple):
    """What an earlier snapshot lets expect: its number of entries, and its name, as in `last night's`."""

    entries: int
    name: str


class Seen(NamedTuple):
    """The state of a scan. `waits`: seconds for the directory that is waited for longest, and its name; `paused`: until
    when; empty: it runs.
    """

    directories: int
    known: int
    entries: int
    memory: int = 0
    place: str = ""
    waits: tuple[float, str] = (0.0, "")
    paused: str = ""


class Speed:
    """Entries per second within the last WINDOW seconds. No clock: time comes in as data."""

    def __init__(self, now: float) -> None:
        self._points = deque([(now, 0)])
        self._last = (now, 0)  # when the last entry came, and how many there were

    def at(self, now: float, entries: int) -> float:
        points = self._points
        if entries != self._last[1]:
            self._last = now, entries
        if now - points[-1][0] >= STEP:
            points.append((now, entries))
        while len(points) > 2 and points[1][0] <= now - WINDOW:
            points.popleft()
        since, before = points[0]
        return (entries - before) / (now - since) if now > since else 0.0

    def left(self, now: float, entries: int, expected: int) -> float | None:
        """Return the seconds until the expected number of entries at this speed. None: nobody knows."""
        speed = self.at(now, entries)
        return (expected - entries) / speed if speed >= 1 and now - self._last[0] < STILL else None


def figures(seen: Seen, speed: Speed, now: float, expected: Expected | None) -> str:
    """Return what is known of the progress, as text."""
    if expected is not None and 0 < seen.entries <= expected.entries:
        text = f"{100 * seen.entries // expected.entries} % of {expected.name} {expected.entries:,} entries"
        if not seen.paused and (left := speed.left(now, seen.entries, expected.entries)) is not None:
            text += f", {duration(left)} left"
    elif expected is not None and seen.entries:
        text = f"{seen.entries:,} entries, more than {expected.name} {expected.entries:,}"
    else:
        text = f"{seen.directories:,} of {seen.known:,}+ directories  {seen.entries:,} entries"
    text += f"  {speed.at(now, seen.entries):,.0f}/s"
    return text + (f"  {seen.memory / 1e6:.0f} MB" if seen.memory else "")


def where(seen: Seen) -> str:
    """Return what the scan is doing: paused, waiting for a directory, or where it is."""
    if seen.paused:
        return f"paused until {seen.paused}"
    seconds, path = seen.waits
    return f"waiting {duration(seconds)} for {path}" if seconds >= PATIENCE else seen.place


class ProgressLine:
    """A live line on stderr, removed when the context ends. Call `update` at any rate."""

    def __init__(self, look: Callable[[], Seen], expected: Expected | None = None) -> None:
        """`look`: returns the state, at most every REFRESH seconds."""
        self._look, self._expected = look, expected
        self._speed = Speed(time.monotonic())
        self._console = Console(stderr=True)
        self._console.width = max(20, self._console.width - 3)  # room for the ^C of the terminal
        self._live = Live(Text(), console=self._console, transient=True, auto_refresh=False)
        self._due = 0.0

    def __enter__(self) -> ProgressLine:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._live.stop()

    def update(self) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + REFRESH
        seen = self._look()
        line = Text(
            figures(seen, self._speed, now, self._expected),
            style="bold", no_wrap=True, overflow="ellipsis",
        )  # fmt: skip
        is_stuck = bool(seen.paused) or seen.waits[0] >= PATIENCE
        line.append(f"  {where(seen)}", style="yellow" if is_stuck else "dim")
        self._live.update(line, refresh=True)
