"""On a Dask cluster, results and bytes are those of worker processes on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.errors import OptionError
from scanner.stats import ScanStats
from tests.support.cluster import distributed
from tests.support.shell import call
from tests.support.trees import os_walk

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Dask

POOL = {"backend": "pool", "max_workers": 2}
PROFILES = ["monorepo", "skewed", "flat", "odd"]
FORMATS = ["paths", "ndjson", "csv", "parquet", "ncdu", "folded"]


def security_of(kind: str) -> Any:
    from distributed.security import Security

    pytest.importorskip("cryptography") if kind == "tls" else None
    return Security.temporary() if kind == "tls" else Security()


@pytest.fixture(scope="module", params=["plain", pytest.param("tls", marks=pytest.mark.slow)])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the client of a cluster in processes of this machine, once without and once with TLS."""
    with cluster_with(request.param) as client:
        yield client


@contextmanager
def cluster_with(kind: str) -> Iterator[Any]:
    package = distributed()
    security = security_of(kind)
    settings = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None, "worker_dashboard_address": None}
    with (
        package.LocalCluster(**settings, security=security) as cluster,
        package.Client(cluster.scheduler_address, security=security, set_as_default=False) as client,
    ):
        scanner.scan("/usr/bin", client=client)  # threads and connections that stay until the client is closed
        yield client


@pytest.fixture
def address(client: Any) -> str:
    """Return the address of the scheduler, where a command can use it."""
    address: str = client.scheduler.address
    if address.startswith("tls"):
        pytest.skip("certificates of a command are those of its configuration")
    return address


@pytest.mark.parametrize(("profile", "topdown", "path_type"), [*product(PROFILES, [True, False], [str, os.fsencode])])
def test_walk_and_scan_equal_os_walk(
    profile: str, topdown: bool, path_type: Any, client: Any, trees: dict[str, Path]
) -> None:
    top = path_type(str(trees[profile]))
    expected = os_walk(top, topdown=topdown)
    assert list(scanner.walk(top, topdown, client=client)) == expected
    result = scanner.scan(top, topdown, client=client)
    assert (result, result.errors) == (expected, [])


def test_connections_to_workers_use_tls_as_well(trees: dict[str, Path]) -> None:
    top = str(trees["odd"])
    with cluster_with("tls") as client:
        result = scanner.scan(top, client=client)
        assert result == os_walk(top)
        assert {each["address"][:6] for each in result.stats.cluster["workers"]} == {"tls://"}


@pytest.mark.parametrize("profile", ["monorepo", "odd"])
def test_a_caller_prunes_sorts_and_adds(profile: str, client: Any, trees: dict[str, Path]) -> None:
    def changed(walk: Any) -> Iterator[Any]:
        for root, dirs, files in walk:
            yield root, list(dirs), list(files)
            dirs.sort(reverse=True)
            del dirs[::3]
            if len(dirs) == 1:
                dirs.append("../" + os.path.basename(root) + "/" + dirs[0])

    top = str(trees[profile])
    assert list(changed(scanner.walk(top, client=client))) == list(changed(os.walk(top)))


def test_nothing_below_the_root_is_read_before_it_is_requested(client: Any, tmp_path: Path) -> None:
    for name in ("kept", "pruned"):
        (tmp_path / name / "below").mkdir(parents=True)
    walking = scanner.walk(str(tmp_path), client=client)
    _, dirs, _ = next(walking)
    dirs.remove("pruned")
    (tmp_path / "kept" / "late").mkdir()
    assert [root.removeprefix(f"{tmp_path}/") for root, _, _ in walking] == ["kept", *sorted_names(tmp_path / "kept")]


def sorted_names(directory: Path) -> list[str]:
    """The names in a directory, in the order of the system, with the directory."""
    return [f"{directory.name}/{name}" for name in next(os.walk(directory))[1]]


@pytest.mark.parametrize("profile", PROFILES)
def test_entries_have_the_same_fields(profile: str, client: Any, trees: dict[str, Path]) -> None:
    top = str(trees[profile])
    fields = ("type", "size", "blocks", "mode", "uid", "gid", "ino", "dev", "nlink", "mtime_ns", "ctime_ns")
    expected = [*map(repr, scanner.entries(top, stat=fields, **POOL))]
    assert [*map(repr, scanner.entries(top, stat=fields, client=client))] == expected
    result = scanner.scan(top, stat=fields, client=client)
    assert sorted(map(repr, result.entries())) == sorted(expected)


@pytest.mark.parametrize("profile", ["monorepo", "odd"])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_the_same_bytes(
    name: str, profile: str, address: str, trees: dict[str, Path], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fields = [] if name in ("paths", "ncdu", "folded") else ["--fields", "type,size,mode,ino,dev,nlink,mtime_ns"]
    given = ["list", "--format", name, *fields, trees[profile], "-o"]
    assert call(*given, here, "--backend", "pool").returncode == 0
    done = call(*given, there, "--dask", address)
    assert (done.returncode, done.stderr) == (0, b"")
    assert without_clock(there.read_bytes(), name) == without_clock(here.read_bytes(), name)


def without_clock(body: bytes, name: str) -> bytes:
    """Return the file without the time of its scan, which the head of ncdu and the footer of Parquet keep."""
    if name == "parquet":
        return body[: -8 - int.from_bytes(body[-8:-4], "little")]
    return body.partition(b"}")[2] if name == "ncdu" else body


FLAGS = [
    ["--exclude", "*1*"], ["--include", "*.txt", "--type", "f"], ["--gitignore"], ["--max-depth", "3", "--size", "+1"],
    ["--newer", "2000-01-01", "--no-hidden"], ["--xdev"], ["--exclude-caches", "--exclude-if-present", "empty"],
]  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_filters_select_the_same(flags: list[str], address: str, trees: dict[str, Path]) -> None:
    given = ["list", *flags, trees["odd"]]
    here = call(*given, "--backend", "pool")
    there = call(*given, "--dask", address)
    assert (there.stdout, there.stderr, there.returncode) == (here.stdout, here.stderr, here.returncode)


@pytest.mark.parametrize("flags", [["-b"], ["-d", "1", "-h"], ["-c", "--count-links", "--top", "5"]], ids=" ".join)
def test_du_prints_the_same(flags: list[str], address: str, trees: dict[str, Path]) -> None:
    given = ["du", *flags, trees["odd"]]
    here, there = call(*given), call(*given, "--dask", address)
    assert (there.stdout, there.stderr, there.returncode) == (here.stdout, here.stderr, here.returncode)


def test_sizes_in_a_report_are_the_same_and_workers_have_names(address: str, trees: dict[str, Path]) -> None:
    given = ["scan", "--sizes", "--json", trees["monorepo"]]
    here, there = (json.loads(call(*given, *flags).stdout) for flags in ([], ["--dask", address]))
    for name in ("sizes", "names", "errors", "scanned_directories", "files", "entries", "filesystems", "faults"):
        assert there.get(name) == here.get(name)
    cluster = there["cluster"]
    assert there["backend"] == "dask"
    assert {each["process"] for each in there["workers"]} <= {each["process"] for each in cluster["workers"]}
    assert {each["host"] for each in cluster["workers"]} == {os.uname().nodename}
    assert (cluster["deaths"], cluster["retired"], cluster["excluded"]) == (0, 0, 0)
    assert there["bytes_received"] > 0


def test_the_text_of_a_report_names_workers_and_shares(address: str, trees: dict[str, Path]) -> None:
    text = call("scan", trees["monorepo"], "--dask", address).stdout.decode()
    assert "Backend             Dask, 2 workers on 1 host, " in text
    assert text.count(f" on {os.uname().nodename}\n") == 2
    assert "received from all" in text


def test_several_scans_at_once_on_one_client(client: Any, trees: dict[str, Path]) -> None:
    async def scans() -> list[Any]:
        scanner_ = scanner.ParallelScanner(client=client)
        return await asyncio.gather(*(scanner_.scan(str(trees[name])) for name in PROFILES))

    assert asyncio.run(scans()) == [list(os.walk(trees[name])) for name in map(str, PROFILES)]


def test_a_prune_function_runs_in_the_workers(client: Any, trees: dict[str, Path]) -> None:
    here = scanner.scan(str(trees["monorepo"]), prune=keep_some, **POOL)
    assert scanner.scan(str(trees["monorepo"]), prune=keep_some, client=client) == here != []


def keep_some(path: str, names: list[str]) -> list[str]:
    return names[::2]


def test_a_timeout_returns_what_was_found(client: Any, trees: dict[str, Path]) -> None:
    with pytest.raises(scanner.ScanTimeout) as caught:
        scanner.scan(str(trees["monorepo"]), client=client, timeout=1e-6)
    assert isinstance(caught.value.stats, ScanStats)


def test_a_rate_holds_for_all_workers_together(client: Any, trees: dict[str, Path]) -> None:
    began = time.monotonic()
    result = scanner.scan(str(trees["odd"]), client=client, max_rate=200)
    assert result.errors == []
    assert result.stats.directories <= 200 * (time.monotonic() - began) + 200


def test_a_walk_that_is_left_leaves_nothing(client: Any, trees: dict[str, Path]) -> None:
    walking = scanner.walk(str(trees["monorepo"]), client=client)
    next(walking), next(walking)
    walking.close()


REFUSALS = [
    ({"nice": True}, "nice"), ({"start_method": "spawn"}, "start_method"), ({"backend": "serial"}, "serial"),
    ({"max_workers": 2}, "max_workers"), ({"store": "x.snap"}, "store"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "name"), REFUSALS, ids=str)
def test_options_of_this_machine_are_refused(options: dict[str, Any], name: str) -> None:
    for function in (scanner.scan, scanner.walk, scanner.entries):
        with pytest.raises(OptionError, match=name):
            list(function("/", client="tcp://127.0.0.1:1", **options))


def test_relative_roots_and_other_objects_are_refused(client: Any) -> None:
    with pytest.raises(OptionError, match="absolute"):
        scanner.scan("here", client=client)
    with pytest.raises(OptionError, match=r"distributed\.Client"):
        scanner.scan("/", client=3)


def test_an_asynchronous_client_serves_other_threads_than_that_of_its_loop(client: Any) -> None:
    async def scan() -> Any:
        async with distributed().Client(client.scheduler.address, asynchronous=True, security=client.security) as own:
            with pytest.raises(OptionError, match="to_thread"):
                scanner.scan("/usr/bin", client=own)
            return await asyncio.to_thread(scanner.scan, "/usr/bin", client=own)

    assert asyncio.run(scan()) == list(os.walk("/usr/bin"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nice"], b"--nice cannot be used with --dask"),
        (["--workers", "2"], b"--workers cannot be used with --dask"),
        (["--store", "x.snap"], b"--store cannot be used with --dask"),
        (["--dask-workers", "0"], b"--dask-workers must"),
    ],
)
def test_flags_that_a_cluster_has_no_use_for(flags: list[str], message: bytes, tmp_path: Path) -> None:
    distributed()
    done = call("list", "/usr/bin", "--dask", "tcp://127.0.0.1:1", *flags, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr


def test_a_number_of_workers_without_a_cluster() -> None:
    assert call("list", "/usr/bin", "--dask-workers", "2").stderr == b"scanner: --dask-workers needs --dask\n"


LOADED = """
import sys, scanner
from scanner.cli.main import main
main(["list", "-o", "/dev/null", "/usr/bin"])
scanner.scan("/usr/bin")
print([name for name in sys.modules if "dask" in name or "distributed" in name])
"""


def test_nothing_of_dask_is_imported_without_a_cluster() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
