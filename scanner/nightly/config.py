"""The configuration of nights: a TOML file whose keys are the options, for one or several trees."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scanner.errors import OptionError

TREES = "trees"
ROOTS = "roots"


def read_config(path: str) -> dict[str, dict[str, Any]]:
    """Return the keys of each tree by its name, with those that hold for all. Raises OptionError.

    A file without [trees.NAME] returns one tree without a name.
    """
    try:
        with open(path, "rb") as file:
            config = tomllib.load(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"--config {path!r} cannot be read: {reason}") from error
    trees = config.pop(TREES, None)
    if trees is None:
        return {"": config}
    if not isinstance(trees, dict) or not trees or not all(isinstance(tree, dict) for tree in trees.values()):
        raise OptionError(f"--config {path!r}: [trees.NAME] must be a table for each tree")
    return {name: {**config, **tree} for name, tree in trees.items()}


def arguments_of(path: str, tree: str, keys: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    """Yield the command-line arguments that some keys stand for. `known`: the options. Raises OptionError."""
    where = f"--config {path!r}{f' [trees.{tree}]' if tree else ''}"
    for key, value in keys.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, (str, int, float, bool)) for each in values):
            raise OptionError(f"{where}: {key} must be text, a number, true or false, or a list of these")
        if key == ROOTS:
            yield from map(str, values)
        elif f"--{key}" not in known:
            raise OptionError(f"{where}: there is no option {key!r}{_near(key, known)}")
        else:
            for each in values:
                if each is True:
                    yield f"--{key}"
                elif each is not False:
                    yield f"--{key}={each}"


def _near(key: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # not needed otherwise

    near = get_close_matches(f"--{key}", known, 1)
    return f" (did you mean {near[0][2:]!r}?)" if near else ""
