"""Rules about the changes between two snapshots: `growth > 10G`, `removed in src > 1000`, `growth > 5%`."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from scanner.errors import OptionError
from scanner.model import below_any, is_below, prefix_of
from scanner.report.changes import Sums
from scanner.report.tables import human
from scanner.units import bytes_of

if TYPE_CHECKING:
    from scanner.snapshot.diff import Change

NAMES = "added", "removed", "changed", "moved", "added_bytes", "removed_bytes", "growth", "unknown"
OF_BYTES = "added_bytes", "removed_bytes", "growth"
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
RULE = re.compile(r"\s*(?P<name>\w+)(?:\s+in\s+(?P<path>.+?))?\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<value>\S+)\s*")
FORM = (
    f"NAME [in PATH] OPERATOR VALUE, where NAME is one of {', '.join(NAMES)}: `growth > 10G`, `removed in src > 1000`"
)


class Rule(NamedTuple):
    """One rule. `path`: absolute, or below a root; None: everything. `is_share`: `value` is percent of all bytes."""

    text: str
    name: str
    path: str | None
    operator: str
    value: float
    is_share: bool


class Verdict(NamedTuple):
    """What a rule says of the changes. `value`: None if it cannot be known."""

    rule: Rule
    value: float | None
    is_broken: bool

    @property
    def message(self) -> str:
        if self.value is None:
            return f"rule `{self.rule.text}` cannot be checked: sizes are not stored"
        return f"rule `{self.rule.text}` is broken: {self.rule.name} is {self._shown_value(self.value)}"

    def _shown_value(self, value: float) -> str:
        if self.rule.is_share:
            return f"{value:,.6g} %"
        return human(int(value)) if self.rule.name in OF_BYTES else f"{value:,.0f}"


def rules_of(given: Iterable[str]) -> list[Rule]:
    """Return the rules: as given, or from `@FILE`, one a line. Raises OptionError."""
    rules: list[Rule] = []
    for text in given:
        if not text.startswith("@"):
            rules.append(parse_rule(text, f"--fail-if {text!r}"))
            continue
        try:
            with open(text[1:], encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, ValueError) as error:
            raise OptionError(f"--fail-if {text!r} cannot be read: {error}") from error
        for number, line in enumerate(lines, 1):
            if rule := re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip():
                rules.append(parse_rule(rule, f"{text[1:]}:{number}: {rule!r}"))
    return rules


def parse_rule(text: str, where: str) -> Rule:
    """Return a rule. `where` names it in an error. Raises OptionError."""
    match = RULE.fullmatch(text)
    if match is None or match["name"] not in NAMES:
        raise OptionError(f"{where}: a rule is {FORM}")
    value, is_share = match["value"], match["value"].endswith("%")
    if is_share and match["name"] != "growth":
        raise OptionError(f"{where}: only growth is compared in percent")
    number = float(value[:-1]) if is_share and _is_number(value[:-1]) else _value_of(value)
    if number is None:
        raise OptionError(f"{where}: {value!r} is no number, size (10G) or percentage (5%)")
    return Rule(text.strip(), match["name"], match["path"], match["operator"], number, is_share)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


def _value_of(text: str) -> float | None:
    size = bytes_of(text.removeprefix("-"))
    return None if size is None else -float(size) if text.startswith("-") else float(size)


class RuleCheck:
    """Counts what rules need while the changes go by."""

    def __init__(self, rules: Sequence[Rule], roots: Sequence[str]) -> None:
        self._rules = rules
        self._tops = [None if rule.path is None else _below(rule.path, roots) for rule in rules]
        self._sums = [Sums() for _ in rules]
        self._has_sizes = False

    def watched(self, changes: Iterable[Change]) -> Iterable[Change]:
        """Yield the changes as they are."""
        for change in changes:
            for tops, sums in zip(self._tops, self._sums, strict=True):
                was_in, is_in = (
                    tops is None or below_any(path, tops) for path in (change.source or change.path, change.path)
                )
                if was_in or is_in:
                    sums.add_change(change.kind)
                if change.growth is not None:
                    sums.add_bytes((change.size_after or 0) * is_in - (change.size_before or 0) * was_in)
            self._has_sizes |= change.growth is not None
            yield change

    def verdicts(self, bytes_before: int | None, unknown: Sequence[str]) -> list[Verdict]:
        """Return a verdict for each rule. `bytes_before`: of the earlier snapshot; `unknown`: directories."""
        return [
            self._verdict(rule, tops, sums, bytes_before, unknown)
            for rule, tops, sums in zip(self._rules, self._tops, self._sums, strict=True)
        ]

    def _verdict(
        self, rule: Rule, tops: list[str] | None, sums: Sums, bytes_before: int | None, unknown: Sequence[str]
    ) -> Verdict:  # fmt: skip
        value: float | None
        if rule.name == "unknown":
            value = sum(
                tops is None or any(path == top or path.startswith(top + "/") for top in tops) for path in unknown
            )
        else:
            value = getattr(sums, rule.name)
        if rule.name in OF_BYTES and bytes_before is None and not self._has_sizes:
            value = None
        elif rule.is_share and value:
            value = 100 * value / bytes_before if bytes_before else math.copysign(math.inf, value)
        return Verdict(rule, value, value is None or OPERATORS[rule.operator](value, rule.value))


def _below(path: str, roots: Sequence[str]) -> list[str]:
    """Return where a path of a rule is, as roots are spelled: absolute, or below each root. Raises OptionError."""
    path = os.path.normpath(path.strip())
    if not os.path.isabs(path):
        return [_inside(root, path) for root in roots]
    for root in roots:
        if is_below(path, os.path.abspath(root)):
            return [_inside(root, os.path.relpath(path, os.path.abspath(root)))]
    raise OptionError(f"--fail-if: {path!r} is not below {', '.join(map(repr, roots))}")


def _inside(root: str, path: str) -> str:
    return root if path == os.curdir else prefix_of(root) + path
