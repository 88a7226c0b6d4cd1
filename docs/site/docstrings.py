"""Extension of Griffe: docstrings of this package as Markdown, and signatures of functions that take options.

The docstrings list arguments and attributes as `name: text` or in two columns. Both become definition lists.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Class, Extension, Function, Module, Parameter, ParameterKind

OPTIONS = "Options, see `ScanOptions` for details:"
NAMES = r"\w+(?:, \w+)*"
FIRST = re.compile(rf"({NAMES})(?:: +|  +|$)(.*)")
COLON = re.compile(rf"{NAMES}: ")


class Docstrings(Extension):
    """Rewrites what Griffe has found, before mkdocstrings renders it."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Rewrite a docstring, and shorten a signature to the parameters that the docstring describes."""
        self._rewrite(func)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Rewrite a docstring."""
        self._rewrite(cls)

    def on_module_members(self, *, mod: Module, **_: Any) -> None:
        """Take the last of several forms of a function: a stub has no other."""
        for name, forms in mod.overloads.items():
            if name not in mod.members:
                mod.set_member(name, forms[-1])

    def on_attribute(self, *, attr: Any, **_: Any) -> None:
        """Rewrite the docstring of a property."""
        self._rewrite(attr)

    def _rewrite(self, found: Any) -> None:
        if found.docstring is None:
            return
        own, heading, options = found.docstring.value.partition(OPTIONS)
        if heading:
            described = set(re.findall(r"^ *(\w+):", own, re.M))
            function = found.members.get("__init__") if found.is_class else found
            shorten(function, described)
            options = f'\n??? note "Options"\n\n{textwrap.indent(markdown(textwrap.dedent(options)), "    ")}'
        found.docstring.value = markdown(own) + options


def shorten(function: Any, described: set[str]) -> None:
    """Replace the keywords that the docstring's own part does not describe by `**keywords`.

    Those that may be given by position stay.
    """
    for parameter in list(function.parameters):
        if parameter.kind is ParameterKind.keyword_only and parameter.name not in described:
            del function.parameters[parameter.name]
    function.parameters.add(Parameter("keywords", kind=ParameterKind.var_keyword))


def markdown(text: str) -> str:
    """Return a docstring as Markdown, with lists of arguments and attributes as definition lists."""
    blocks = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(definitions(block) if is_list(block) else block for block in blocks) + "\n"


def is_list(block: str) -> bool:
    lines = block.splitlines()
    if lines[0].startswith("    "):
        return COLON.match(lines[0].strip()) is not None
    return (COLON.match(lines[0]) is not None and is_flat(lines)) or in_columns(lines)


def is_flat(lines: list[str]) -> bool:
    return all(line.startswith(" ") or COLON.match(line) for line in lines)


def in_columns(lines: list[str]) -> bool:
    """Return whether each line has names and a text after two spaces or more, or continues such a text."""
    heads = [line for line in lines if not line.startswith(" ")]
    return (
        len(lines) > 0
        and all(re.match(rf"{NAMES}(?:  +\S| \S+$|$)", line) for line in heads)
        and any(re.match(rf"{NAMES}  +\S", line) for line in lines)
    )


def definitions(block: str) -> str:
    """Return a definition list. Lines that are indented more than the first continue a definition."""
    lines = textwrap.dedent(block).splitlines()
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        match = None if line.startswith(" ") else FIRST.match(line)
        if match:
            items.append((match[1], [match[2]]))
        else:
            items[-1][1].append(line.strip())
    return "\n\n".join(
        ", ".join(f"`{name}`" for name in names.split(", ")) + "\n:   " + "\n    ".join(filter(None, text))
        for names, text in items
    )
