"""Signatures and docstrings of functions that take the options of a scan as keywords."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from scanner.options import DEFAULTS, PUBLIC, ScanOptions

__all__ = ["ScanOptions", "takes_options"]

Function = TypeVar("Function", bound=Callable[..., Any])
LINES = [line.strip() for line in (ScanOptions.__doc__ or "").splitlines()]
SUMMARIES = {name: line for line in LINES if (name := line.partition(":")[0]) in DEFAULTS}
"""The first line on each option in the docstring of ScanOptions; empty with python -OO."""


def takes_options(*refused: str, **defaults: object) -> Callable[[Function], Function]:
    """Decorate a function or class that takes options as keywords: its signature and docstring show all of them.

    refused   options that it does not take
    defaults  its own defaults, where they differ from those of ScanOptions
    """
    values = {name: defaults.get(name, DEFAULTS[name]) for name in PUBLIC if name not in refused}

    def decorate(function: Any) -> Any:
        called = function
        if isinstance(function, type):
            called = vars(function).get("__init__", function.__new__)
        called.__wrapped__ = _shown(called, values)
        if function.__doc__:
            function.__doc__ += _summaries(function.__doc__, values)
        return function

    return decorate


def _summaries(doc: str, values: dict[str, Any]) -> str:
    """Return the text about the options that `doc` does not describe."""
    described = {line.strip().partition(":")[0] for line in doc.splitlines()}
    summaries = [line for name, line in SUMMARIES.items() if name in values and name not in described]
    indent = doc.rpartition("\n")[2]
    heading = ["", "Options, see `ScanOptions` for details:"]
    return f"\n{indent}".join([*heading, *(f"    {line}" for line in summaries), ""]) if summaries else ""


def _shown(function: Any, values: dict[str, Any]) -> Any:
    """Return a function whose parameters `inspect.signature` and `help` show instead of those of `function`.

    Without annotations, as in the standard library: those of all options fill a page. The stub has them.
    """
    code, positional = function.__code__, function.__code__.co_argcount
    own = code.co_varnames[: positional + code.co_kwonlyargcount]
    names = own + tuple(name for name in values if name not in own)
    shown = FunctionType(
        _not_called.__code__.replace(
            co_argcount=positional, co_kwonlyargcount=len(names) - positional, co_varnames=names, co_nlocals=len(names),
            co_filename=code.co_filename, co_firstlineno=code.co_firstlineno,
        ), function.__globals__, function.__name__,
    )  # fmt: skip
    defaults = function.__defaults__ or ()
    named = own[positional - len(defaults) : positional]
    shown.__defaults__ = tuple(values.get(name, default) for name, default in zip(named, defaults, strict=True))
    shown.__kwdefaults__ = {**values, **(function.__kwdefaults__ or {})}
    return shown


def _not_called() -> None: ...


takes_options()(ScanOptions)  # not in `options`, which worker processes import
