"""`scanner nightly`: a night's work in one command."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

import scanner
from scanner.report.formats import FORMATS
from tests.support.mounting import mounting
from tests.support.shell import ROOT, SCANNER, as_user, call
from tests.support.trees import make

SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())
pytestmark = pytest.mark.usefixtures("fonts")
LINE = re.compile(r"(?P<name>.+?): (?P<status>OK|WARNING|FAILED) (?P<rest>.*); page: (?P<page>.*)\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = make(tmp_path / "srv", {"a": {"b": {"f.log": None}}, "c": {"g.txt": None}, "d": {}})
    (top / "a" / "b" / "f.log").write_bytes(b"x" * 5000)
    return top


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "scan" / "srv.snap"


def night(*arguments: Any, code: int = 0, **keywords: Any) -> re.Match[str]:
    """Run a night, and return the parts of its line."""
    done = call("nightly", *(each if isinstance(each, Path) else str(each) for each in arguments), **keywords)
    assert done.returncode == code, (done.stdout, done.stderr)
    match = LINE.fullmatch(done.stdout.decode())
    assert match is not None, (done.stdout, done.stderr)
    return match


def report_in(directory: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((directory / "latest.json").read_text())
    return report


def metrics_in(directory: Path) -> dict[str, float]:
    text = (directory / "latest.prom").read_text()
    return {
        sample.name.removeprefix("scanner_"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def age(store: Path, number: int, days: float) -> None:
    """Let a snapshot be older."""
    with sqlite3.connect(store) as database:
        database.execute("UPDATE snapshots SET began = began - ? WHERE id = ?", (days * 86400, number))
    database.close()


def test_a_first_night_makes_everything(tree: Path, store: Path) -> None:
    line = night(tree, "--store", store)
    assert line["name"] == "srv"
    assert line["status"] == "OK"
    assert line["rest"].startswith("2 files, 4.9 KiB, ")
    assert line["page"] == str(store.parent / "latest.html")
    assert oct(store.stat().st_mode & 0o777) == "0o600"
    copies = sorted(path.name for path in store.parent.glob("night-*"))
    assert [name.partition(".")[2] for name in copies] == ["html", "json", "md"]
    report = report_in(store.parent)
    jsonschema.validate(report, SCHEMA)
    assert report["night"]["growth"] == []
    assert "This is the first night" in (store.parent / "latest.html").read_text()


def test_growth_is_summed_by_directory_owner_and_suffix(tree: Path, store: Path) -> None:
    """The sums of each kind are the total."""
    night(tree, "--store", store)
    (tree / "c" / "new.log").write_bytes(b"x" * 7000)
    (tree / "a" / "b" / "f.log").write_bytes(b"x" * 1000)
    (tree / "c" / "g.txt").unlink()
    assert ", 7.8 KiB (+2.9 KiB), " in "," + night(tree, "--store", store)["rest"]
    report = report_in(store.parent)
    jsonschema.validate(report, SCHEMA)
    (growth,) = report["night"]["growth"]
    assert growth["since"] == "the night before"
    assert growth["changes"]["growth"] == 3000
    by = {name: {each["name"]: each["growth"] for each in groups} for name, groups in growth["by"].items()}
    assert by["directory"] == {f"{tree}/c": 7000, f"{tree}/a/b": -4000}
    assert by["suffix"] == {".log": 3000, "(other)": 0}
    assert [sum(groups.values()) for groups in by.values()] == [3000, 3000, 3000]
    rows = {row[1]: row[4] for row in report["treemap"]}
    assert (rows["c"], rows["b"], rows["a"], rows["d"]) == (8192, -4096, -4096, 0), "of disk usage"
    assert rows[str(tree)] == 4096
    assert rows["new.log"] == 8192
    assert growth["grown"] == {"files": 0, "bytes": 3000, "disk_bytes": 4096}


def test_weeks_and_months_are_compared_with_the_snapshots_of_then(tree: Path, store: Path) -> None:
    for number in range(1, 5):
        (tree / f"{number}").write_bytes(b"x" * 1000 * number)
        night(tree, "--store", store)
    for number, days in ((1, 31), (2, 8), (3, 1)):
        age(store, number, days)
    night(tree, "--store", store, "--keep-within", "1y")
    growth = report_in(store.parent)["night"]["growth"]
    found = {each["since"]: (each["snapshot"], each["changes"]["growth"]) for each in growth}
    assert found == {"the night before": (4, 0), "a week before": (2, 7000), "a month before": (1, 9000)}
    assert [each["snapshot"] for each in report_in(store.parent)["night"]["trend"]] == [1, 2, 3, 4, 5]


def test_a_broken_rule_is_exit_code_4_and_in_the_line(tree: Path, store: Path) -> None:
    rules = ["--fail-if", "growth > 1K", "--fail-if", "removed > 5"]
    night(tree, "--store", store, *rules)
    (tree / "new").write_bytes(b"x" * 4096)
    line = night(tree, "--store", store, *rules, code=4)
    assert line["status"] == "WARNING"
    assert "rule `growth > 1K` is broken: growth is 4 KiB, " in line["rest"]
    assert "removed" not in line["rest"]
    assert "rule `growth &gt; 1K` is broken" in (store.parent / "latest.html").read_text()
    assert metrics_in(store.parent)["broken_rules"] == 1


def test_what_is_unreadable_is_named_and_still_counts(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    (tree / "a").chmod(0)
    done = as_user("nightly", tree, "--store", store)
    (tree / "a").chmod(0o755)
    line = done.stdout.decode()
    assert done.returncode == 1, line
    assert line.startswith("srv: WARNING 2 files, 4.9 KiB (+0 B), "), "what was known of it is not gone"
    assert f"1 directory unreadable ({tree}/a)" in line
    assert f"{tree}/a" in (store.parent / "latest.html").read_text()
    night(tree, "--store", store)
    (growth,) = report_in(store.parent)["night"]["growth"]
    assert (growth["changes"]["added"], growth["changes"]["removed"]) == (0, 0)


def test_a_failed_night_keeps_the_last_good_page_and_says_what_failed(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    before = report_in(store.parent)
    tree.rename(tree.with_name("away"))
    line = night(tree, "--store", store, code=3)
    assert line["status"] == "FAILED"
    assert "No such file or directory" in line["rest"]
    after = report_in(store.parent)
    failure = after["night"].pop("failure")
    assert failure["exit_code"] == 3
    assert failure["problems"] == [f"{tree}: No such file or directory"]
    assert {**after, "night": None} == {**before, "night": None}
    text = (store.parent / "latest.html").read_text()
    assert "failed: " in text[: text.index("Total and growth")]
    assert "Total and growth" in text
    assert "failed" in (store.parent / "latest.md").read_text()[:200]
    assert len(list(store.parent.glob("night-*.html"))) == 1, "there is no copy of a failed night"
    metrics = metrics_in(store.parent)
    assert metrics["exit_code"] == 3
    assert metrics["last_success_timestamp_seconds"] <= metrics["last_run_timestamp_seconds"]
    tree.with_name("away").rename(tree)
    assert night(tree, "--store", store)["status"] == "OK"
    assert report_in(store.parent)["night"]["failure"] is None


def test_a_first_night_that_fails_leaves_a_page_that_says_so(tmp_path: Path, store: Path) -> None:
    night(tmp_path / "none", "--store", store, code=3)
    assert "There is no earlier night" in (store.parent / "latest.html").read_text()
    assert metrics_in(store.parent)["exit_code"] == 3
    make(tmp_path / "none", {"f": None})
    assert night(tmp_path / "none", "--store", store)["status"] == "OK"


def test_an_empty_mount_point_is_no_night(tree: Path, store: Path) -> None:
    """Neither --min-entries nor --expect-fs leaves a snapshot that a later night would be compared with."""
    night(tree, "--store", store, "--min-entries", 3)
    for path in list(tree.iterdir()):
        path.rename(tree.parent / f"away-{path.name}")
    line = night(tree, "--store", store, "--min-entries", 3, code=3)
    assert f"{tree}: 0 entries were found in all, fewer than 3" in line["rest"]
    line = night(tree, "--store", store, "--expect-fs", "nfs4", code=3)
    assert "is it mounted?" in line["rest"]
    assert [each.state for each in scanner.Store(store).snapshots] == ["complete", "failed"]
    assert report_in(store.parent)["night"]["now"]["files"] == 2
    for path in tree.parent.glob("away-*"):
        path.rename(tree / path.name.removeprefix("away-"))
    assert "(+0 B)" in night(tree, "--store", store, "--min-entries", 3)["rest"]


def test_a_store_in_use_is_75_and_lock_wait_waits(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    with open(f"{store}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "is in use by another scan" in night(tree, "--store", store, code=75)["rest"]
        timer = threading.Timer(1.5, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        timer.start()
        assert night(tree, "--store", store, "--lock-wait", "1min")["status"] == "OK"
        timer.join()


def test_a_timeout_is_75_with_another_message_and_the_next_night_continues(tmp_path: Path, store: Path) -> None:
    tree = make(tmp_path / "srv", {f"{n}": {f"{m}": {"f": None} for m in range(20)} for n in range(20)})
    slow = ["--max-rate", "100", "--timeout", "1"]
    line = night(tree, "--store", store, *slow, code=75)
    assert "stopped by --timeout after 1 s; the next night continues" in line["rest"]
    assert night(tree, "--store", store)["status"] == "OK"
    assert len(report_in(store.parent)["snapshot"]["parts"]) == 2


def test_a_night_that_is_interrupted_ends_by_the_signal_and_says_so(tmp_path: Path, store: Path) -> None:
    tree = make(tmp_path / "srv", {f"{n}": {f"{m}": {"f": None} for m in range(20)} for n in range(20)})
    process = subprocess.Popen(
        [*SCANNER, "nightly", tree, "--store", store, "--max-rate", "50"], stdout=subprocess.PIPE, cwd=ROOT
    )
    while not store.exists():
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert b"srv: FAILED ended by signal 15, " in out
    assert metrics_in(store.parent)["exit_code"] == 128 + signal.SIGTERM


def test_quiet_ok_prints_only_what_is_not_well(tree: Path, store: Path) -> None:
    done = call("nightly", tree, "--store", store, "--quiet-ok")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (tree / "x").write_text("x")
    night(tree, "--store", store, "--quiet-ok", "--fail-if", "added > 0", code=4)


def test_dated_pages_and_snapshots_are_kept_as_asked(tree: Path, store: Path) -> None:
    store.parent.mkdir()
    others = [store.parent / name for name in ("night-of-the-living.html", "night-2026-01-01T000000.txt", "x.html")]
    for path in others:
        path.write_text("not ours")
    for minute in range(5):
        (store.parent / f"night-2026-01-01T00{minute:02}00.html").write_text("an old page")
    night(tree, "--store", store, "--keep-pages", 3)
    pages = sorted(path.name for path in store.parent.glob("night-*.html"))
    assert pages[:3] == ["night-2026-01-01T000300.html", "night-2026-01-01T000400.html", pages[2]]
    assert all(path.exists() for path in others)
    for _ in range(3):
        night(tree, "--store", store, "--keep", 2)
    assert len(scanner.Store(store).snapshots) == 2


def test_pages_of_another_tree_are_not_replaced(tree: Path, store: Path, tmp_path: Path) -> None:
    night(tree, "--store", store)
    before = report_in(store.parent)
    line = night(tree / "a", "--store", store.with_name("a.snap"), "--name", "srv", code=2)
    assert f"has the pages of another store, '{store}': give --to with another directory" in line["rest"]
    assert report_in(store.parent) == before
    night(tree / "a", "--store", store.with_name("a.snap"), "--to", tmp_path / "other")


class Switch(http.server.BaseHTTPRequestHandler):
    """A dead man's switch."""

    received: list[tuple[str, str]]
    status = 200

    def do_POST(self) -> None:  # the name that http.server calls
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.received.append((self.path, body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def switch() -> Iterator[tuple[str, type[Switch]]]:
    handler = type("Handler", (Switch,), {"received": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping/x", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_pings_say_start_then_success_or_fail(tree: Path, store: Path, switch: tuple[str, type[Switch]]) -> None:
    url, handler = switch
    line = night(tree, "--store", store, "--ping", url)
    assert [path for path, _ in handler.received] == ["/ping/x/start", "/ping/x"]
    assert handler.received[1][1] + "\n" == line[0]
    (tree / "x").write_text("x")
    night(tree, "--store", store, "--ping", url, "--fail-if", "added > 0", code=4)
    assert [path for path, _ in handler.received[2:]] == ["/ping/x/start", "/ping/x/fail"]


def test_a_ping_that_fails_is_a_message_and_no_failure(
    tree: Path, store: Path, switch: tuple[str, type[Switch]]
) -> None:
    url, handler = switch
    handler.status = 404
    done = call("nightly", tree, "--store", store, "--ping", url)
    assert done.returncode == 0
    assert "/ping/x" not in done.stderr.decode(), "the address is a secret"
    assert done.stderr.decode().count("failed: HTTPError: HTTP Error 404") == 2


def test_metrics_are_those_of_the_night(tree: Path, store: Path, tmp_path: Path) -> None:
    (tmp_path / "collector").mkdir()
    target = tmp_path / "collector" / "scan.prom"
    night(tree, "--store", store, "--prom", target, "--name", 'a "name" \\ of ä')
    (family, *_) = [f for f in text_string_to_metric_families(target.read_text()) if f.name == "scanner_size_bytes"]
    assert family.samples[0].labels == {"tree": 'a "name" \\ of ä'}
    assert family.samples[0].value == 5000
    assert not (store.parent / "latest.prom").exists()
    if (promtool := shutil.which("promtool")) is not None:
        subprocess.run([promtool, "check", "metrics"], input=target.read_bytes(), check=True)


def test_a_configuration_of_several_trees(tree: Path, tmp_path: Path) -> None:
    """Flags of the command line override it."""
    make(tmp_path / "home", {"f": None})
    config = tmp_path / "scan.toml"
    config.write_text(f"""
        to = "{tmp_path}/pages"
        keep-pages = 2
        fail-if = ["growth > 1K"]

        [trees.srv]
        roots = ["{tree}"]

        [trees.home]
        roots = ["{tmp_path}/home"]
        store = "{tmp_path}/elsewhere.snap"
        to = "{tmp_path}/home-pages"
        exclude = ["*.o"]
        no-hidden = true
    """)
    done = call("nightly", "--config", config)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("srv: OK 2 files")
    assert first.endswith(f"page: {tmp_path}/pages/srv/latest.html")
    assert second.startswith("home: OK 1 file,")
    assert (tmp_path / "pages" / "srv" / "srv.snap").exists()
    (tree / "new").write_bytes(b"x" * 5000)
    assert call("nightly", "--config", config).returncode == 4
    (tree / "newer").write_bytes(b"x" * 5000)
    assert call("nightly", "--config", config, "--fail-if", "growth > 1M").returncode == 0
    done = call("nightly", "--config", config, "--to", tmp_path / "given")
    assert f"page: {tmp_path}/given/srv/latest.html" in done.stdout.decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trees.a]\nroots = ['/']\nstoer = 'x'", "[trees.a]: there is no option 'stoer' (did you mean 'store'?)"),
        ("a = ", "cannot be read: "),
        ("trees = 3", "[trees.NAME] must be a table for each tree"),
        ("store = 'x'", "no ROOT: give one, or a --config with [trees.NAME] and roots"),
        ("roots = ['.']", "--store FILE is required"),
        ("roots = ['.']\nstore = {}", "store must be text, a number"),
        ("roots = ['.']\nstore = 'x'\nfail-if = 'size > 3'", "--fail-if 'size > 3': a rule is NAME"),
        ("roots = ['.']\nstore = 'x'\nping = 'ftp://x'", "must be an address that begins with http"),
        ("roots = ['.']\nstore = 'x'\nkeep-pages = 0", "--keep-pages must be a whole number of 1 or more"),
    ],
)
def test_a_configuration_that_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scan.toml").write_text(text)
    done = call("nightly", "--config", "scan.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan.toml"]


def test_a_directory_that_cannot_be_made_is_named(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    line = night(tree, "--store", tmp_path / "file" / "srv.snap", code=3)
    assert f"cannot make the directory '{tmp_path}/file' of the pages" in line["rest"]


def test_metrics_that_cannot_be_written_are_found_before_the_scan(tree: Path, store: Path, tmp_path: Path) -> None:
    line = night(tree, "--store", store, "--prom", tmp_path / "none" / "x.prom", code=3)
    assert line["rest"].count(f"{tmp_path}/none/x.prom") == 1
    assert not store.exists()


@pytest.mark.parametrize("room", ["store", "pages"])
def test_a_full_disk_ends_in_a_failure_and_keeps_the_pages(tree: Path, tmp_path: Path, room: str) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    with mounting() as mounts:
        mounts.memory(small, options="size=600k")
        store = (small if room == "store" else large) / "srv.snap"
        arguments = [tree, "--store", store, "--to", large if room == "store" else small]
        night(*arguments)
        before = (Path(arguments[-1]) / "latest.html").read_text()
        filler = os.open(small / "filler", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, b"x" * 4096)
        os.close(filler)
        make(tree, {f"new{n}": {f"a-long-name-of-a-file-{m}": None for m in range(100)} for n in range(30)})
        line = night(*arguments, code=3)
        assert "No space left on device" in line["rest"] or "database or disk is full" in line["rest"]
        if room == "pages":
            after = (small / "latest.html").read_text()
            assert after == before or "<title>srv: FAILED</title>" in after, "there may be room for that"
            assert "Total and growth" in after
        (small / "filler").unlink()
        night(*arguments)


def test_the_line_for_cron_does_the_same(tree: Path, store: Path, tmp_path: Path) -> None:
    arguments = [tree.name, "--store", "scan/100%.snap", "--fail-if", "growth > 1%"]
    done = call("nightly", *arguments, "--install-cron", "--at", "3:05", cwd=tmp_path)
    minute, hour, day, month, weekday, command = done.stdout.decode().strip().split(maxsplit=5)
    assert (minute, hour, day, month, weekday) == ("5", "3", "*", "*", "*")
    assert not re.search(r"(?<!\\)%", command), "cron treats it as a line break"
    ran = subprocess.run(
        ["sh", "-c", command.replace("\\%", "%")], cwd="/", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert ran.stdout.startswith("srv: OK 2 files")
    assert (tmp_path / "scan" / "100%.snap").exists()


def units_in(script: str) -> dict[str, str]:
    """Return the files that an installing script writes."""
    return dict(re.findall(r"cat > \S+/(\S+) <<'END'\n(.*?)END\n", script, re.DOTALL))


def test_the_units_of_systemd_do_the_same(tree: Path, store: Path, tmp_path: Path) -> None:
    odd = tree.rename(tmp_path / 's r"v$%')
    done = call("nightly", odd, "--store", store, "--install-systemd", "--at=23:30")
    assert done.returncode == 0, done.stderr
    units = units_in(done.stdout.decode())
    assert sorted(units) == [f"scanner-s-r-v---24f9e5e7.{kind}" for kind in ("service", "timer")]
    service = units["scanner-s-r-v---24f9e5e7.service"]
    assert f"ReadWritePaths={store.parent}\n" in service
    assert "OnCalendar=*-*-* 23:30:00" in units["scanner-s-r-v---24f9e5e7.timer"]
    (command,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    words = shlex.split(command.replace("%%", "%").replace("$$", "$"))
    subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    assert store.exists()
    subprocess.run(["sh", "-n"], input=done.stdout, check=True)


@pytest.mark.parametrize("unit", ["service", "timer"])
def test_systemd_accepts_the_units(unit: str, tree: Path, store: Path, tmp_path: Path, systemd_analyze: str) -> None:
    done = call("nightly", tree, "--store", store, "--install-systemd")
    for name, text in units_in(done.stdout.decode()).items():
        (tmp_path / name).write_text(text)
    verified = subprocess.run(
        [systemd_analyze, "verify", "--man=no", tmp_path / f"scanner-srv.{unit}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in verified.stderr.splitlines() if "scanner-srv" in line] == []


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd is not installed")
    return found


def test_a_script_of_units_leaves_existing_directories_as_they_are(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "collector").mkdir(mode=0o755)
    arguments = [tree, "--store", tmp_path / "private" / "x.snap", "--prom", tmp_path / "collector" / "x.prom"]
    script = call("nightly", *arguments, "--install-systemd").stdout.decode()
    made = [line for line in script.splitlines() if "install -d" in line]
    assert made == [f"[ -d {tmp_path}/private ] || install -d -o root {tmp_path}/private".replace("root", user())]
    subprocess.run(["sh", "-e", "-c", "\n".join(made)], check=True)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    assert f"ReadWritePaths={tmp_path}/private {tmp_path}/collector\n" in script


def user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def test_words_of_units_are_those_of_the_command(tmp_path: Path) -> None:
    """systemd reads lists of paths in another way than commands: `$` is doubled in commands only."""
    place = tmp_path / "a $b%c"
    script = call("nightly", "/", "--store", place / "x.snap", "--install-systemd").stdout.decode()
    (service, _) = units_in(script).values()
    assert f'ReadWritePaths="{tmp_path}/a $b%%c"' in service
    assert f'"{tmp_path}/a $$b%%c/x.snap"' in service
    assert "Description=Nightly scan of root\n" in service
    assert "PrivateTmp" not in service, "the store would be in another /tmp"


@pytest.mark.parametrize("way", ["--install-cron", "--install-systemd"])
def test_line_breaks_in_names_are_refused_where_they_would_be_lines_of_their_own(way: str, tmp_path: Path) -> None:
    for name in ("x\n* * * * * touch pwned #", "x\r[Service]"):
        (tmp_path / name).mkdir()
        done = call("nightly", name, "--store", "s", way, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"has control characters, which cron and systemd cannot be given" in done.stderr


@pytest.mark.parametrize("name", [b"line\nbreak", b"\xff\xfe", "ä".encode(), b"x" * 200, b"\x1b[31m"])
def test_a_root_of_any_name_has_two_nights(name: bytes, tmp_path: Path, store: Path) -> None:
    root = tmp_path / os.fsdecode(name)
    make(root, {"f": None})
    for _ in range(2):
        done = call("nightly", root, "--store", store)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.count(b"\n") == 1
        assert b"\x1b" not in done.stdout
    root.rename(tmp_path / "away")
    done = call("nightly", root, "--store", store)
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (3, b"", 1)
    jsonschema.validate(report_in(store.parent), SCHEMA)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("root", ["/", "--expect-fs", "none"]), ("a, b", ["{}/a", "{}/b"]), ("link", ["{}/link"]), ("a", ["{}/a/"])],
)
def test_the_name_is_that_of_the_roots(name: str, arguments: list[str], tmp_path: Path) -> None:
    make(tmp_path, {"a": {"f": None}, "b": {"g": None}, "link": "a"})
    given = [argument.format(tmp_path) for argument in arguments]
    done = call("nightly", *given, "--to", tmp_path / "pages")
    assert done.stdout.decode().startswith(f"{name}: ")
    assert done.returncode == (3 if name == "root" else 0)


def test_a_store_without_sizes_is_refused(tree: Path, store: Path) -> None:
    store.parent.mkdir()
    scanner.scan(tree, store=store)
    line = night(tree, "--store", store, code=2)
    assert "was made without sizes: give --store with another file" in line["rest"]
    assert len(scanner.Store(store).snapshots) == 1


DAMAGED = [
    "", "[", "[]", '{"night": 3}', '{"night": {}}', '{"night": {"name": "srv"}}', '{"night": {"store": 7}}',
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_page_costs_neither_a_good_night_nor_a_bad_one(text: str, tree: Path, store: Path) -> None:
    store.parent.mkdir()
    (store.parent / "latest.json").write_text(text)
    tree.rename(tree.with_name("away"))
    night(tree, "--store", store, code=3)
    tree.with_name("away").rename(tree)
    assert "failed: " in (store.parent / "latest.html").read_text()
    assert metrics_in(store.parent)["exit_code"] == 3
    (store.parent / "latest.json").write_text(text)
    night(tree, "--store", store)


def test_a_page_of_wrong_shape_is_not_shown_below_a_failure(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    report = report_in(store.parent)
    del report["night"]["trend"]
    report["treemap"].append([5000, "x", 1, "f", None])
    (store.parent / "latest.json").write_text(json.dumps(report))
    tree.rename(tree.with_name("away"))
    night(tree, "--store", store, code=3)
    assert "There is no earlier night" in (store.parent / "latest.html").read_text()


def test_outputs_never_replace_a_store(tree: Path, store: Path) -> None:
    done = call("nightly", tree, "--store", store, "--prom", store)
    assert done.returncode == 2
    assert b"is the snapshot store, or a file beside it" in done.stderr
    done = call("nightly", tree, "--store", store, "--prom", store.parent / "latest.html")
    assert b"two outputs cannot go to one file" in done.stderr


@pytest.mark.parametrize("key", ["store", "to", "prom", "name"])
def test_trees_of_one_configuration_do_not_share_files(key: str, tree: Path, tmp_path: Path) -> None:
    trees = f'[trees.a]\nroots = ["{tree}/a"]\n[trees.b]\nroots = ["{tree}/c"]\n'
    (tmp_path / "scan.toml").write_text(f'{key} = "{tmp_path}/x"\n{trees}')
    done = call("nightly", "--config", tmp_path / "scan.toml")
    if key == "to":
        assert done.returncode == 0
        assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["a", "b"]
        return
    assert done.returncode == 2
    assert f"{key} cannot be the same for all trees" in done.stderr.decode()
    (tmp_path / "scan.toml").write_text(trees)
    done = call("nightly", "--config", tmp_path / "scan.toml", f"--{key}", tmp_path / "x")
    assert done.returncode == 2
    assert f"--{key} cannot be the same for all trees" in done.stderr.decode()


def test_a_tree_that_fails_does_not_stop_the_next_one(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "scan.toml").write_text(f"""
        [trees.a]
        roots = ["{tree}/a"]
        to = "{tmp_path}/file/x"
        [trees.b]
        roots = ["{tree}/none"]
        to = "{tmp_path}/b"
        [trees.c]
        roots = ["{tree}/c"]
        to = "{tmp_path}/c"
    """)
    done = call("nightly", "--config", tmp_path / "scan.toml")
    assert done.returncode == 3
    assert [line.partition(" ")[2].partition(" ")[0] for line in done.stdout.decode().splitlines()] == [
        "FAILED", "FAILED", "OK",
    ]  # fmt: skip


def test_two_nights_at_once_are_one_after_the_other(tmp_path: Path, store: Path) -> None:
    tree = make(tmp_path / "srv", {f"{n}": {f"{m}": {"f": None} for m in range(10)} for n in range(10)})
    command = [*SCANNER, "nightly", tree, "--store", store, "--lock-wait", "50", "--keep", "3", "--max-rate", "200"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(3)]
    lines = [process.communicate(timeout=60)[0].decode() for process in running]
    assert [line.startswith("srv: OK 100 files") for line in lines] == [True] * 3, lines
    assert [each.state for each in scanner.Store(store).snapshots] == ["complete"] * 3
    assert report_in(store.parent)["night"]["snapshot"] == 3
    busy = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    while fcntl_is_free(store.parent / "latest.lock"):
        time.sleep(0.01)
    assert f"another night writes to '{store.parent}'" in night(tree, "--store", store, code=75)["rest"]
    busy.communicate()
    assert metrics_in(store.parent)["exit_code"] == 0, "a night that has to wait replaces nothing of the other"


def fcntl_is_free(path: Path) -> bool:
    with open(path, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_what_becomes_known_is_no_growth(tree: Path, store: Path) -> None:
    (tree / "a").chmod(0)
    assert as_user("nightly", tree, "--store", store).returncode == 1
    (tree / "a").chmod(0o755)
    line = night(tree, "--store", store, "--fail-if", "growth > 1%")
    assert "4.9 KiB (+0 B)" in line["rest"]
    assert metrics_in(store.parent)["growth_bytes"] == 0
    text = (store.parent / "latest.html").read_text()
    assert "Places that were unknown then make a difference of +4.9 KiB, which is no growth." in text
    rows = {row[1]: row[4] for row in report_in(store.parent)["treemap"]}
    assert (rows["a"], rows["b"], rows["c"]) == (None, None, 0)


def test_a_file_that_became_a_directory_counts_among_files(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    (tree / "c" / "g.txt").unlink()
    make(tree, {"c": {"g.txt": {"x": None, "y": None}}})
    night(tree, "--store", store)
    (growth,) = report_in(store.parent)["night"]["growth"]
    assert growth["grown"]["files"] == 1
    assert report_in(store.parent)["night"]["now"]["files"] == growth["before"]["files"] + 1


def test_pages_link_to_those_that_are_there(tree: Path, store: Path) -> None:
    for _ in range(3):
        night(tree, "--store", store, "--keep-pages", 2)
        time.sleep(1.01)  # copies have names by the second
    linked = re.findall(r'<a href="(night-[^"]*)"', (store.parent / "latest.html").read_text())
    copies = sorted((path.name for path in store.parent.glob("night-*.html")), reverse=True)
    assert len(copies) == 2
    assert linked == copies[1:], "those before this night"


def test_a_pattern_that_is_wrong_leaves_the_night_complete(tree: Path, store: Path) -> None:
    (tree / ".gitignore").write_bytes(b"a\\\n")
    assert night(tree, "--store", store, "--gitignore")["status"] == "OK"
    assert "Complete: everything was readable." in (store.parent / "latest.html").read_text()


def test_the_line_is_pinged_where_nobody_reads_it(tree: Path, store: Path, switch: tuple[str, type[Switch]]) -> None:
    url, handler = switch
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*SCANNER, "nightly", tree, "--store", store, "--ping", url], stdout=full, check=False)
    assert done.returncode == 0
    assert [path for path, _ in handler.received] == ["/ping/x/start", "/ping/x"]


def test_a_wrong_rule_or_share_is_found_before_the_first_night(tree: Path, store: Path) -> None:
    for arguments, message in (
        (["--fail-if", "removed in /nowhere > 1"], "'/nowhere' is not below"),
        (["--recheck", "100"], "--recheck"),
        (["--ping", "http://["], "must be an address"),
    ):
        done = call("nightly", tree, "--store", store, *arguments)
        assert done.returncode == 2
        assert message in done.stderr.decode()
    assert not store.parent.exists()


def test_what_a_failed_night_has_stored_is_reported_by_the_next_one(tree: Path, store: Path, tmp_path: Path) -> None:
    """Its snapshot is there, but no page has ever shown its growth, and no rule has seen it."""
    rule = ["--fail-if", "growth > 10%"]
    night(tree, "--store", store, *rule)
    (tree / "large").write_bytes(b"x" * 100_000)
    scanner.scan(tree, store=store, stat=scanner.Store(store).fields)
    assert "(+97.7 KiB), rule `growth > 10%` is broken" in night(tree, "--store", store, *rule, code=4)["rest"]
    assert "(+0 B)" in night(tree, "--store", store, *rule)["rest"]


def test_a_signal_at_any_moment_leaves_a_line_a_ping_and_metrics(
    tree: Path, store: Path, switch: tuple[str, type[Switch]]
) -> None:
    url, handler = switch
    command = [*SCANNER, "nightly", tree, "--store", store, "--ping", url]
    night(tree, "--store", store)
    (tree / "new").write_bytes(b"x" * 5000)
    for number in range(6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        while len(handler.received) <= 2 * number:  # the start
            time.sleep(0.005)
        time.sleep(0.2 * number)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert process.returncode in (-signal.SIGTERM, 0)
        assert LINE.fullmatch(out.decode()), out
        assert len(handler.received) == 2 * number + 2
        assert handler.received[-1][0] == ("/ping/x" if b": OK " in out else "/ping/x/fail")
        assert metrics_in(store.parent)["exit_code"] == (0 if b": OK " in out else 143)


def test_groups_that_are_not_shown_are_summed_up(tree: Path, store: Path) -> None:
    night(tree, "--store", store)
    for number in range(20):
        (tree / f"{number}").mkdir()
        (tree / f"{number}" / f"f.s{number}").write_bytes(b"x" * 100 * (number + 1))
    night(tree, "--store", store)
    (growth,) = report_in(store.parent)["night"]["growth"]
    for groups in growth["by"].values():
        for field in ("growth", "added", "removed", "changed", "moved"):
            assert sum(each[field] for each in groups) == growth["changes"][field]
    assert growth["by"]["suffix"][-1]["name"] == "(other)"


@pytest.mark.parametrize("address", ["", "x", "http://", "http://[", "http://a b", "http://a:99999", "https://u:p@h/x"])
def test_an_address_of_no_ping_is_refused(address: str, tree: Path, store: Path) -> None:
    done = call("nightly", tree, "--store", store, f"--ping={address}")
    assert done.returncode == 2
    assert b"must be an address" in done.stderr


def test_a_redirected_ping_has_failed(tree: Path, store: Path, switch: tuple[str, type[Switch]]) -> None:
    url, handler = switch
    handler.status = 302
    assert b"HTTP Error 302" in call("nightly", tree, "--store", store, "--ping", url).stderr


@pytest.mark.parametrize("place", ["{}", "{}/none/"])
def test_a_store_that_is_a_directory_is_refused(place: str, tree: Path, tmp_path: Path) -> None:
    done = call("nightly", tree, "--store", place.format(tmp_path))
    assert done.returncode == 2
    assert b"is a directory: give a file in it" in done.stderr


def test_relative_paths_of_a_configuration_keep_their_directory(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "scan.toml").write_text(f'roots = ["{tree}"]\nstore = "rel/x.snap"\n')
    config = ["--config", tmp_path / "scan.toml"]
    assert f"cd {tmp_path} && " in call("nightly", *config, "--install-cron", cwd=tmp_path).stdout.decode()
    assert (
        f"WorkingDirectory={tmp_path}\n" in call("nightly", *config, "--install-systemd", cwd=tmp_path).stdout.decode()
    )
    absolute = ["nightly", tree, "--store", tmp_path / "x.snap", "--install-cron"]
    assert "cd " not in call(*absolute, cwd=tmp_path).stdout.decode()
    assert "cd " in call(*absolute, "--newer", "scan.toml", cwd=tmp_path).stdout.decode()


def test_an_error_of_a_drawing_library_is_a_failure_with_line_and_metrics(
    tree: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(tree, "--store", store)

    def broken(_: Any) -> str:
        raise ValueError("no colour")

    monkeypatch.setitem(FORMATS, ".md", broken)
    assert "internal error: ValueError: no colour" in night(tree, "--store", store, code=3)["rest"]
    assert metrics_in(store.parent)["exit_code"] == 3


def test_a_damaged_page_that_cannot_be_replaced_leaves_metrics(tree: Path, store: Path) -> None:
    store.parent.mkdir()
    (store.parent / "latest.json").write_text('{"night": {"now": {}}}')
    (store.parent / "latest.html").mkdir()
    night(tree, "--store", store, code=3)
    assert metrics_in(store.parent)["exit_code"] == 3
