"""The page of a night in a real browser: Chromium, driven by Playwright."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import scanner
from tests.support.shell import call
from tests.support.trees import make

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
HOSTILE = [
    b"new\nline",
    b"<script>window.pwned = 1<\\script>",
    b"\xff\xfe",
    "文件".encode() * 9,
    b"\x1b[31mred",
    b"'\"`$x$ & <b>",
]
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
CONTRASTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = channels(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(svg *):not(script)")) {
    const text = [...element.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data.trim()).join("");
    if (!text || !element.checkVisibility()) continue;
    const pair = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), text]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a third night, of a tree with hostile names."""
    top = tmp_path_factory.mktemp("night")
    tree = make(top / "srv", {"a": {"b": {"c": {"f.log": None}}, "d": {"g.txt": None}}, "e": {"h": None}})
    for path, size in (("a/b/c/f.log", 900_000), ("a/d/g.txt", 500_000), ("e/h", 700_000)):
        (tree / path).write_bytes(b"x" * size)
    for number, name in enumerate(HOSTILE):
        folder = os.path.join(os.fsencode(tree), b"odd", name)
        os.makedirs(folder)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"x" * (200_000 + number))
    for size in (0, 400_000, 300_000):
        (tree / "e" / "grown.bin").write_bytes(b"x" * size)
        assert call("nightly", tree, "--store", top / "scan" / "srv.snap").returncode == 0
    return top / "scan" / "latest.html"


class Opened:
    """A page that is open, and what went wrong in it."""

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self._context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})
        self.page: Page = self._context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        self.page.goto(address)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    @property
    def directory(self) -> str:
        """The directory that is drawn."""
        return str(self.page.locator("#treemap svg").get_attribute("aria-label")).partition(": ")[0]

    def tile(self, name: str) -> Any:
        return self.page.locator(f"#treemap g[tabindex][aria-label*='/{name}:']")


def test_a_directory_is_entered_by_a_click_and_left_by_the_way_back(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri()) as opened:
        top = opened.directory
        assert top.endswith("/srv")
        opened.tile("a").locator("rect").first.click(position={"x": 20, "y": 6})
        assert opened.directory == f"{top}/a"
        assert opened.page.locator(".map-path button").all_inner_texts() == [top, "a"]
        opened.tile("b").locator("rect").first.click(position={"x": 20, "y": 6})
        assert opened.directory == f"{top}/a/b"
        opened.page.go_back()
        assert opened.directory == f"{top}/a"
        opened.page.locator(".map-path button").first.click()
        assert opened.directory == top
        assert opened.problems == []


def test_a_directory_is_entered_and_left_by_the_keyboard(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri()) as opened:
        top = opened.directory
        opened.page.locator("#treemap g[tabindex]").first.focus()
        focused = "document.activeElement.getAttribute('aria-label')"
        first = opened.page.evaluate(focused)
        opened.page.keyboard.press("ArrowRight")
        assert opened.page.evaluate(focused) != first
        opened.page.keyboard.press("ArrowLeft")
        assert opened.page.evaluate(focused) == first
        opened.page.keyboard.press("Enter")
        assert opened.directory == first.partition(": ")[0]
        opened.page.keyboard.press("Escape")
        assert opened.directory == top
        assert opened.problems == []


def test_colours_show_growth_on_request(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri()) as opened:
        rect = opened.page.locator("#treemap g[aria-label*='/e:'] > rect").first
        before = rect.get_attribute("fill")
        button = opened.page.get_by_role("button", name="Colour by growth")
        assert button.get_attribute("aria-pressed") == "false"
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert rect.get_attribute("fill") != before
        assert opened.page.get_by_text("shrank by 10 % or more").is_visible()
        assert "-96 KiB since the night before" in str(opened.tile("e").get_attribute("aria-label"))
        button.click()
        assert rect.get_attribute("fill") == before


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_and_has_enough_contrast(browser: Browser, night: Path, theme: Any, width: int) -> None:
    """Contrast as WCAG 2.1 AA requires: 4.5."""
    with Opened(
        browser, night.as_uri(), viewport={"width": width, "height": 800}, color_scheme=theme
    ) as opened:  # fmt: skip
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        contrasts = opened.page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [item for item in contrasts if item[0] < 4.5] == []
        assert opened.problems == []


def test_without_scripts_the_treemap_is_a_picture(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri(), java_script_enabled=False) as opened:
        assert opened.page.locator("#treemap svg rect").count() > 10
        assert opened.page.locator("#treemap svg text", has_text="f.log").count() == 1, "a large file has its name"
        assert opened.page.locator("button").count() == 0
        assert opened.page.locator("#treemap svg text", has_text="f.log").is_visible()


def test_hostile_names_are_text(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri()) as opened:
        assert opened.page.evaluate("window.pwned") is None
        assert opened.page.locator("script").count() == 2
        opened.tile("odd").locator("rect").first.click(position={"x": 20, "y": 6})
        labels = [str(each.get_attribute("aria-label")) for each in opened.page.locator("#treemap g[tabindex]").all()]
        assert len(labels) == len(HOSTILE)
        assert any("<script>window.pwned = 1" in label for label in labels)
        assert opened.problems == []


def test_paper_has_no_buttons(browser: Browser, night: Path) -> None:
    with Opened(browser, night.as_uri()) as opened:
        opened.page.emulate_media(media="print")
        assert not opened.page.get_by_role("button", name="Colour by growth").is_visible()
        assert opened.page.locator("#treemap svg").is_visible()
        assert opened.page.pdf(format="A4").startswith(b"%PDF")


def test_under_a_policy_that_forbids_styles_pictures_keep_their_colours(browser: Browser, night: Path) -> None:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("Content-Security-Policy", JENKINS)
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(night.parent)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Opened(
            browser, f"http://127.0.0.1:{server.server_port}/{night.name}", java_script_enabled=False
        ) as opened:
            line = opened.page.locator("svg[aria-label^='Size'] path[stroke-width='1.6']").first
            assert line.get_attribute("stroke") == "var(--c1, #0072b2)"
            assert opened.page.locator("#treemap rect").first.get_attribute("fill") == "#e4e4e4"
            assert opened.page.locator("svg[aria-label^='Size']").first.get_attribute("style") is None
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_trend_of_three_hundred_snapshots(browser: Browser, tmp_path: Path) -> None:
    tree = make(tmp_path / "srv", {"a": {"b": None}})
    assert call("nightly", tree, "--store", tmp_path / "scan" / "srv.snap").returncode == 0
    fields = scanner.Store(tmp_path / "scan" / "srv.snap").fields
    for number in range(299):
        (tree / "a" / "b").write_bytes(b"x" * 100 * number)
        scanner.scan(tree, store=tmp_path / "scan" / "srv.snap", stat=fields)
    assert call("nightly", tree, "--store", tmp_path / "scan" / "srv.snap").returncode == 0
    page = tmp_path / "scan" / "latest.html"
    assert page.stat().st_size < 400_000
    with Opened(browser, page.as_uri(), viewport={"width": 400, "height": 800}) as opened:
        assert opened.page.get_by_text("Trend over 301 snapshots").is_visible()
        for title in ("Size", "Files", "Duration of the scan", "Errors"):
            assert opened.page.locator(f"svg[aria-label^='{title}: now']").is_visible()
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 400
        assert opened.problems == []


def test_a_failed_night_says_so_first(browser: Browser, night: Path) -> None:
    tree = night.parent.parent / "srv"
    tree.rename(tree.with_name("away"))
    try:
        assert call("nightly", tree, "--store", night.parent / "srv.snap").returncode == 3
        with Opened(browser, night.as_uri()) as opened:
            assert opened.page.locator("h1").inner_text() == "srv: FAILED"
            banner = opened.page.locator(".banner")
            assert "No such file or directory" in banner.inner_text()
            tops = [opened.page.locator(each).first.bounding_box() for each in (".banner", "h2")]
            assert tops[0] is not None
            assert tops[1] is not None
            assert tops[0]["y"] < tops[1]["y"]
            assert opened.problems == []
    finally:
        tree.with_name("away").rename(tree)
        assert call("nightly", tree, "--store", night.parent / "srv.snap").returncode == 0
