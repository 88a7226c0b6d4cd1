"""The report in colour."""

from __future__ import annotations

import os
import re
from typing import TextIO

from scanner.report.text import NAME_WIDTH

BOLD, RED, GREEN, YELLOW, END = "\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"
OUTCOMES = {"complete": GREEN, "incomplete": YELLOW, "timeout": YELLOW, "interrupted": YELLOW, "failed": RED}
FACT = re.compile(rf"(?P<name>\S.{{{NAME_WIDTH - 1}}})(?P<value>\S.*)")


def colours_wanted(stream: TextIO | None) -> bool:
    """Whether it is a terminal that has them, and nobody has said NO_COLOR (https://no-color.org)."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return stream.isatty()


def painted(text: str) -> str:
    """The names of facts and the titles of tables bold, the outcome in its colour."""
    return "".join(map(_line, text.splitlines(keepends=True)))


def _line(line: str) -> str:
    if line.startswith("Errors:"):
        return f"{RED}{line[:-1]}{END}\n"
    if (fact := FACT.match(line)) and fact["name"].endswith("  "):
        value = fact["value"]
        if fact["name"].startswith(("Outcome ", "Errors ", "Incidents ")):
            value = f"{OUTCOMES.get(value, '' if value == 'none' else YELLOW)}{value}{END}"
        return f"{BOLD}{fact['name']}{END}{value}\n"
    if line[:1].strip() and line.endswith(":\n"):
        return f"{BOLD}{line[:-1]}{END}\n"
    return line
