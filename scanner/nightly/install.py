"""Install a nightly job: a line for cron, or a service and a timer of systemd, filled in."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

from scanner.errors import OptionError

UNITS = "/etc/systemd/system"
PRIVATE = "/tmp/", "/var/tmp/"
"""Directories of which a service with PrivateTmp has its own."""


class Job(NamedTuple):
    """A command to run each night.

    command      words, the first one an absolute path
    name         of the trees
    roots        absolute paths of the trees
    directories  that it makes and writes to, absolute
    others       that it writes to, absolute
    workdir      None if no path is relative
    hour, minute local time
    """

    command: Sequence[str]
    name: str
    roots: Sequence[str]
    directories: Sequence[str]
    others: Sequence[str]
    workdir: str | None
    hour: int
    minute: int


def this_program() -> list[str]:
    """Return the command that runs this program again, from any directory."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "__main__.py" or not os.access(script, os.X_OK):
        return [sys.executable, "-m", "scanner"]
    return [script]


def refuse_control_characters(job: Job) -> None:
    """Raise OptionError for words that cron or systemd would read as more than one line."""
    for word in (*job.command, *job.roots, *job.directories, *job.others, job.workdir or ""):
        if any(ord(char) < 32 or ord(char) == 127 for char in word):
            raise OptionError(f"{word!r} has control characters, which cron and systemd cannot be given")


def cron_line(job: Job) -> str:
    """Return a line for the crontab of the user who runs this. A `%` would begin the input of the command."""
    words = shlex.join(job.command)
    command = words if job.workdir is None else f"cd {shlex.quote(job.workdir)} && {words}"
    return f"{job.minute} {job.hour} * * * " + command.replace("%", "\\%") + "\n"


def systemd_script(job: Job) -> str:
    """Return a shell script that installs and starts the timer. It must be run by root."""
    unit = unit_name(job.name)
    user = pwd.getpwuid(os.geteuid()).pw_name
    make = "".join(
        f"[ -d {shlex.quote(path)} ] || install -d -o {shlex.quote(user)} {shlex.quote(path)}\n"
        for path in job.directories
    )
    return (
        f"set -e\n{make}"
        f"cat > {UNITS}/{unit}.service <<'END'\n{service(job, user)}END\n"
        f"cat > {UNITS}/{unit}.timer <<'END'\n{timer(job)}END\n"
        f"systemctl daemon-reload\n"
        f"systemctl enable --now {unit}.timer\n"
    )


def unit_name(name: str) -> str:
    """Return the name of the units, which differs for different names."""
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return f"scanner-{plain}" if plain == name else f"scanner-{plain}-{crc32(name.encode()):08x}"


def service(job: Job, user: str) -> str:
    """Return the service.

    It may write to its own directories only, and to a cache, where matplotlib keeps what it knows of fonts. Exit code 1
    is that of unreadable directories. A stop goes to the scan, which ends its workers.
    """
    places = [*job.roots, *job.directories, *job.others]
    is_private = any((path + "/").startswith(PRIVATE) for path in [*places, job.workdir or ""])
    lines = [
        "[Unit]",
        f"Description=Nightly scan of {_plain(job.name)}",
        f"RequiresMountsFor={_paths(places)}",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in job.command)}",
        *([] if job.workdir is None else [f"WorkingDirectory={_plain(job.workdir)}"]),
        f"User={user}",
        "SuccessExitStatus=1",
        "Nice=19",
        "IOSchedulingClass=idle",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        f"ReadWritePaths={_paths([*job.directories, *job.others])}",
        "CacheDirectory=scanner",
        "Environment=MPLCONFIGDIR=/var/cache/scanner",
        "KillMode=mixed",
        *([] if is_private else ["PrivateTmp=yes"]),
        "NoNewPrivileges=yes",
    ]
    return "\n".join(lines) + "\n"


def timer(job: Job) -> str:
    return f"""\
[Unit]
Description=Nightly scan of {_plain(job.name)}

[Timer]
OnCalendar=*-*-* {job.hour:02}:{job.minute:02}:00
RandomizedDelaySec=5min
Persistent=yes

[Install]
WantedBy=timers.target
"""


def _plain(text: str) -> str:
    """Escape a value that systemd does not unquote: only specifiers."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Quote a word of a list."""
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return escaped if text and not set(text) & set(" \"'\\;#") else f'"{escaped}"'


def _paths(paths: Iterable[str]) -> str:
    return " ".join(map(_quoted, dict.fromkeys(paths)))
