"""The configuration of nights: a TOML file whose keys are the options, for one or several trees."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scanner.errors import OptionError

TREES, ROOTS = "trees", "roots"
COMMAND_LINE_ONLY = {"config", "help", "install-cron", "install-systemd", "at"}
SHARED = {"store", "to", "prom", "name"}
"""Keys that name one file, directory or tree: above the tables they are refused, but `to`, which is divided."""
Keys = Mapping[str, Any]


def read_config(path: str) -> tuple[Keys, dict[str, Keys]]:
    """Return the keys that hold for all trees, and those of each tree by its name. Raises OptionError.

    A file without [trees.NAME] is of one tree without a name.
    """
    try:
        with open(path, "rb") as file:
            config = tomllib.load(file)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"--config {path!r} cannot be read: {reason}") from error
    trees = config.pop(TREES, None)
    if trees is None:
        return {}, {"": config}
    if not isinstance(trees, dict) or not trees or not all(isinstance(tree, dict) for tree in trees.values()):
        raise OptionError(f"--config {path!r}: [trees.NAME] must be a table for each tree")
    if len(trees) > 1 and (found := sorted(SHARED - {"to"} & config.keys())):
        raise OptionError(f"--config {path!r}: {found[0]} cannot be the same for all trees: write it into each table")
    return config, trees


def arguments_of(where: str, keys: Keys, known: Collection[str]) -> Iterator[str]:
    """Yield the command-line arguments that some keys stand for, the roots last.

    `where`: the file and its table, for errors; `known`: the options. Raises OptionError.
    """
    for key, value in keys.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, (str, int, float)) for each in values):
            raise OptionError(f"{where}: {key} must be text, a number, true or false, or a list of these")
        if key != ROOTS:
            yield from _option(where, key, values, known)
    roots = keys.get(ROOTS, [])
    yield "--"
    yield from map(str, roots if isinstance(roots, list) else [roots])


def _option(where: str, key: str, values: list[Any], known: Collection[str]) -> Iterator[str]:
    if f"--{key}" not in known or key in COMMAND_LINE_ONLY:
        raise OptionError(f"{where}: there is no option {key!r}{_near(key, known)}")
    for each in values:
        if each is True:
            yield f"--{key}"
        elif each is not False:
            yield f"--{key}={each}"
        elif f"--no-{key}" in known:
            yield f"--no-{key}"


def _near(key: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # not needed otherwise

    near = get_close_matches(f"--{key}", known, 1)
    return f" (did you mean {near[0][2:]!r}?)" if near else ""
