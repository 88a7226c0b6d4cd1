"""Names of users and groups. They may come from the network: looked up once for each id, and never in workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scanner.encoding import utf8_bytes, utf8_text
from scanner.fields import NAMED


def owner_of(uid: int) -> str:
    """Return the name of a user, or the number if there is no name."""
    import pwd  # only where names are needed

    return _name_of(uid, lambda: pwd.getpwuid(uid).pw_name)


def group_of(gid: int) -> str:
    """Return the name of a group, or the number if there is no name."""
    import grp  # only where names are needed

    return _name_of(gid, lambda: grp.getgrgid(gid).gr_name)


def _name_of(number: int, look_up: Callable[[], str]) -> str:
    try:
        return utf8_bytes(utf8_text(look_up())).decode(errors="replace")
    except (KeyError, OverflowError, OSError):
        return str(number)


LOOK_UPS: dict[str, Callable[[int], str]] = {"owner": owner_of, "group": group_of}


class Names:
    """The names of the ids that one scan has met."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int | None, str | None]] = {name: {None: None} for name in NAMED}

    def of(self, field: str, ids: list[Any]) -> list[str | None]:
        """Return the values of a field of NAMED, None where the id is."""
        known = self._known[field]
        for each in set(ids) - known.keys():
            known[each] = LOOK_UPS[field](each)
        return [known[each] for each in ids]

    def add(self, values: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return the values of fields, with the names of the ids among them."""
        return values | {name: self.of(name, values[column]) for name, column in NAMED.items() if column in values}
