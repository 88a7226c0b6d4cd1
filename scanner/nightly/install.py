"""What runs a night every night: a line for cron, or a service and a timer of systemd, filled in."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Sequence
from typing import NamedTuple

UNITS = "/etc/systemd/system"


class Job(NamedTuple):
    """A command to run each night.

    command      words, the first one an absolute path
    name         of the trees
    roots        absolute paths of the trees
    directories  that it writes to, absolute
    workdir      None if no path is relative
    hour, minute local time
    """

    command: Sequence[str]
    name: str
    roots: Sequence[str]
    directories: Sequence[str]
    workdir: str | None
    hour: int
    minute: int


def this_program() -> list[str]:
    """Return the command that runs this program again, from any directory."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "__main__.py" or not os.access(script, os.X_OK):
        return [sys.executable, "-m", "scanner"]
    return [script]


def cron_line(job: Job) -> str:
    """Return a line for the crontab of the user who runs this. A `%` would begin the input of the command."""
    words = shlex.join(job.command)
    command = words if job.workdir is None else f"cd {shlex.quote(job.workdir)} && {words}"
    return f"{job.minute} {job.hour} * * * " + command.replace("%", "\\%") + "\n"


def systemd_script(job: Job) -> str:
    """Return a shell script that installs and starts the timer. It must be run by root."""
    unit = "scanner-" + "".join(char if char.isascii() and char.isalnum() else "-" for char in job.name)
    user = pwd.getpwuid(os.geteuid()).pw_name
    places = shlex.join(job.directories)
    return (
        f"set -e\n"
        f"install -d -o {shlex.quote(user)} {places}\n"
        f"cat > {UNITS}/{unit}.service <<'END'\n{service(job, user)}END\n"
        f"cat > {UNITS}/{unit}.timer <<'END'\n{timer(job)}END\n"
        f"systemctl daemon-reload\n"
        f"systemctl enable --now {unit}.timer\n"
    )


def service(job: Job, user: str) -> str:
    """Return the service.

    It may write to its own directories only, and to a cache, where matplotlib keeps what it knows of fonts. Exit code 1
    is that of unreadable directories. A stop goes to the scan, which ends its workers.
    """
    return f"""\
[Unit]
Description=Nightly scan of {_value(job.name)}
RequiresMountsFor={" ".join(map(_word, [*job.roots, *job.directories]))}

[Service]
Type=oneshot
ExecStart={" ".join(map(_word, job.command))}
{"" if job.workdir is None else f"WorkingDirectory={_value(job.workdir)}" + chr(10)}User={user}
SuccessExitStatus=1
Nice=19
IOSchedulingClass=idle
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={" ".join(map(_word, job.directories))}
CacheDirectory=scanner
Environment=MPLCONFIGDIR=/var/cache/scanner
KillMode=mixed
PrivateTmp=yes
NoNewPrivileges=yes
"""


def timer(job: Job) -> str:
    return f"""\
[Unit]
Description=Nightly scan of {_value(job.name)}

[Timer]
OnCalendar=*-*-* {job.hour:02}:{job.minute:02}:00
RandomizedDelaySec=5min
Persistent=yes

[Install]
WantedBy=timers.target
"""


def _value(text: str) -> str:
    """Escape specifiers and line ends of systemd."""
    return text.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")


def _word(text: str) -> str:
    """Quote a word of a list or a command as systemd reads it."""
    escaped = _value(text).replace('"', '\\"').replace("$", "$$")
    return escaped if text and not set(text) & set(" \t\n\"'\\;") else f'"{escaped}"'
