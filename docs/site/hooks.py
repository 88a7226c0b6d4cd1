"""Hooks of MkDocs: pages from the top of the repository, and links that lead out of docs/."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
TOP_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
OPTIONAL = {"cluster.md"}
"""Pages with a place in the navigation once they exist."""
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:)([^)#\s]+)(#[^)\s]+)?\)")
DIRECTIVE = re.compile(r"^<!-- (::: .*?) -->$", re.M | re.S)
"""A comment that a code host hides: mkdocstrings puts signature and docstring there."""
log = logging.getLogger("mkdocs.scanner")  # below mkdocs, so that a warning is an error


def on_config(config: Any) -> None:
    """Remove optional pages that do not exist from the navigation."""
    missing = {name for name in OPTIONAL if not (ROOT / "docs" / name).exists()}
    for section in config.nav:
        for name, below in section.items():
            if isinstance(below, list):
                section[name] = [item for item in below if not missing & set(item.values())]


def on_files(files: Any, config: Any) -> None:
    """Add the pages from the top of the repository."""
    for name in TOP_PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Point links to files of the repository to their pages, or to the code host if it is known."""
    name = page.file.src_uri
    directory = ROOT if name in TOP_PAGES else (ROOT / "docs" / name).parent

    def changed(match: re.Match[str]) -> str:
        text, target, anchor = match.groups("")
        path = Path(os.path.normpath(directory / target))
        if not path.exists():
            log.warning("%s links to %s, which does not exist", name, target)
        if path.parent == ROOT and path.name in TOP_PAGES:
            target = path.name
        elif path.is_relative_to(ROOT / "docs"):
            target = str(path.relative_to(ROOT / "docs"))
        elif config.repo_url:
            target = f"{config.repo_url}/blob/main/{path.relative_to(ROOT)}"
        else:
            return f"`{text.strip('`')}`"
        return f"[{text}]({target}{anchor})"

    return DIRECTIVE.sub(r"\1", LINK.sub(changed, markdown))
