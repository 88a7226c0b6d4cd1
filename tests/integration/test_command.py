"""The command, as a process of its own: output, errors, exit codes, signals, terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

import scanner
from tests.support.pairwise import pairwise
from tests.support.shell import PATIENCE, ROOT, SCANNER, as_user, call, processor_seconds, run, start, until_scanning
from tests.support.trees import make, make_endless

SHELL_BACKENDS: dict[str, list[str]] = {
    "serial": ["--backend", "serial"],
    "auto": [],
    **{
        f"pool-{method}": ["--backend", "pool", "--workers", "2", "--start-method", method]
        for method in ("fork", "forkserver", "spawn")
    },
}


@pytest.fixture(params=SHELL_BACKENDS)
def how(request: pytest.FixtureRequest) -> list[str]:
    """Return the options that choose a backend."""
    return SHELL_BACKENDS[request.param]


def workers_of(how: list[str]) -> int:
    return 2 if "pool" in how else 0


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_endless(tmp_path_factory.mktemp("endless"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("list .", 0), ("scan .", 0), ("list TREE", 0), ("list -o - --errors TREE/errors TREE", 0), ("du TREE", 0),
        ("list -o file TREE", 3), ("scan --report report.json TREE", 3), ("du .", 3), ("why . x", 3),
        ("scan --gitignore .", 3),
    ],
)  # fmt: skip
def test_the_working_directory_is_gone(command: str, code: int, tmp_path: Path) -> None:
    """Absolute paths work. A scan of the working directory itself finds it empty."""
    tree = make(tmp_path / "tree", {"f": 1})
    words = command.replace("TREE", str(tree)).split()
    gone = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh", *SCANNER, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(gone, capture_output=True, cwd=tmp_path, env=environment, timeout=PATIENCE, check=False)
    assert result.returncode == code, result.stderr
    assert b"Traceback" not in result.stderr
    assert code == 0 or b"the working directory is gone" in result.stderr


def test_an_answer_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    """Exit code 1 of `why` would be an answer."""
    with open("/dev/full", "w") as full:
        result = subprocess.run([*SCANNER, "why", tmp_path, tmp_path], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (
        3, b"scanner: cannot write to standard output: No space left on device\n"
    )  # fmt: skip


def in_walk_order(top: bytes) -> list[bytes]:
    """Return the paths that a loop over `os.walk` prints, symlinks among the files."""
    paths = []
    for root, dirs, _ in os.walk(top):
        paths.append(root)
        paths += [os.path.join(root, e.name) for e in os.scandir(root) if not e.is_dir(follow_symlinks=False)]
        assert dirs is not None
    return paths


@pytest.mark.parametrize("profile", ["monorepo", "skewed", "flat", "odd"])
def test_list_prints_the_paths_of_find_in_walk_order(profile: str, how: list[str], trees: dict[str, Path]) -> None:
    top = trees[profile]
    result = run("list", "-0", *how, top)
    paths = result.stdout.split(b"\0")
    assert paths.pop() == b""
    found = subprocess.run(["find", top, "-print0"], capture_output=True, check=True).stdout.split(b"\0")[:-1]
    assert sorted(paths) == sorted(found)
    assert paths == in_walk_order(os.fsencode(top))
    assert (result.returncode, result.stderr) == (0, b"")


def test_list_follows_links_as_find_does(how: list[str], tmp_path: Path) -> None:
    make(tmp_path, {"real": {"f": None, "sub": {}}, "link": "real", "to-file": "real/f", "dangling": "x"})
    result = run("list", "-L", *how, tmp_path)
    found = subprocess.run(["find", "-L", tmp_path], capture_output=True, check=True).stdout
    assert sorted(result.stdout.split(b"\n")) == sorted(found.split(b"\n"))


def test_several_roots_come_one_after_another(how: list[str], trees: dict[str, Path]) -> None:
    tops = [trees["odd"], trees["monorepo"], trees["odd"]]
    singles = [call("list", top).stdout for top in tops]
    assert run("list", *how, *tops).stdout == b"".join(singles)


def test_list_to_a_file_is_whole(how: list[str], trees: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "out"
    result = run("list", "-o", target, *how, trees["monorepo"])
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert target.read_bytes() == call("list", trees["monorepo"]).stdout
    assert os.listdir(tmp_path) == ["out"]


def test_list_into_head_ends_quietly(how: list[str]) -> None:
    command = " ".join([*SCANNER, "list", *how, "/usr"])
    result = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.stdout == b"/usr\n0\n"
    assert result.stderr == b""


def test_scan_reports_what_it_found(how: list[str], trees: dict[str, Path]) -> None:
    result = run("scan", *how, trees["monorepo"])
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b"")
    facts = {line[:20].strip(): line[20:] for line in text.splitlines()}
    assert facts["Scanned"] == str(trees["monorepo"])
    assert facts["Outcome"] == "complete"
    assert facts["Directories"] == "401"
    assert facts["Files"] == "4,000"
    assert facts["Errors"] == "none"
    assert "MB" in facts["Coordinator"]
    assert "MB in all processes" in facts["Peak memory"]
    assert ("Workers (2)" in facts) == ("pool" in how)
    # auto starts threads where directories seem slow, as they may on a busy machine
    backends = ("pool, 2 workers by ",) if "pool" in how else ("serial, ", "this process, ")
    assert facts["Backend"].startswith(backends)
    assert facts["File system"].isprintable()
    assert all(len(line) <= 120 for line in text.splitlines())


def test_reports_as_json_and_markdown(how: list[str], trees: dict[str, Path], tmp_path: Path) -> None:
    reports = [tmp_path / "report.json", tmp_path / "report.md"]
    result = run("scan", "--json", "--report", reports[0], "--report", reports[1], *how, trees["odd"])
    on_stdout = json.loads(result.stdout)
    assert on_stdout == json.loads(reports[0].read_text())
    assert on_stdout["schema"] == 1
    assert on_stdout["scanner"] == scanner.__version__
    assert on_stdout["outcome"] == "complete"
    assert on_stdout["scanned_directories"] == sum(1 for _ in os.walk(trees["odd"]))
    assert on_stdout["resources"]["processes"]
    assert "| Directories | " in reports[1].read_text()


def test_names_that_are_no_text_come_back_whole_from_json(tmp_path: Path) -> None:
    import base64

    top = os.fsencode(tmp_path) + b"/\xff\n"
    os.mkdir(top)
    root = json.loads(run("scan", "--json", top).stdout)["roots"][0]
    assert base64.b64decode(root["path_b64"]) == top


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    top = tmp_path / "red\x1b[31m\nline"
    top.mkdir()
    text = run("scan", top).stdout.decode()
    assert "red\\x1b[31m\\nline" in text
    assert "\x1b" not in text


BAD_ROOTS = [("missing", "No such file or directory"), ("file", "Not a directory"), ("", "No such file or directory")]


@pytest.mark.parametrize(
    ("bad_root", "command", "how"), pairwise(BAD_ROOTS, ["scan", "list"], [*SHELL_BACKENDS]), indirect=["how"], ids=str
)
def test_an_unusable_root(bad_root: tuple[str, str], command: str, how: list[str], tmp_path: Path) -> None:
    root, reason = bad_root
    (tmp_path / "file").touch()
    result = run(command, *how, root, cwd=tmp_path)
    assert result.stderr.decode() == f"scanner: cannot scan '{root}': {reason}\n"
    assert result.returncode == 3


def test_a_bad_root_among_good_ones_costs_only_itself(how: list[str], trees: dict[str, Path]) -> None:
    result = run("list", *how, "/missing", trees["monorepo"])
    assert result.stderr == b"scanner: cannot scan '/missing': No such file or directory\n"
    assert result.stdout == call("list", trees["monorepo"]).stdout
    assert result.returncode == 1


USAGE = [
    (["--workers", "0"], "--workers must be a whole number from 1 to 256, not 0"),
    (["--workers", "-1"], "--workers must be a whole number from 1 to 256, not -1"),
    (["--workers", "10000"], "--workers must be a whole number from 1 to 256, not 10000"),
    (["--workers", "x"], "argument --workers/--max-workers: invalid int value: 'x'"),
    (["--timeout", "0"], "timeout must be a positive number of seconds"),
    (["--timeout", "-3"], "timeout must be a positive number of seconds"),
    (["--timeout", "soon"], "argument --timeout: 'soon' is not a duration like 90, 1.5h, 2h30m, 7d or 1y"),
    (["--backend", "gpu"], "argument --backend: invalid choice: 'gpu'"),
    (["--nonsense"], "unrecognized arguments: --nonsense"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(case[0]) for case in USAGE])
@pytest.mark.parametrize("command", ["scan", "list"])
def test_a_wrong_command_line(arguments: list[str], message: str, command: str, tmp_path: Path) -> None:
    result = call(command, *arguments, tmp_path)
    assert message in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""
    assert result.returncode == 2


def test_a_report_needs_a_known_suffix(tmp_path: Path) -> None:
    result = run("scan", "--report", "report.pdf", tmp_path)
    assert result.returncode == 2
    assert result.stderr.decode().startswith("scanner: --report 'report.pdf': the suffix selects the format")


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [("list", "-o", "out"), ("list", "-o", "out.sqlite"), ("scan", "--report", "out.json")],
)
def test_an_output_that_cannot_be_written(command: str, option: str, name: str, tmp_path: Path) -> None:
    result = run(command, option, f"/no/such/folder/{name}", tmp_path)
    assert result.stderr == f"scanner: cannot write '/no/such/folder/{name}': No such file or directory\n".encode()
    assert result.returncode == 3


@pytest.mark.parametrize("command", ["scan", "list"])
def test_a_full_disk_behind_stdout(command: str, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run([*SCANNER, command, tmp_path], stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.stderr == b"scanner: cannot write to standard output: No space left on device\n"
    assert result.returncode == 3


def test_a_closed_stdout(tmp_path: Path) -> None:
    result = subprocess.run(
        ["bash", "-c", f"{' '.join(SCANNER)} list {tmp_path} >&-"], capture_output=True, check=False
    )
    assert result.stderr == b"scanner: cannot write to standard output: Bad file descriptor\n"
    assert result.returncode == 3


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """Return a tree with directories that only root may read."""
    make(tmp_path, {"open": {"f": None, "sub": {"g": None}}, **{f"shut{i:02}": {"hidden": {}} for i in range(25)}})
    for path in tmp_path.glob("shut*"):
        path.chmod(0)
    return tmp_path


def test_unreadable_directories_are_reported_and_the_rest_is_found(locked: Path, how: list[str]) -> None:
    result = as_user("list", *how, locked)
    listed = set(result.stdout.decode().splitlines())
    assert {str(locked / name) for name in ("open", "open/f", "open/sub", "open/sub/g")} <= listed
    assert not any("hidden" in path for path in listed)
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 21
    assert all(line.startswith(f"scanner: cannot read '{locked}/shut") for line in lines[:20])
    assert lines[20] == "scanner: and 5 more errors (-v lists all)"
    assert result.returncode == 1
    assert len(as_user("list", "-v", locked).stderr.splitlines()) == 25
    assert as_user("list", "-q", locked).stderr == b""


def test_the_report_names_the_first_few_of_each_kind(locked: Path) -> None:
    result = as_user("scan", locked)
    text = result.stdout.decode()
    assert "Outcome             incomplete" in text
    assert "Errors              25 denied" in text
    assert text.count("denied: ") == 6
    assert "denied: and 20 more" in text
    assert result.stderr == b"", "the report lists them"
    assert len(as_user("scan", "-v", locked).stderr.splitlines()) == 25
    assert result.returncode == 1


def test_an_unreadable_root(locked: Path) -> None:
    result = as_user("scan", locked / "shut00")
    assert result.stderr.decode() == f"scanner: cannot scan '{locked}/shut00': Permission denied\n"
    assert result.returncode == 3


def test_a_timeout_writes_what_it_has_and_exits_75(endless: Path, how: list[str], tmp_path: Path) -> None:
    report, listing = tmp_path / "report.json", tmp_path / "list"
    found = 0
    for seconds in ("0.4", "2", "10"):  # on a busy machine, workers may need longer to start
        result = run("scan", "-L", "--timeout", seconds, "--report", report, *how, endless)
        assert result.stderr.decode().startswith(f"scanner: the scan did not finish within {seconds} seconds\n")
        assert "Outcome             timeout" in result.stdout.decode()
        assert result.returncode == 75
        if found := json.loads(report.read_text())["scanned_directories"]:
            break
    assert found
    assert run("list", "-L", "--timeout", "0.4", "-o", listing, *how, endless).returncode == 75
    assert not listing.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_report_and_no_process_left(number: int, endless: Path, how: list[str]) -> None:
    process = start("scan", "-L", *how, endless)
    until_scanning(process, endless, workers_of(how))
    family = psutil.Process(process.pid).children(recursive=True)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert b"Outcome             interrupted" in output
    assert b"Traceback" not in errors
    gone, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []
    assert len(gone) == len(family)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_makes_no_noise(number: int, endless: Path, how: list[str]) -> None:
    process = start("list", "-L", *how, endless, stdout=subprocess.DEVNULL)
    until_scanning(process, endless, workers_of(how))
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in errors
    assert process.returncode == -number


@pytest.mark.parametrize("delay", [0.02, 0.04, 0.06, 0.08, 0.1])
def test_an_early_interrupt_makes_no_noise(delay: float, how: list[str]) -> None:
    process = subprocess.Popen([*SCANNER, "scan", *how, "/usr"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    if b"runpy" in errors or b"site.py" in errors or b"importlib" in errors:
        return  # Python was still starting: its own signal handler printed this
    assert b"Traceback" not in errors


def waiting_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("command", ["list -o /dev/null", "du", "scan"])
def test_one_interrupt_ends_a_command_whose_errors_nobody_reads(command: str, tmp_path: Path) -> None:
    make(tmp_path / "tree", {f"{number}{'x' * 200}": "." for number in range(600)})  # symlinks: 600 loops
    os.mkfifo(tmp_path / "errors")
    reader = os.open(tmp_path / "errors", os.O_RDWR)
    arguments = [*command.split(), "-q", "-L", "--errors", tmp_path / "errors", tmp_path / "tree"]
    process = subprocess.Popen([*SCANNER, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        before = -1
        while (now := waiting_bytes(reader)) != before or now < 30_000:  # until the pipe is full
            assert process.poll() is None
            before = now
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
        os.close(reader)
    assert (process.returncode, errors) == (-signal.SIGINT, b"")


def test_two_reports_cannot_go_to_one_file(tmp_path: Path) -> None:
    result = run("scan", "--report", "r.json", "--report", "./r.json", tmp_path, cwd=tmp_path)
    message = "--report './r.json' and --report 'r.json': two outputs cannot go to one file"
    assert result.stderr.decode() == f"scanner: {message}\n"
    assert result.returncode == 2


def test_an_interrupted_list_leaves_no_file(endless: Path, tmp_path: Path) -> None:
    process = subprocess.Popen([*SCANNER, "list", "-L", "-o", tmp_path / "out", endless], stderr=subprocess.PIPE)
    until_scanning(process, endless)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_nohup_is_respected(trees: dict[str, Path]) -> None:
    code = "trap '' HUP; exec " + " ".join([*SCANNER, "list", str(trees["monorepo"])])
    assert subprocess.run(["bash", "-c", code], capture_output=True, check=False).returncode == 0


def on_terminal(*arguments: str | Path, until: bytes | None = None) -> bytes:
    """Return the error output of a scan on a terminal; the scan is interrupted once `until` was seen."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*SCANNER, "scan", "-L", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(master, 65536):
            seen += piece
            if until is not None and until in seen:
                process.send_signal(signal.SIGINT)
                until = None
    process.wait()
    os.close(master)
    return seen


def test_progress_is_shown_on_a_terminal(endless: Path, how: list[str]) -> None:
    assert b"directories" in on_terminal("--timeout", "50", *how, endless, until=b"directories")


@pytest.mark.parametrize("how", ["auto", "pool-fork"], indirect=True)
def test_progress_is_shown_nowhere_else(endless: Path, how: list[str]) -> None:
    for option in ("--no-progress", "--quiet"):
        assert b"directories" not in on_terminal("--timeout", "0.8", *how, option, endless)
    assert b"directories" not in run("scan", "-L", "--timeout", "0.8", *how, "--progress", endless).stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == f"scanner {scanner.__version__}\n".encode()
    for command in ("scan", "list"):
        text = run(command, "--help").stdout.decode()
        assert "examples" in text
        assert "exit codes" in text


def test_without_a_command_the_commands_are_listed() -> None:
    result = run()
    assert result.returncode == 2
    assert b"COMMAND" in result.stderr


def test_modules_in_the_scanned_tree_are_not_imported(how: list[str], tmp_path: Path) -> None:
    """The working directory may be the tree to scan, and a tree may hold a file named like a module of Python's."""
    for name in ("signal", "socket", "selectors", "marshal", "scanner", "struct", "psutil", "tempfile"):
        (tmp_path / f"{name}.py").write_text("open('/tmp/scanner-was-fooled', 'w').close(); raise SystemExit(9)")
    result = run("scan", *how, ".", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert not os.path.exists("/tmp/scanner-was-fooled")


def test_an_output_inside_the_tree_does_not_list_what_it_is_written_to(tmp_path: Path) -> None:
    make(tmp_path, {"a": {"f": None}})
    assert run("list", "-o", tmp_path / "out", tmp_path).returncode == 0
    assert (tmp_path / "out").read_bytes() == b"".join(
        os.fsencode(tmp_path / name) + b"\n" for name in ("", "a", "a/f")
    )
    assert sorted(os.listdir(tmp_path)) == ["a", "out"]


@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_standard_output_by_name(target: str, tmp_path: Path) -> None:
    result = run("list", "-o", target, tmp_path, cwd=tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == (os.fsencode(tmp_path) + b"\n", b"", 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("redirect", "root", "code"), [("2>&-", "", 0), ("2>&-", "/no", 3), ("2>/dev/full", "/no", 3)])
@pytest.mark.parametrize("command", ["scan", "list"])
def test_standard_error_has_no_reader(command: str, redirect: str, root: str, code: int, tmp_path: Path) -> None:
    line = f"{' '.join(SCANNER)} {command} {tmp_path}{root} {redirect}"
    result = subprocess.run(["sh", "-c", line], capture_output=True, timeout=PATIENCE, check=False)
    assert result.returncode == code
    assert result.stderr == b""
    assert bool(result.stdout) == (command == "scan" or not root)


@pytest.mark.parametrize("arguments", ["--help", "--version", "scan --help", "du --help"])
def test_help_that_cannot_be_written(arguments: str) -> None:
    line = f"unset PYTHONUNBUFFERED; {' '.join(SCANNER)} {arguments} > /dev/full"
    assert subprocess.run(["sh", "-c", line], capture_output=True, timeout=PATIENCE, check=False).returncode == 3


def test_unreadable_directories_are_listed_as_by_find(locked: Path) -> None:
    theirs = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "find", locked], capture_output=True, check=False
    )
    ours = as_user("list", locked)
    assert sorted(ours.stdout.split(b"\n")) == sorted(theirs.stdout.split(b"\n"))
    assert ours.returncode == 1


def test_errors_as_lines_of_json(locked: Path, tmp_path: Path) -> None:
    result = as_user("scan", "-q", "--errors", tmp_path / "errors", locked)
    faults = [json.loads(line) for line in (tmp_path / "errors").read_text().splitlines()]
    assert result.returncode == 1
    assert faults
    assert set(faults[0]) == {"path", "operation", "errno", "message", "kind", "attempts", "partial"}


@pytest.mark.parametrize("arguments", [["list", "-o", "x"], ["scan", "--report", "x.json"]])
def test_errors_and_output_cannot_go_to_one_file(arguments: list[str], tmp_path: Path) -> None:
    result = run(*arguments, "--errors", arguments[-1], tmp_path, cwd=tmp_path)
    assert result.returncode == 2
    assert b"two outputs cannot go to one file" in result.stderr


def until_asleep(process: subprocess.Popen[bytes]) -> None:
    """Wait until the pipe to us is full: no more processor time is used after the first output."""
    assert process.stdout is not None
    select.select([process.stdout], [], [], PATIENCE)
    before, now = -1.0, 0.0
    while before != now:
        time.sleep(0.3)
        before, now = now, processor_seconds(psutil.Process(process.pid))


def test_a_signal_while_the_reader_of_a_pipe_sleeps(endless: Path) -> None:
    process = start("list", "-L", endless)
    until_asleep(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == -signal.SIGINT
    assert process.communicate()[1] == b""
