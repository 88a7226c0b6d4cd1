"""The rules that directories have of their own, where something below them was left to be walked elsewhere: kept to the
end of the scan.
"""

from __future__ import annotations

from scanner.model import Chunk, Path, upwards

Rules = dict[Path, tuple[tuple[int, str, bytes], ...]]


class KnownRules:
    """Chunks bring them, Tasks take along those of the directories above: read once, whoever walks below."""

    def __init__(self) -> None:
        self._rules: Rules = {}

    def learn(self, chunk: Chunk) -> None:
        self._rules.update(chunk.rules)

    def add(self, rules: Rules) -> None:
        """Those that were found before."""
        self._rules.update(rules)

    def above(self, directories: list[Path]) -> Rules:
        if not self._rules:
            return {}
        found: Rules = {}
        seen: set[Path] = set()
        for path in directories:
            for each in upwards(path):
                if each in seen:
                    break  # and so was all above it
                seen.add(each)
                if each in self._rules:
                    found[each] = self._rules[each]
        return found
