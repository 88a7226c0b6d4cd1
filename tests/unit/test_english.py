"""Pages, help and messages use the field's terms, and nouns as subjects.

The words are those of plain technical English that this project has agreed on: one word for one thing, the word that
`os`, `find`, `git`, `rsync` or the C library uses for it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scanner
from tests.unit.test_house import MODULES, ROOT

INSTEAD = {
    r"tell(s|ing)?|told": "report, return, record, log, notify",
    r"ask(s|ed|ing)?": "fetch, request, query",
    r"mend(s|ed|ing)?": "fix, repair",
    r"(leav(e|es|ing)|left) out": "exclude, skip",
    r"could not be read": "fail, unreadable",
    r"abreast|how many at a time": "concurrency, requests in flight",
    r"what it takes": "overhead, cost",
    r"tak(e|es|en|ing) the place of|in the place of": "replace, instead of",
    r"as long as there (are|is) none": "until, while, before",
    r"whoever": "a noun",
    r"wanted": "include, match, select, aim",
}
VERBS = "is|are|was|were|has|have|had|holds?|of|in|by|from|for|as"
SUBJECTS = rf"((?:That|Those|Such|The same)(?= (?:{VERBS})\b)|(?:What|Who)(?= )|Whoever)"
"""Pronouns as the subject of a sentence. `That share` is none."""
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def prose(page: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each line of a page, without code and addresses."""
    is_code = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("#"):  # a heading may be a question
            yield f"{page.name}:{number}", re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->|<[^>]*>", "", line)


def messages(module: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each string with a space in it that is no docstring: messages and help."""
    tree = ast.parse(module.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and " " in node.value
            and id(node) not in docs
        ):
            yield f"{module.relative_to(ROOT)}:{node.lineno}", node.value


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield name and each line of the docstrings of public names and of their public methods and properties."""
    for name in scanner.__all__:
        named = getattr(scanner, name)
        below = vars(named).items() if isinstance(named, type) else ()
        public = {f"{name}.{key}": value for key, value in below if not key.startswith("_")}
        for place, described in {name: named, **public}.items():
            if callable(described) or isinstance(described, property):
                yield from ((place, line) for line in (inspect.getdoc(described) or "").splitlines())


def findings(place: str, text: str) -> list[str]:
    words = [f"{place}: {match[0]!r}: write {better}" for pattern, better in INSTEAD.items()
             for match in re.finditer(rf"(?<![\w-])({pattern})(?![\w-])", text, re.I)]  # fmt: skip
    subjects = re.findall(rf"(?:^|[.:] |\| ){SUBJECTS}", text)
    return words + [f"{place}: {subject!r} as a subject: write a noun" for subject in subjects]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_uses_the_words_of_the_field(page: Path) -> None:
    assert [found for place, text in prose(page) for found in findings(place, text)] == []


def test_help_and_messages_use_the_words_of_the_field() -> None:
    assert [found for module in MODULES for place, text in messages(module) for found in findings(place, text)] == []


def test_public_docstrings_use_the_words_of_the_field() -> None:
    assert [found for place, text in docstrings() for found in findings(place, text)] == []


def test_a_sentence_that_breaks_the_rules_is_found() -> None:
    found = findings("x:1", "What could not be read is told. Such a symlink, and that share, are fine.")
    assert [text.split("'")[1] for text in found] == ["told", "could not be read", "What"]
