"""Every code block of README.md and docs/ runs, every command in them exists, every link leads to a file or heading."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import scanner
from benchmarks.figures import PAGES, filled
from benchmarks.pictures import PICTURES, THEMES, speed_svg
from tests.support.shell import ROOT
from tests.support.trees import make

TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
DOCUMENTS = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").glob("*.md"))]
SESSIONS = ("tutorial.md", "dataframes.md")
"""Pages whose blocks run one after the other in one directory. Output that they show is compared."""
PLACES = ("/mnt/nfs", "/srv")  # replaced by a small tree
ELSEWHERE = {"pip", "pipx", "uv"}  # they install the package: see test_install_commands_name_the_package
INSTALLERS = {"crontab", "sudo"}  # they install a nightly job: see tests/integration/test_automation.py


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (id, text) of each code block of a language."""
    found = []
    for page in (page for page in DOCUMENTS if page.name not in SESSIONS):
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)):
            found.append((f"{page.name}-{language}-{number}", text))
    return found


def commands(block: str) -> list[str]:
    return re.findall(r"^\$ (.*)$", block, re.M)


def program(command: str) -> str:
    return shlex.split(command, comments=True)[0]


PYTHON, CONSOLE = blocks("python"), blocks("console")
COMMANDS = [command for _, block in CONSOLE for command in commands(block)]
RUN = [(name, runnable) for name, block in CONSOLE
       if (runnable := [each for each in commands(block) if program(each) in ("scanner", "python")])]  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `scanner` is this checkout and `python` this interpreter."""
    (tmp_path / "bin").mkdir()
    for name, arguments in (("scanner", "-m scanner "), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P {arguments}"$@"\n')
        script.chmod(0o755)
    return {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}


def test_the_pages_have_blocks_and_commands() -> None:
    assert len(PYTHON) >= 6
    assert len(COMMANDS) >= 20
    assert {page for page, _ in PYTHON + RUN} >= {"README.md-python-0", "python.md-python-0", "formats.md-console-0"}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", [text for _, text in PYTHON], ids=[name for name, _ in PYTHON])
def test_a_python_block_runs(block: str, tmp_path: Path) -> None:
    if "distributed" in block:
        pytest.importorskip("distributed", reason="distributed is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", block],
        capture_output=True, text=True, timeout=170, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("lines", [lines for _, lines in RUN], ids=[name for name, _ in RUN])
def test_a_console_block_runs(lines: list[str], tmp_path: Path, shell: dict[str, str]) -> None:
    """In an empty directory; a command may use files of the one before."""
    make(tmp_path / "tree", {"a": {"b": None}, "c": None})
    (tmp_path / "cwd").mkdir()
    script = "\n".join(lines)
    for place in PLACES:
        script = re.sub(rf"(?<!\S){place}(?!\S)", str(tmp_path / "tree"), script)
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        capture_output=True, text=True, timeout=170, check=False, cwd=tmp_path / "cwd", env=shell,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


def steps(page: Path) -> Iterator[tuple[list[str], str]]:
    """Yield the commands of a page in order, as arguments, with the output that the page shows."""
    for language, text, shown in re.findall(
        r"^```(console|python)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", page.read_text(), re.M | re.S
    ):
        if language == "python":
            yield ["python", "-W", "error", "-c", text], shown
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M) if language == "console" else ():
            yield ["bash", "-e", "-o", "pipefail", "-c", command], output


def timeless(output: str) -> str:
    """Return output without moments."""
    return re.sub(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d", "MOMENT", output)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", SESSIONS)
def test_the_blocks_of_a_page_run_in_order_and_print_what_it_shows(
    name: str, tmp_path: Path, shell: dict[str, str]
) -> None:
    (tmp_path / "cwd").mkdir()
    for command, shown in steps(ROOT / "docs" / name):
        if "import duckdb" in command[-1]:
            pytest.importorskip("duckdb")
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=170, check=False, cwd=tmp_path / "cwd", env=shell
        )
        assert result.returncode == 0, result.stderr
        assert timeless(result.stderr + result.stdout) == timeless(shown) or not (shown or result.stderr), command


@pytest.mark.parametrize("command", [each for each in COMMANDS if program(each) not in ("scanner", "python")])
def test_another_command_is_a_tool_of_ours_or_installs_us(command: str) -> None:
    name = program(command)
    assert name in ELSEWHERE | INSTALLERS or os.access(ROOT / name, os.X_OK)


def test_install_commands_name_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "".join(page.read_text() for page in DOCUMENTS)
    targets = re.findall(r"(?:pipx|pip|uv tool) install ['\"]?([\w.-]+)(?:\[([\w,]+)\])?", text)
    assert len(targets) > 5
    for target, extras in targets:
        assert target in (".", project["name"])
        assert set(filter(None, extras.split(","))) <= set(project["optional-dependencies"])


def test_links_lead_to_files_and_headings() -> None:
    for page in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
            path, _, heading = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of headings, made as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_contents_names_every_page() -> None:
    contents = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.*")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in contents} == set()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_figures_are_those_of_the_results(page: Path) -> None:
    assert filled(page.read_text()) == page.read_text(), "python benchmarks/figures.py writes them anew"


@pytest.mark.parametrize("theme", THEMES)
def test_the_pictures_are_those_of_the_results(theme: str) -> None:
    written = (PICTURES / f"speed-{theme}.svg").read_text()
    assert written == speed_svg(THEMES[theme]), "python benchmarks/pictures.py draws them anew"
    assert f"docs/pictures/treemap-{theme}.svg" in (ROOT / "README.md").read_text()
    assert (PICTURES / f"treemap-{theme}.svg").exists()


def test_every_page_has_a_place_in_the_navigation_of_the_site() -> None:
    """`tools/site` checks that the pages in it exist."""
    navigation = (ROOT / "docs" / "site" / "mkdocs.yml").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f": {page.name}\n" not in navigation] == []


def test_the_pages_of_the_parser_and_the_schema_are_up_to_date() -> None:
    subprocess.run([sys.executable, "tools/make_pages.py", "--check"], cwd=ROOT, check=True)


def test_the_page_of_the_api_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    assert sorted(re.findall(r"^<!-- ::: scanner\.(\w+)", page, re.M)) == sorted(scanner.__all__)
    assert [name for name in scanner.__all__ if f"| `{name}` |" not in page] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_every_public_option_is_described() -> None:
    from scanner.options import PUBLIC

    options = (ROOT / "docs" / "options.md").read_text()
    assert [name for name in PUBLIC if f"| `{name}` |" not in options] == []


def test_every_flag_is_described() -> None:
    from scanner.cli.parser import SUMMARIES, make_parsers

    text = "".join(
        (ROOT / "docs" / page).read_text() for page in ("options.md", "formats.md", "diff.md", "automation.md")
    )
    flags = {flag for name in SUMMARIES for flag in make_parsers([name])[1][name].options}
    aliases = {"--help", "--followlinks", "--progress"}
    assert [flag for flag in sorted(flags - aliases) if not re.search(rf"{flag}(?![\w-])", text)] == []
