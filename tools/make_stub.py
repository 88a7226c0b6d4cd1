"""Write scanner/__init__.pyi: the public functions with all of their options, for type checkers and editors.

    tools/make_stub.py            write it
    tools/make_stub.py --check    fail if it is not up to date

The functions take options as `**keywords`. Editors complete and describe only parameters that they see in a file.
Annotations come from the source, names, order, defaults and docstrings from the imported functions.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import scanner  # noqa: E402
from scanner import options  # noqa: E402

STUB = ROOT / "scanner" / "__init__.pyi"
WIDTH = 120
NARROWED = {"stat": "bool | Field | Sequence[Field]"}
"""Annotations of options that are wider in the source: the shell has fields as text."""
HEAD = '''\
# Written by tools/make_stub.py. Do not edit.
# ruff: noqa
# fmt: off
"""{doc}"""

import os
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from typing import AnyStr, overload

{imports}
from scanner.errors import ErrorMode as ErrorMode
from scanner.fields import EntryType as EntryType, Field as Field
from scanner.model import FaultKind as FaultKind, Operation as Operation, Walked
from scanner.options import BackendName as BackendName, Moment, PathLike, Prune, Size, StartMethod as StartMethod
from scanner.options import TrustName as TrustName
from scanner.options import ScanOptions as _ScanOptions
from scanner.parallel import ParallelScanner as _ParallelScanner
from scanner.plan.merge import OnError
from scanner.run import ProgressCallback
from scanner.usage import TimeName
from scanner import testing as testing

__version__: str
__all__ = {names}
'''


def stub() -> str:
    functions = ("walk", "entries", "estimate", "scan", "du", "why")
    written = {"ParallelScanner", "ScanOptions", "aentries", "awalk", "scan_parallel", *functions}
    homes = {name: home for name, home in scanner._HOMES.items() if name not in written}
    imports = "\n".join(f"from scanner.{home} import {name} as {name}" for name, home in homes.items())
    names = "[\n" + "".join(f'    "{name}",\n' for name in scanner.__all__) + "]"
    parts = [HEAD.format(doc=scanner.__doc__, imports=imports, names=names)]
    parts += [function(getattr(scanner, name)) for name in functions]
    parts += [overloaded(scanner.awalk, "Walked[AnyStr]"), overloaded(scanner.aentries, "Entry[AnyStr]")]
    parts += [function(scanner.scan_parallel, "async def")]
    parts += [klass(scanner.ParallelScanner, scanner.ParallelScanner.__init__)]
    parts += [klass(scanner.ScanOptions, scanner.ScanOptions.__new__)]
    return "\n".join(parts)


def function(called: Callable[..., Any], keyword: str = "def", result: str = "") -> str:
    return f'{head(called, keyword, result=result)}\n    """{indented(called)}\n    """\n'


def overloaded(called: Callable[..., Any], item: str) -> str:
    """Return an asynchronous generator that yields single items, or lists of them with `batch`."""
    single = function(called, result=f"AsyncGenerator[{item}, None]")
    batches = function(called, result=f"AsyncGenerator[list[{item}], None]")
    batch = "batch: int | None = None"
    assert single.count(batch) == 1
    return (
        f"@overload\n{single.replace(batch, 'batch: None = None')}\n@overload\n{batches.replace(batch, 'batch: int')}"
    )


def klass(described: type, method: Callable[..., Any]) -> str:
    """Return a class with all parameters in `__init__`: jedi ignores `__new__`."""
    init = textwrap.indent(head(method, "def", "__init__", "None"), "    ")
    name = described.__name__
    return f'class {name}(_{name}):\n    """{indented(described)}\n    """\n\n{init} ...\n'


def head(called: Callable[..., Any], keyword: str, name: str = "", result: str = "") -> str:
    signature = inspect.signature(called)
    lines = textwrap.wrap(
        ", ".join(parameters(signature, called.__annotations__)),
        WIDTH - 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    name, result = name or called.__name__, result or called.__annotations__["return"]
    return "\n".join([f"{keyword} {name}(", *(f"    {line}" for line in lines), f") -> {result}:"])


def indented(described: Any) -> str:
    return textwrap.indent(inspect.getdoc(described) or "", "    ", str.strip).strip()


def parameters(signature: inspect.Signature, own: dict[str, str]) -> Iterator[str]:
    """Yield the parameters as they are written in a stub."""
    hints = annotations()
    keyword_only = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "*"
        if name in ("self", "cls"):
            yield "self"
            continue
        hint = hints.get(name) or own[name]
        yield f"{name}: {hint}" + ("" if parameter.default is parameter.empty else f" = {parameter.default!r}")


def annotations() -> dict[str, str]:
    """Return the annotations of all options as source text, with text where a unit can be written."""
    tree = ast.parse(Path(options.__file__).read_text())
    fields = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "OptionFields")
    found = {}
    for node in fields.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = ast.unparse(node.annotation)
            found[node.target.id] = f"str | {text}" if node.target.id in options.WITH_UNITS else text
    return found | NARROWED


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        STUB.write_text(stub())
    elif STUB.read_text() != stub():
        sys.exit(f"{STUB.relative_to(ROOT)} is not up to date: run tools/make_stub.py")
