"""The command in locales whose encoding is not UTF-8: the same bytes, filters and reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import READERS
from tests.support.records import without_times
from tests.support.shell import run

NAMES = [b"caf\xc3\xa9", b"caf\xe9", b"x\xff.\xc3\x89X", b"b.\xe6\xbc\xa2", b"a  b"]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UTF8 = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
CHARSETS = {"en_US.ISO-8859-1": ("en_US", "ISO-8859-1"), "ja_JP.EUC-JP": ("ja_JP", "EUC-JP")}
WAYS = {"serial": ["--backend", "serial"], "pool": ["--backend", "pool", "--workers", "2"]}
LISTS = [
    ["list"],
    ["list", "--format", "ndjson", "--fields", "type,size"],
    ["list", "--format", "csv", "--fields", "type,size"],
    ["list", "--format", "ncdu"],
    ["list", "--format", "folded"],
    ["list", "--template", b"\xc3\xa9{name:>20}|{path!r}|{parent}"],
    ["list", "--type", "f", "--template", b"\xc3\xa9{name:>20}"],
    ["list", "--exclude", b"caf\xe9"],
    ["list", "--exclude", b"caf\xc3\xa9"],
    ["list", "--exclude", b"caf?"],
    ["list", "--include", b"[\xe0-\xef]*", "--gitignore"],
    ["du", "--apparent-size"],
]


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Environments: an ASCII locale, and the others that localedef can make."""
    top = tmp_path_factory.mktemp("locales")
    found = {"ascii": ASCII}
    for name, (language, charset) in CHARSETS.items() if shutil.which("localedef") else ():
        made = subprocess.run(
            ["localedef", "-i", language, "-f", charset, top / name], capture_output=True, check=False
        )
        if made.returncode <= 1 and (top / name).exists():
            found[name] = {"LC_ALL": name, "LOCPATH": str(top), "PYTHONUTF8": "0"}
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("names")
    for size, name in enumerate(NAMES):
        directory = os.path.join(os.fsencode(top), b"d" + name)
        os.mkdir(directory)
        with open(os.path.join(directory, name), "wb") as file:
            file.truncate(100 * size)
    (top / ".gitignore").write_bytes(b"b.\xe6\xbc\xa2\n")
    return top


def output(environment: dict[str, str], *arguments: Any) -> bytes:
    result = run(*arguments, env={**os.environ, **environment})
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", WAYS)
def test_lists_have_the_same_bytes_in_every_locale(
    way: str, reader: str, tree: Path, locales: dict[str, dict[str, str]]
) -> None:
    """In each locale by the compiled reader in one process. Elsewhere the locales take turns."""
    pure = {"SCANNER_PURE": READERS[reader]}
    for turn, (command, *rest) in enumerate(LISTS if way == "serial" else LISTS[1:6]):
        arguments = [command, *WAYS[way], *rest, tree]
        expected = output({**UTF8, **pure}, *arguments)
        one = [[*locales][turn % len(locales)]]
        for name in locales if (way, reader) == ("serial", "compiled") else one:
            assert output({**locales[name], **pure}, *arguments) == expected, (name, arguments)


def test_files_have_the_same_bytes_in_every_locale(
    tree: Path, locales: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """Reports apart, which hold times: their names and sizes are compared."""
    expected = None
    for environment in (UTF8, *locales.values()):
        output(environment, "list", "-o", tmp_path / "a.parquet", "-o", tmp_path / "a.ndjson", tree)
        output(environment, "scan", "--sizes", "--report", tmp_path / "a.json", "--report", tmp_path / "a.md", tree)
        report = json.loads((tmp_path / "a.json").read_bytes())
        (tmp_path / "a.md").read_bytes().decode()
        files = [without_times((tmp_path / name).read_bytes()) for name in ("a.parquet", "a.ndjson")]
        figures = (files, report["names"], report["sizes"], report["roots"])
        expected = expected or figures
        assert figures == expected, environment


def test_a_report_is_shown_in_the_encoding_of_its_reader(tree: Path, locales: dict[str, dict[str, str]]) -> None:
    """Names that the encoding does not have are escaped: no traceback."""
    for environment in (*locales.values(), {**UTF8, "PYTHONIOENCODING": "ascii"}):
        text = output(environment, "scan", "--sizes", tree)
        assert rb"\ufffd" in text
        assert b"Entries by owner" in text


def test_messages_name_what_they_are_about_in_every_locale(tree: Path, locales: dict[str, dict[str, str]]) -> None:
    for environment in locales.values():
        place = os.fsencode(tree) + b"/dcaf\xc3\xa9/caf\xc3\xa9"
        result = run("why", "--exclude", b"caf\xc3\xa9", tree, place, env={**os.environ, **environment})
        assert (result.returncode, result.stderr) == (1, b"")
        assert result.stdout.startswith(b"out: ")
        missing = run("scan", os.fsencode(tree) + b"/\xe6\xbc\xa2", env={**os.environ, **environment})
        assert missing.returncode == 3
        assert b"cannot scan" in missing.stderr
        assert b"Traceback" not in missing.stderr


LIBRARY = """
import os, scanner
if __name__ == "__main__":
    top = os.environ["TOP"]
    for arguments in ({"backend": "serial"}, {"backend": "pool", "max_workers": 2, "start_method": "spawn"}):
        bad = os.fsdecode(b"caf\\xe9")
        entries = list(scanner.entries(top, stat=("size",), exclude=bad, **arguments))
        tuples = scanner.scan(top, exclude=bad, **arguments)
        print(sorted(os.fsencode(entry) for entry in entries))
        print(sorted((os.fsencode(r), sorted(map(os.fsencode, f))) for r, _, f in tuples))
"""


def test_a_program_sees_the_same_bytes_in_every_locale(
    tree: Path, locales: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(LIBRARY)
    figures = set()
    for environment in (UTF8, *locales.values()):
        variables = {**os.environ, **environment, "TOP": str(tree)}
        result = subprocess.run(
            [sys.executable, tmp_path / "program.py"], env=variables, capture_output=True, timeout=60, check=True
        )
        figures.add(result.stdout)
    (only,) = figures
    assert rb"b'caf\xe9'" not in only
    assert rb"b'caf\xc3\xa9'" in only
