"""Reports, plots and treemaps of real scans of trees with unusual names."""

from __future__ import annotations

import html.parser
import json
import os
import re
import signal
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scanner.cli.terminal import colours_wanted, painted
from scanner.export.tree import Total
from scanner.kernel.producers.summary import suffix_of
from scanner.report.drawing import GAP, LETTER, Box, columns, label, treemap_svg
from scanner.report.names import MOST_SUFFIXES, OTHER
from scanner.report.treemap import Node, Treemap, rows_of
from tests.support.shell import ROOT, call, run
from tests.support.trees import make

SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())
WAYS = {"serial": ["--backend", "serial"], "pool": ["--backend", "pool", "--workers", "2"]}
pytestmark = pytest.mark.usefixtures("fonts")


def report_of(tmp_path: Path, *arguments: Any) -> dict[str, Any]:
    file = tmp_path / "report.json"
    result = call("scan", *arguments, "--report", file)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    return report


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sizes", [[], ["--sizes"]], ids=["names", "sizes"])
def test_a_report_matches_its_schema(way: str, sizes: list[str], trees: dict[str, Path], tmp_path: Path) -> None:
    report = report_of(tmp_path, *WAYS[way], *sizes, trees["odd"])
    jsonschema.validate(report, SCHEMA)
    assert set(report) - {"sizes"} == {*SCHEMA["$defs"]["scan"]["required"], "names"}, "every key is documented"
    assert ("sizes" in report) == bool(sizes)


def test_the_report_of_a_failed_scan_matches_its_schema(tmp_path: Path) -> None:
    call("scan", tmp_path / "none", "--report", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert report["outcome"] == "failed"


@pytest.mark.parametrize("way", WAYS)
def test_counts_of_names(way: str, trees: dict[str, Path], tmp_path: Path) -> None:
    """They equal what a walk of the tree counts. Symbolic links to directories count as files."""
    depths: dict[int, list[int]] = {}
    suffixes: Counter[str] = Counter()
    entries = {}
    for root, dirs, files in os.walk(trees["odd"]):
        links = [name for name in dirs if os.path.islink(os.path.join(root, name))]
        depth = os.path.relpath(root, trees["odd"]).count("/") + (root != str(trees["odd"]))
        counts = depths.setdefault(depth, [0, 0])
        counts[0] += 1
        counts[1] += len(files) + len(links)
        suffixes.update(suffix_of(name) for name in files + links)
        entries[root] = len(dirs) + len(files)
    names = report_of(tmp_path, *WAYS[way], trees["odd"])["names"]
    assert [[each["directories"], each["files"]] for each in names["by_depth"]] == [depths[n] for n in sorted(depths)]
    del suffixes[""]
    assert {each["suffix"]: each["files"] for each in names["by_suffix"]} == {
        suffix.encode(errors="surrogateescape").decode(errors="replace"): count for suffix, count in suffixes.items()
    }
    largest = [each["entries"] for each in names["largest_directories"]]
    assert largest == sorted(entries.values(), reverse=True)[: len(largest)]


def test_a_directory_read_in_parts_counts_once(tmp_path: Path) -> None:
    make(tmp_path / "tree", {"flat": {f"{n}.TXT": None for n in range(50_000)}, "other": {"a.txt": None}})
    for way in WAYS.values():
        names = report_of(tmp_path, *way, tmp_path / "tree")["names"]
        assert [each["entries"] for each in names["largest_directories"]] == [50_000, 2, 1]
        assert names["by_suffix"] == [{"suffix": ".txt", "files": 50_001}]
        assert names["by_depth"][1] == {"depth": 1, "directories": 2, "files": 50_001}


def test_workers_together_read_everything(trees: dict[str, Path], tmp_path: Path) -> None:
    report = report_of(tmp_path, *WAYS["pool"], trees["monorepo"])
    assert sum(worker["entries"] for worker in report["workers"]) == report["entries"]
    assert sum(worker["directories"] for worker in report["workers"]) == report["scanned_directories"]
    assert sum(worker["tasks"] for worker in report["workers"]) == report["tasks"]
    assert report["bytes_received"] > 0
    last = report["resources"]["series"][-1]
    assert (last["directories"], last["entries"]) == (report["scanned_directories"], report["entries"])


class Page(html.parser.HTMLParser):
    """Parses a page: unclosed elements, ids, addresses it would load, labels of pictures."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.labels: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "svg":
            self.labels.append(given.get("aria-label") or "")
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "script":
            self.scripts.append(given.get("type") or "")
        self.loads += [str(given[name]) for name in ("src", "href", "xlink:href") if name in given]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("way", WAYS)
def test_a_page_is_self_contained(way: str, trees: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert call("scan", *WAYS[way], "--sizes", trees["odd"], "--report", file).returncode == 0
    text = file.read_text()
    page = Page(text)
    assert not page.open
    assert len(set(page.ids)) == len(page.ids)
    assert all(target.startswith("#") for target in page.loads), "a page loads nothing"
    assert len(page.labels) >= 5
    assert all(page.labels), "every picture has a label"
    assert page.scripts == ["application/json", ""]
    assert "\x1b" not in text
    assert "complete" in text


def test_names_are_escaped_in_html(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"<script>alert(1)</script>": {"a.<b>": None}, "$x$_{2}&amp;": {"f.$y^{2$": None}})
    file = tmp_path / "report.html"
    assert call("scan", "--sizes", tree, "--report", file).returncode == 0
    assert Page(file.read_text()).scripts == ["application/json", ""], "the treemap's own"
    assert "\\u003cscript>alert(1)" in file.read_text()
    assert "&lt;script&gt;alert(1)" in file.read_text()


def test_a_page_lists_errors_by_kind(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"loop": ".", "a": {}})
    file = tmp_path / "report.html"
    assert call("scan", "-L", tree, "--report", file).returncode == 1
    assert "<h3>loop: 1</h3>" in file.read_text()


def drawn(file: Path) -> ET.Element:
    return ET.fromstring(re.sub(r"^.*?(<svg[^>]*treemap)", r"\1", file.read_text(), flags=re.DOTALL))


def test_areas_of_a_treemap_are_proportional_to_sizes(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"large": {"below": {}}, "small": {}})
    (tree / "large" / "below" / "file").write_bytes(b"x" * 3_000_000)
    (tree / "small" / "file").write_bytes(b"x" * 1_000_000)
    file = tmp_path / "map.svg"
    assert call("treemap", tree, "-o", file).returncode == 0
    areas = {}
    for group in drawn(file).iter("{http://www.w3.org/2000/svg}g"):
        title, rectangle = group[0], group[1]
        areas[str(title.text).partition("\n")[0]] = float(rectangle.get("width", 0)) * float(rectangle.get("height", 0))
    assert areas[f"{tree}/large"] / areas[f"{tree}/small"] == pytest.approx(3, rel=0.05)
    assert f"{tree}/large/below" in areas


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_treemap_of_unusual_names(suffix: str, trees: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / f"map.{suffix}"
    assert call("treemap", trees["odd"], "-o", file).returncode == 0
    if suffix == "svg":
        assert drawn(file).get("role") == "img"
    else:
        assert not Page(file.read_text()).open


def test_directories_kept_by_a_treemap_form_a_tree() -> None:
    """It keeps a bounded number of the largest directories, each with all its parents."""
    treemap = Treemap(["/r"], most=5)
    for path, disk in (
        ("/r/a/b/c", 7), ("/r/a/b/d", 1), ("/r/a/b", 8), ("/r/a/e", 2), ("/r/a", 10), ("/r/f", 3), ("/r/g/h", 8),
        ("/r/g", 8), ("/r", 21),
    ):  # fmt: skip
        treemap.add(Total(path, disk, disk, 1, 0, 0))
    (root,) = treemap.nodes()
    assert [(node.path, node.disk) for node in root.below] == [("/r/a", 10), ("/r/g", 8)]
    assert [node.below for node in root.below] == [[Node("/r/a/b", 8, [])], [Node("/r/g/h", 8, [])]]
    assert rows_of([root]) == [
        [-1, "/r", 21, "d", None], [0, "a", 10, "d", None], [1, "b", 8, "d", None], [0, "g", 8, "d", None],
        [3, "h", 8, "d", None],
    ]  # fmt: skip


def test_a_treemap_of_a_deep_chain(tmp_path: Path) -> None:
    treemap = Treemap(["/r"])
    paths = ["/r" + "/d" * depth for depth in range(900)]
    for path in reversed(paths):
        treemap.add(Total(path, 1 << 20, 1 << 20, 1, 0, 0))
    assert treemap_svg(rows_of(treemap.nodes())).count("<g>") > 10


def test_a_treemap_without_disk_usage() -> None:
    treemap = Treemap(["/r"])
    treemap.add(Total("/r", 0, 0, 1, 0, 0))
    assert "The disk usage is 0." in treemap_svg(rows_of(treemap.nodes()))


def test_a_label_of_wide_letters_fits_its_box() -> None:
    box = Box(0, 0, 4 + 2 * GAP + 10 * LETTER, 20)
    assert columns("文件" * 3) == 12
    assert ">文件文件…<" in label(box, ["文件" * 30])
    assert ">plain nam…<" in label(box, ["plain names"])


@pytest.mark.parametrize("command", [["scan", "--sizes"], ["treemap", "-o", "x.svg"]])
@pytest.mark.parametrize("roots", [("a", "a/b"), ("a/b", "a"), ("a", "a"), ("a", "link")])
def test_sizes_of_roots_that_share_directories_are_refused(
    command: list[str], roots: tuple[str, str], tmp_path: Path
) -> None:
    make(tmp_path, {"a": {"b": {}}, "link": "a/b"})
    result = call(*command, *roots, cwd=tmp_path)
    assert "would count twice what is in ROOTs" in result.stderr.decode()
    assert result.returncode == 2


def test_depths_below_the_nearest_of_several_roots(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"a": {"b": {"c": None}}})
    for way in WAYS.values():
        names = report_of(tmp_path, *way, tree, tree / "a")["names"]
        assert [(each["directories"], each["files"]) for each in names["by_depth"]] == [(3, 0), (2, 2)]


@pytest.mark.parametrize("suffix", ["json", "md", "html"])
def test_a_rule_that_is_not_utf8(suffix: str, tmp_path: Path) -> None:
    """Such a line is part of an error message."""
    tree = make(tmp_path / "tree", {".gitignore": None})
    (tree / ".gitignore").write_bytes(b"a\xff\x1b[31m\\\n")
    file = tmp_path / f"report.{suffix}"
    result = call("scan", "-v", "--gitignore", tree, "--report", file)
    assert result.returncode == 0
    for text in (file.read_text(), result.stdout.decode(), result.stderr.decode()):
        assert "can match nothing" in text
        assert "\x1b" not in text


def test_names_are_escaped_in_markdown(tmp_path: Path) -> None:
    name = "a&lt;b ~~x~~ $y$ @z www.a.b |*"
    tree = make(tmp_path / "tree", {name: {"file": None}, "http:": {}})
    file = tmp_path / "report.md"
    assert call("scan", tree, "--report", file).returncode == 0
    text = file.read_text()
    assert r"a\&lt;b \~\~x\~\~ \$y\$ @<!-- -->z www<!-- -->.a.b \|\*" in text


def test_suffixes_that_are_equal_as_utf8_are_merged(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {})
    for name in (b"a.\xe9", b"b.\xe8", "c.文件".encode()):
        (Path(os.fsdecode(os.fsencode(tree) + b"/" + name))).touch()
    file = tmp_path / "report.html"
    result = call("scan", "--sizes", tree, "--report", tmp_path / "report.json", "--report", file)
    assert (result.returncode, result.stderr) == (0, b"")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["names"]["by_suffix"] == [{"suffix": ".\ufffd", "files": 2}, {"suffix": ".文件", "files": 1}]
    assert {each["suffix"]: each["files"] for each in data["sizes"]["by_suffix"]} == {".\ufffd": 2, ".文件": 1}


def test_suffixes_after_the_first_ten_thousand_count_as_one(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {f"file.{number}": None for number in range(MOST_SUFFIXES + 5)})
    for way in WAYS.values():
        report = report_of(tmp_path, *way, "--sizes", tree)
        assert report["names"]["by_suffix"][:2] == [{"suffix": OTHER, "files": 5}, {"suffix": ".0", "files": 1}]
        assert report["sizes"]["by_suffix"][0] == {"suffix": OTHER, "files": 5, "bytes": 0}


def test_json_does_not_depend_on_the_locale(tmp_path: Path) -> None:
    make(tmp_path / "tree", {"é.é": None})
    result = run("scan", "--json", tmp_path / "tree", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert json.loads(result.stdout)["names"]["by_suffix"] == [{"suffix": ".é", "files": 1}]


def test_an_unwritable_report_does_not_affect_others(tmp_path: Path) -> None:
    (tmp_path / "full.json").symlink_to("/dev/full")
    result = run("scan", tmp_path, "--report", tmp_path / "full.json", "--report", tmp_path / "there.md")
    assert result.returncode == 3
    assert "full.json" in result.stderr.decode()
    assert "## Scan report" in (tmp_path / "there.md").read_text()


def test_a_signal_while_reports_are_written_loses_none(tmp_path: Path) -> None:
    """The signal is sent when drawing begins."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'scanner.report.html': os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Watch())\n"
    )
    files = [tmp_path / "report.html", tmp_path / "report.json"]
    result = run("scan", "-q", tmp_path, *(f"--report={file}" for file in files),
                 env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"})  # fmt: skip
    assert result.returncode == -signal.SIGTERM
    assert all(file.stat().st_size for file in files)
    assert b"Outcome" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["treemap", "."], "the following arguments are required: -o/--output"),
        (["treemap", ".", "-o", "x.png"], "-o 'x.png': the suffix selects the format, and must be one of .svg, .html"),
        (["treemap", ".", "-o", "x.svg", "--most", "0"], "--most must be a whole number of 1 or more, not 0"),
        (["treemap", ".", "-o", "x.svg", "--errors", "x.svg"], "two outputs cannot go to one file"),
        (["scan", ".", "--report", "x.htm"], "must be one of .json, .md, .html"),
    ],
)  # fmt: skip
def test_usage_errors(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = call(*arguments, cwd=tmp_path)
    assert message in result.stderr.decode()
    assert (result.returncode, result.stdout, list(tmp_path.iterdir())) == (2, b"", [])


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("matplotlib", ["scan", ".", "--report", "x.html"]), ("squarify", ["treemap", ".", "-o", "x.svg"])],
)
def test_a_missing_extra_is_named_in_the_message(module: str, arguments: list[str], tmp_path: Path) -> None:
    """Simulates a missing package: the import system does not find it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util; found = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {module!r} else found(name, *rest)\n"
    )
    result = run(*arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert result.stderr.decode().endswith("requires an optional dependency: pip install 'parallel-scanner[report]'\n")
    assert (result.returncode, result.stdout) == (2, b"")


def test_an_unwritable_report_is_still_printed(tmp_path: Path) -> None:
    result = run("scan", tmp_path, "--report", "/dev/full")
    assert result.returncode == 2, "the name has no suffix"
    (tmp_path / "full.json").symlink_to("/dev/full")
    result = run("scan", tmp_path, "--report", tmp_path / "full.json")
    assert result.returncode == 3
    assert result.stderr.startswith(b"scanner: cannot write")
    assert b"Outcome             complete" in result.stdout


def test_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "Scanned             /x\nOutcome             failed\nErrors              2 denied\n"
        "Incidents           1 retry\n\nErrors:\n  denied: /x\n"
    )
    assert painted(text) == (
        "\x1b[1mScanned             \x1b[0m/x\n"
        "\x1b[1mOutcome             \x1b[0m\x1b[1;31mfailed\x1b[0m\n"
        "\x1b[1mErrors              \x1b[0m\x1b[1;33m2 denied\x1b[0m\n"
        "\x1b[1mIncidents           \x1b[0m\x1b[1;33m1 retry\x1b[0m\n"
        "\n\x1b[1;31mErrors:\x1b[0m\n  denied: /x\n"
    )

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal: Any = Terminal()
    assert colours_wanted(terminal)
    assert not colours_wanted(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours_wanted(terminal)


def test_lines_of_the_report_fit_a_terminal(trees: dict[str, Path]) -> None:
    result = run("scan", "--backend", "pool", "--workers", "2", ".", cwd=trees["monorepo"])
    assert max(map(len, result.stdout.decode().splitlines())) <= 80


def test_spaces_in_names_are_preserved(tmp_path: Path) -> None:
    """HTML and Markdown would collapse them without a style or an escape."""
    names = ["a  b", "a b", "   before", "behind  "]
    tree = make(tmp_path / "tr  ee", {name: {f"{name}.x  y": None} for name in names})
    for name in names:
        (tree / name / f"{name}.x  y").write_bytes(b"x" * 50_000)
    page, report, drawing = (tmp_path / f"a.{suffix}" for suffix in ("html", "md", "svg"))
    assert call("scan", "--sizes", tree, "--report", page, "--report", report).returncode == 0
    assert call("treemap", tree, "-o", drawing).returncode == 0
    text = page.read_text()
    style = text[text.index("<style>") : text.index("</style>")]
    assert "white-space: pre-wrap" in rule(style, "td:last-child")
    assert "white-space: pre-wrap" in rule(style, "h1")
    assert "white-space: pre-wrap" in rule(style, ".path")
    assert "white-space: pre;" in rule(style, ".plot text")
    for name in names:
        assert f"<td>{tree}/{name}</td>" in text, "in a last cell, without other text"
        assert f"/{name}.x  y</td>" in text
    for some in (text, drawing.read_text()):
        treemap = some[some.index('class="treemap"') :]
        assert 'xml:space="preserve"' in treemap[: treemap.index(">")]
        assert "white-space: pre;" in rule(treemap, ".treemap text")
        assert ">   before  " in treemap
    assert "tr&nbsp;&nbsp;ee/&nbsp;&nbsp;&nbsp;before |" in report.read_text()
    assert "/behind&nbsp;&nbsp; |" in report.read_text()


def rule(style: str, selector: str) -> str:
    """Return all declarations of a selector in a style sheet."""
    return " ".join(
        body for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", style)
        if selector in [each.strip() for each in selectors.split(",")]
    )  # fmt: skip
