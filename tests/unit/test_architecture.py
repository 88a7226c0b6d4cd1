"""docs/architecture.md names every module, and all that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.test_house import MODULES, PACKAGE, ROOT, imported_rooms, room_of

PAGE = (ROOT / "docs" / "architecture.md").read_text()
SOURCES = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".c", ".h")]


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(heading: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section(heading), re.M)


def defined_in(path: Path) -> set[str]:
    """Return the names of functions, classes, methods and constants: `f`, `C`, `C.f`. Of C: all functions."""
    if path.suffix != ".py":
        return set(re.findall(r"\b(\w+)\([^;{]*\)\s*(?:/\*.*\*/)?\s*\{", path.read_text()))
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{below.name}" for below in node.body if isinstance(below, ast.FunctionDef)}
    return names


def test_every_module_is_listed_once() -> None:
    packages = {path for path in SOURCES if path.name == "__init__.py"} - {PACKAGE / "__init__.py"}
    assert sorted(first_cells("Modules")) == sorted(str(path.relative_to(PACKAGE)) for path in set(SOURCES) - packages)


def test_every_reference_exists() -> None:
    references = re.findall(r"`([\w/]+\.[a-z]+):([\w.]+)`", PAGE)
    assert len(references) > 40
    assert [f"{file}:{name}" for file, name in references if name not in defined_in(PACKAGE / file)] == []


def test_every_file_exists() -> None:
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|c|h|md))`", PAGE))
    assert [name for name in sorted(named) if not ((PACKAGE / name).exists() or (ROOT / name).exists())] == []


def test_every_glossary_word_is_in_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| `([\w/.]+)` \|$", section("Glossary"), re.M)
    assert len(rows) > 30
    assert [word for word, file in rows if not re.search(rf"\b{word}\b", (PACKAGE / file).read_text())] == []


def test_the_tests_that_invariants_name_exist() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", section("Invariants"))
    assert len(named) > 3
    assert [name for name in named if f"def {name}(" not in tests] == []


EDGES = re.findall(r"^    (\w+) --> (\w+)$", PAGE, re.M)


@pytest.mark.parametrize(("above", "below"), EDGES)
def test_every_arrow_is_an_import(above: str, below: str) -> None:
    imported: set[str] = set().union(*(imported_rooms(module) for module in MODULES if room_of(module) == above))
    assert below in imported


def test_every_room_is_in_the_picture() -> None:
    rooms = {room_of(module) for module in MODULES} - {"__init__"}
    assert rooms == {room for edge in EDGES for room in edge}
