"""What is needed by some, and not installed with the rest."""

from __future__ import annotations

from importlib.util import find_spec

from scanner.errors import OptionError


def missing(extra: str, what: str) -> OptionError:
    return OptionError(f"{what} needs what is not installed: pip install 'parallel-scanner[{extra}]'")


def need(extra: str, what: str, *modules: str) -> None:
    """Raise OptionError unless the `modules` are there, without loading them."""
    if any(find_spec(module) is None for module in modules):
        raise missing(extra, what)
