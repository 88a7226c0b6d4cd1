"""The plan of the house: which room may import from which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "scanner"
FOUNDATION = {"codec", "encoding", "errors", "fields", "model", "options"}
ALLOWED = {
    "errors": set(),
    "model": {"errors", "codec"},
    "codec": {"model"},
    "encoding": set(),
    "fields": {"errors"},
    "units": set(),
    "options": {"errors", "fields", "model", "mounts", "filters", "units", "spelling"},
    "signature": {"options"},
    "spelling": set(),
    "testing": {"errors", "options"},
    "aside": {"errors"},
    "aio": FOUNDATION | {"api", "aside", "plan", "run", "signature"},
    "shown": {"encoding", "model", "stats"},
    "entry": {"errors", "fields", "model", "owners"},
    "owners": {"encoding", "fields"},
    "filters": {"errors", "fields", "model", "units"},
    "mounts": {"encoding", "errors", "model"},
    "kernel": FOUNDATION | {"filters", "mounts"},
    "plan": FOUNDATION,
    "backends": FOUNDATION | {"kernel", "mounts"},
    "engine": FOUNDATION | {"plan", "backends", "mounts"},
    "stats": {"errors", "model", "shown"},
    "latency": {"errors", "model", "mounts"},
    "progress": {"errors", "model", "stats", "units"},
    "sampling": set(),
    "estimates": FOUNDATION | {"engine", "plan", "run", "sampling", "signature"},
    "monitor": FOUNDATION,
    "garbage": set(),
    "roots": {"model", "mounts", "options"},
    "usage": FOUNDATION | {"export", "kernel", "mounts", "plan", "roots", "run", "signature"},
    "export": FOUNDATION | {"owners", "entry", "kernel"},
    "snapshot": FOUNDATION | {"kernel", "mounts", "export", "run", "api", "units"},
    "report": FOUNDATION | {"owners", "stats", "export", "kernel", "units"},
    "nightly": FOUNDATION | {"snapshot", "report", "export", "units"},
    "run": FOUNDATION
    | {"kernel", "plan", "backends", "engine", "stats", "monitor", "latency", "garbage", "entry", "export", "snapshot"}
    | {"aside", "shown"},
    "api": FOUNDATION | {"entry", "snapshot", "kernel", "plan", "backends", "engine", "run", "signature"},
    "parallel": FOUNDATION | {"aside", "backends", "run", "signature", "stats"},
    "cli": None,
    "__main__": {"cli"},
    "__init__": None,
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(module: Path) -> set[str]:
    """Rooms imported at run time, wherever in the module; what only type checkers see does not count."""
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("scanner.")}


@pytest.mark.parametrize("module", MODULES, ids=[str(module.relative_to(PACKAGE)) for module in MODULES])
def test_imports_point_downwards_only(module: Path) -> None:
    room = room_of(module)
    allowed = ALLOWED[room]
    if allowed is not None:
        assert imported_rooms(module) <= allowed | {room}


def test_psutil_is_imported_for_figures_and_priorities_only() -> None:
    users = [module.name for module in MODULES if "import psutil" in module.read_text()]
    assert sorted(users) == ["monitor.py", "nice.py"]


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before), sep='\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["psutil", "rich", "asyncio", "argparse", "dataclasses", "logging"])
def test_workers_load_little(module: str) -> None:
    assert module not in loaded_by("import scanner.backends.worker, scanner.backends.start")


@pytest.mark.parametrize("module", ["multiprocessing.pool", "asyncio", "rich", "argparse", "psutil", "dataclasses"])
def test_walk_loads_no_machinery_before_it_is_needed(module: str) -> None:
    assert module not in loaded_by("import scanner; list(scanner.walk('tools'))")


def test_every_public_name_is_there() -> None:
    import scanner

    assert sorted(scanner._HOMES) == sorted(set(scanner.__all__) - {"__version__"})
    for name in scanner.__all__:
        assert getattr(scanner, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = scanner.nothing


def test_the_tests_that_the_table_of_faults_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faults.md").read_text()))
    there = {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert len(named) > 40
    assert named <= there


def test_all_tests_run_without_arguments() -> None:
    """`tools/test` names the directories and files that run side by side, each once."""
    groups = re.search(r"^groups=\((.*?)\)$", (ROOT / "tools" / "test").read_text(), re.M | re.S)
    assert groups is not None
    named = [place for pattern in re.findall(r"[^\s\"]+", groups[1]) for place in ROOT.glob(pattern)]
    files = [file for place in named for file in (place.glob("test_*.py") if place.is_dir() else [place])]
    assert sorted(files) == sorted((ROOT / "tests").rglob("test_*.py"))
