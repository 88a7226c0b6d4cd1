"""Programs to measure: scanner, and other tools of the machine that walk trees."""

from __future__ import annotations

import random
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PYTHON = [sys.executable, "-P"]
SCANNER = [*PYTHON, "-m", "scanner"]
THREADS = """
def read(path):
    dirs, files = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            (dirs if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return path, dirs, files
def threads(top):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor() as pool:
        level = [top]
        while level:
            found = list(pool.map(read, level))
            yield from found
            level = [f"{path}/{name}" for path, dirs, _ in found for name in dirs]
"""
RUST = """
def rust(top):
    for root, dirs, files in scandir_rs.Walk(top):
        yield (os.path.join(top, root) if root else top), dirs, files
"""
INSIDE = """
import json, os, sys, time
{prelude}
TOP = sys.argv[1]
started = time.perf_counter()
for _ in range({repeat}):
    {code}
seconds = (time.perf_counter() - started) / {repeat}
figures = {{"seconds": seconds, {extra}}}
sys.stdout.write(json.dumps(figures)); sys.stdout.flush(); os._exit(0)
"""
SHOWING = """
import os, sys
{prelude}
TOP = sys.argv[1]
write = sys.stdout.buffer.write
for root, dirs, files in {walk}:
    for name in [*dirs, *files]:
        write(os.fsencode(os.path.join(root, name)) + b"\\0")
"""
SHOWING_STATED = """
import os, sys
{prelude}
TOP = sys.argv[1]
write = sys.stdout.buffer.write
for path, size, mtime in {stated}:
    write(b"%d %d %s\\0" % (size, mtime, os.fsencode(path)))
"""
LSTAT = """
def stated(top):
    for root, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(root, name)
            status = os.lstat(path)
            yield path, status.st_size, status.st_mtime_ns
"""


class Program(NamedTuple):
    """One program. `inside`: it measures itself and prints seconds as JSON; otherwise the whole process is measured.

    `shows`: command that prints the entries found, each ended by NUL; they are compared before the time counts.
    `environment`: additional variables. `version`: of a peer. `writes`: its output file, removed before each run, as
    the output of other programs is truncated.
    """

    name: str
    command: list[str]
    inside: bool = False
    shows: list[str] | None = None
    environment: dict[str, str] = {}  # noqa: RUF012  # never changed
    version: str = ""
    writes: str = ""


def python(name: str, walk: str, top: str, *, prelude: str, into: str = "list", repeat: int = 1, extra: str = "",
           environment: dict[str, str] | None = None) -> Program:  # fmt: skip
    """Return Python code that yields (root, dirs, files), measured without start-up and imports."""
    loop = f"result = list({walk})" if into == "list" else f"n = sum(len(files) for _, _, files in {walk})"
    if into == "itself":
        loop = f"result = {walk}"
    code = INSIDE.format(prelude=prelude, code=loop, repeat=repeat, extra=extra)
    shows = [*PYTHON, "-c", SHOWING.format(prelude=prelude, walk=walk), top]
    return Program(name, [*PYTHON, "-c", code, top], True, shows, environment or {})


def scan(
    top: str, options: str = "", *, name: str = "", repeat: int = 1, environment: dict[str, str] | None = None
) -> Program:
    """Return `scanner.scan`, which also reports Tasks and bytes sent between processes."""
    extra = '"tasks": result.stats.tasks, "bytes_between": result.stats.bytes_received'
    walk = f"scanner.scan(TOP{', ' if options else ''}{options})"
    name = name or f"scan({options})"
    return python(name, walk, top, prelude="import scanner; scanner.scan", into="itself", repeat=repeat, extra=extra,
                  environment=environment)  # fmt: skip


def walk(top: str, *, repeat: int = 1) -> Program:
    return python("walk, counting", "scanner.walk(TOP)", top, prelude="import scanner; scanner.walk", into="count",
                  repeat=repeat)  # fmt: skip


def os_walk(top: str, *, into: str = "list", repeat: int = 1) -> Program:
    name = "os.walk into a list" if into == "list" else "os.walk, counting"
    return python(name, "os.walk(TOP)", top, prelude="", into=into, repeat=repeat)


def os_walk_and_lstat(top: str) -> Program:
    code = INSIDE.format(prelude=LSTAT, code="result = list(stated(TOP))", repeat=1, extra="")
    shows = [*PYTHON, "-c", SHOWING_STATED.format(prelude=LSTAT, stated="stated(TOP)"), top]
    return Program("os.walk and os.lstat", [*PYTHON, "-c", code, top], True, shows)


def scan_stated(top: str, backend: str) -> Program:
    walk = f"scanner.scan(TOP, stat=('size', 'mtime_ns'), backend={backend!r})"
    code = INSIDE.format(prelude="import scanner; scanner.scan", code=f"result = {walk}", repeat=1, extra="")
    stated = f"((entry.path, entry.size, entry.mtime_ns) for entry in {walk}.entries() if entry.path != TOP)"
    shows = [*PYTHON, "-c", SHOWING_STATED.format(prelude="import scanner", stated=stated), top]
    name = f"scan(stat=('size', 'mtime_ns'), backend={backend!r})"
    return Program(name, [*PYTHON, "-c", code, top], True, shows)


def entries_stated(top: str) -> Program:
    """Return `scanner.entries`, reading a field of each entry."""
    walk = "scanner.entries(TOP, stat=('size', 'mtime_ns'))"
    code = INSIDE.format(
        prelude="import scanner; scanner.entries", repeat=1, extra="",
        code=f"n = sum(1 for entry in {walk} if entry.size is not None)",
    )  # fmt: skip
    stated = f"((entry.path, entry.size, entry.mtime_ns) for entry in {walk} if entry.path != TOP)"
    shows = [*PYTHON, "-c", SHOWING_STATED.format(prelude="import scanner", stated=stated), top]
    return Program("entries(stat=('size', 'mtime_ns'))", [*PYTHON, "-c", code, top], True, shows)


def in_python(top: str) -> Iterator[Program]:
    """Yield other walkers for Python, in any order."""
    yield python("a walk with a pool of threads", "threads(TOP)", top, prelude=THREADS)
    try:
        import scandir_rs
    except ImportError:
        return
    version = str(getattr(scandir_rs, "__version__", ""))
    yield python("scandir-rs (Walk)", "rust(TOP)", top, prelude=f"import scandir_rs{RUST}")._replace(version=version)


def listing(top: str, out: str, *selecting: str, fields: tuple[str, ...] = (), suffix: str = "") -> Program:
    """Return `scanner list -o FILE`, with flags that select entries and fields."""
    flags = [*selecting, *(f"{flag!r}" if " " in flag else flag for flag in fields), ""]
    command = [*SCANNER, "list", *selecting, *fields, "-o", out, top]
    return Program(
        f"scanner list {' '.join(flags)}-o FILE{suffix}", command, shows=[*SCANNER, "list", "-0", *selecting, top],
        writes=out,
    )  # fmt: skip


def listers(top: str) -> Iterator[Program]:
    """Yield other programs that print all paths, including symlinks and hidden files."""
    for names, flags, nul in (
        (("find",), [], "-print0"), (("fdfind", "fd"), ["-u"], "-0"), (("bfs",), [], "-print0"),
    ):  # fmt: skip
        if (command := found(*names)) is not None:
            call = [command, *flags, ".", top] if "fd" in names else [command, top]
            ends = [command, *flags, nul, ".", top] if "fd" in names else [command, top, nul]
            yield Program(f"{names[-1]} {' '.join([*flags, ''])}> FILE", call, shows=ends, version=version_of(command))


def ripgrep(top: str, *flags: str) -> Program | None:
    """Return `rg --files`, which prints files only."""
    command = found("rg")
    if command is None:
        return None
    call = [command, "--files", *flags]
    name = f"rg --files {' '.join(flags)} > FILE"
    return Program(name, [*call, top], shows=[*call, "-0", top], version=version_of(command))


def find_printf(top: str) -> Program | None:
    command = found("find")
    if command is None:
        return None
    call = [command, top, "-printf", "%s %T@ %p\\n"]
    name = "find -printf '%s %T@ %p\\n' > FILE"
    return Program(name, call, shows=[command, top, "-print0"], version=version_of(command))


def du(top: str, *flags: str) -> Program | None:
    command = found("du")
    if command is None:
        return None
    return Program(f"du {' '.join([*flags, ''])}> FILE", [command, *flags, top], shows=[command, *flags, "-0", top],
                   version=version_of(command))  # fmt: skip


def scanner_du(top: str, *flags: str) -> Program:
    call = [*SCANNER, "du", *flags]
    return Program(f"scanner du {' '.join([*flags, ''])}> FILE", [*call, top], shows=[*call, "-0", top])


NCDU = """
import json, os, subprocess, sys
output = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
with open(sys.argv[-2], "rb") as file:
    tree = json.loads(file.read().decode(errors="surrogateescape"))[3]
todo = [("", tree)]
while todo:
    above, item = todo.pop()
    own = item[0] if isinstance(item, list) else item
    path = os.path.join(above, own["name"])
    sys.stdout.buffer.write(os.fsencode(path) + b"\\0")
    todo += [(path, each) for each in item[1:]] if isinstance(item, list) else []
"""
DUC = """
import os, subprocess, sys
from xml.etree import ElementTree
duc, database, top = sys.argv[1:]
subprocess.run([duc, "index", "-q", "-d", database, top], check=True)
output = subprocess.run([duc, "xml", "-d", database, top], stdout=subprocess.PIPE, check=True).stdout
tree = ElementTree.fromstring(output)
todo = [(top, tree)]
while todo:
    path, item = todo.pop()
    sys.stdout.buffer.write(os.fsencode(path) + b"\\0")
    todo += [(os.path.join(path, each.get("name")), each) for each in item.findall("ent")]
"""
LOCATE = """
import subprocess, sys
locate, *update = sys.argv[1:]
subprocess.run(update, check=True)
subprocess.run([locate, "-d", update[update.index("-o") + 1], "-0", ""], check=True)
"""
EVERYTHING = ["-l", "0", "--prunefs", "", "--prunepaths", "", "--prunenames", "", "--prune-bind-mounts", "no"]


def inventories(top: str, out: str) -> Iterator[tuple[str, Program]]:
    """Yield programs that write what they find into a file, each with the nearest of our formats."""
    for name, flags in (("ncdu", ["-0", "-o"]), ("gdu", ["-n", "-o"])):
        if (command := found(name)) is not None and name in (version := version_of(command)).lower():
            call = [command, *flags, out, top]
            yield "ncdu", Program(f"{name} {' '.join(flags)} FILE", call, shows=[*PYTHON, "-c", NCDU, *call],
                                  version=version, writes=out)  # fmt: skip
    if (command := found("duc")) is not None:
        yield "sqlite", Program("duc index -d FILE", [command, "index", "-q", "-d", out, top],
                                shows=[*PYTHON, "-c", DUC, command, out, top], version=version_of(command),
                                writes=out)  # fmt: skip
    if (command := found("updatedb")) is not None and (locate := found("plocate", "locate")) is not None:
        call = [command, *EVERYTHING, "-o", out, "-U", top]
        yield "txt", Program("updatedb -o FILE", call, shows=[*PYTHON, "-c", LOCATE, locate, *call],
                             version=version_of(command), writes=out)  # fmt: skip


def found(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def version_of(command: str) -> str:
    result = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0].strip()


def system_calls(top: str, scratch: str, *, statx: bool = False) -> Program:
    """Return a loop in C that makes the system calls on one processor and keeps nothing: the lower bound."""
    compiler, command = found("cc"), f"{scratch}/limit"
    if compiler is None or sys.platform != "linux":
        raise NotHere("limit: requires Linux and a C compiler")
    source = str(Path(__file__).with_name("limit.c"))
    subprocess.run([compiler, "-O2", "-o", command, source], check=True, capture_output=True)
    name = "its system calls in C, with statx" if statx else "its system calls in C"
    return Program(name, [command, top, *(["statx"] if statx else [])])


class NotHere(Exception):
    """A group of cases cannot run on this machine."""


KINDS = ("*.{}", "*.{}", "{}", "{}/", "/{}/", "{}/{}/*.{}", "*-{}.{}", "{}*", "**/{}/{}", "!{}.{}")


def patterns(count: int = 500) -> str:
    """Return patterns of all kinds that match nothing: the most expensive case."""
    chosen = random.Random(3)
    names = ("".join(chosen.choices(string.ascii_lowercase, k=chosen.randint(3, 9))) for _ in iter(int, 1))
    lines = [KINDS[number % len(KINDS)].format(next(names), next(names), next(names)) for number in range(count)]
    return "\n".join(lines) + "\n"


SLOW = """
seen = 0
for _, dirs, files in {walk}:
    seen += len(dirs) + len(files)
    # ten times as long as the walk, which takes a microsecond per entry
    while time.perf_counter() - started < seen * 10e-6:
        time.sleep(0.001)
"""
SLOW_PIPE = """
import subprocess, sys, time
started, seen = time.perf_counter(), 0
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
while piece := process.stdout.read1(65536):
    seen += piece.count(b"\\n")
    while time.perf_counter() - started < seen * 10e-6:
        time.sleep(0.001)
sys.exit(process.wait())
"""


def slow_consumers(top: str) -> Iterator[tuple[Program, Program]]:
    """Yield candidates with a slow consumer, and their baselines."""

    def slow(name: str, walk: str, prelude: str) -> Program:
        code = SLOW.format(walk=walk).strip().replace("\n", "\n    ")
        whole = INSIDE.format(prelude=prelude, code=code, repeat=1, extra="")
        return Program(name, [*PYTHON, "-c", whole, top], inside=True)

    yield (
        slow("walk, read slowly", "scanner.walk(TOP, backend='pool', max_workers=2)", "import scanner"),
        slow("os.walk, read slowly", "os.walk(TOP)", ""),
    )
    ours = [*SCANNER, "list", "--backend", "pool", "--workers", "2", top]
    if (find := found("find")) is not None:
        yield (
            Program("scanner list, read slowly", [*PYTHON, "-c", SLOW_PIPE, *ours]),
            Program("find, read slowly", [*PYTHON, "-c", SLOW_PIPE, find, top]),
        )
