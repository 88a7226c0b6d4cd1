"""Nodes with mounts of their own, on one machine: mount namespaces. Needs root, FUSE, and loop devices."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner.backends import dask as backend
from scanner.backends.sight import MADE_UP
from tests.cluster.test_workers_come_and_go import InThread
from tests.support.cluster import Cluster, distributed
from tests.support.faultfs import unavailable
from tests.support.shell import call

distributed()
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has mount namespaces"),
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]
TREE = {"$": "synth", "fanout": [8, 8, 4], "files": 3}
LINKS = 3_000
DIRECTORIES = 1 + 8 + 64 + 256


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "srv").mkdir()
    with Cluster(tmp_path) as cluster:
        yield cluster


def node(cluster: Cluster, point: Path, name: str, *, threads: int = 2, **settings: Any) -> Any:
    """Start a worker that has a file system of its own at `point`."""
    words = [sys.executable, "-m", "tests.support.node", json.dumps({"point": str(point), **settings})]
    return cluster.worker("--name", name, threads=threads, before=words)


def fuse(*rules: dict[str, Any], latency_ms: float = 1.0, tree: Any = TREE) -> dict[str, Any]:
    return {"tree": {"top": tree}, "rules": list(rules), "latency_ms": latency_ms, "preset": "nfs"}


def image_of(tree: Path, image: Path) -> Path:
    """Make an ext4 image of a tree: each node mounts it as another device, with the same inodes."""
    if shutil.which("mke2fs") is None:
        pytest.skip("mke2fs is not installed")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "64M"], check=True)
    return image


def test_hard_links_count_once_although_each_node_has_another_device_number(cluster: Cluster, tmp_path: Path) -> None:
    tree = build_with_links(tmp_path)
    report = tmp_path / "report.json"
    image, point = image_of(tree, tmp_path / "image"), tmp_path / "srv"
    for number, name in enumerate(("one", "two", "three")):
        own = shutil.copy(image, tmp_path / f"image-{name}")  # of one file, the system would make one device
        node(cluster, point, name, image=str(own), dummies=number)
    cluster.wait(3)
    devices = cluster.client.run(lambda path: os.stat(path).st_dev, str(point))
    assert len(set(devices.values())) == 3
    subprocess.run(["mount", "-o", "loop,ro,noload", image, point], check=True)
    try:
        expected = call("du", "-b", point).stdout
        listed = call("list", "--format", "csv", "--fields", "ino,nlink,size", point).stdout
    finally:
        subprocess.run(["umount", point], check=True)
    several = False
    while not several:
        done = call("du", "-b", point, "--dask", cluster.file, "--report", report)
        assert done.stdout == expected
        several = len(json.loads(report.read_bytes())["workers"]) > 1
    assert call("list", "--format", "csv", "--fields", "ino,nlink,size", point, "--dask", cluster.file).stdout == listed
    result = scanner.scan(str(point), stat=("dev",), client=cluster.client)
    assert len({entry.dev for entry in result.entries()}) == 1


def build_with_links(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for number in range(LINKS):
        (tree / f"{number % 6}" / f"{number}").mkdir(parents=True)
    (tree / "file").write_bytes(b"x" * 10_000)
    for number in range(LINKS):
        os.link(tree / "file", tree / f"{number % 6}" / f"{number}" / "name")
    return tree


def test_a_mount_that_comes_later_has_one_number_on_all_nodes(tmp_path: Path) -> None:
    from scanner.backends.sight import DeviceNumbers, look

    roots = [str(tmp_path)]
    own = look(roots)
    reference = {os.fsencode(tmp_path): 7}
    one, other = DeviceNumbers(roots, own, reference), DeviceNumbers(roots, own, reference)
    (tmp_path / "late").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "late"], check=True)
    try:
        new = os.stat(tmp_path / "late").st_dev
        assert one(os.stat(tmp_path).st_dev) == 7
        assert one(new) == other(new) >= MADE_UP
    finally:
        subprocess.run(["umount", tmp_path / "late"], check=True)


@pytest.mark.parametrize("other", [{"dummies": 1}, {"fuse": fuse(tree={"b": {}})}], ids=["not mounted", "another tree"])
def test_another_tree_at_the_root_is_refused_before_anything_is_walked(
    other: dict[str, Any], cluster: Cluster, tmp_path: Path
) -> None:
    point = tmp_path / "srv"
    node(cluster, point, "good", fuse=fuse())
    node(cluster, point, "bad", **other)
    cluster.wait(2)
    host = os.uname().nodename
    top = point / "top" if "fuse" in other else point
    with pytest.raises(scanner.ClusterError, match=rf"on {host} and .* on {host} differ: ") as caught:
        scanner.scan(str(top), client=cluster.client)
    text = str(caught.value)
    assert (caught.value.reason, str(top) in text, "good" in text, "bad" in text) == ("different", True, True, True)
    done = call("list", top, "--dask", cluster.file)
    assert (done.returncode, done.stdout) == (3, b"")


@pytest.mark.slow
def test_a_worker_with_another_tree_that_joins_later_is_not_used(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    point = tmp_path / "srv"
    node(cluster, point, "good", fuse=fuse(latency_ms=12))
    cluster.wait(1)
    scan = InThread(str(point / "top"), client=cluster.client, max_in_flight=2)
    scan.under_way()
    node(cluster, point, "bad", dummies=1)
    cluster.wait(2)
    result = scan.end()
    assert (len(result), result.errors) == (DIRECTORIES, [])
    assert "differ" in caplog.text
    assert "is not used" in caplog.text
    assert len(result.stats.cluster["workers"]) == 1


def test_a_mount_that_vanishes_on_one_node_costs_only_that_node(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    point = tmp_path / "srv"
    nodes = [node(cluster, point, name, fuse=fuse(latency_ms=12)) for name in ("one", "two")]
    cluster.wait(2)
    scan = InThread(str(point / "top"), client=cluster.client, max_in_flight=8)
    scan.under_way()
    nodes[0].send_signal(signal.SIGUSR1)
    result = scan.end()
    assert (len(result), result.errors) == (DIRECTORIES, [])
    assert all(len(files) == 3 for _, _, files in result)
    assert result.stats.cluster["excluded"] == 1
    assert "is not mounted any more; its Tasks run elsewhere" in caplog.text


def test_a_mount_that_vanishes_on_all_nodes_is_never_silent(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "PATIENCE", 2.0)
    point = tmp_path / "srv"
    nodes = [node(cluster, point, name, fuse=fuse(latency_ms=12)) for name in ("one", "two")]
    cluster.wait(2)
    scan = InThread(str(point / "top"), client=cluster.client, max_in_flight=8)
    scan.under_way()
    for each in nodes:
        each.send_signal(signal.SIGUSR1)
    with pytest.raises(scanner.ClusterError, match="no worker") as caught:
        scan.end()
    assert caught.value.reason == "lost"


def test_a_file_system_whose_server_dies_is_never_silent(cluster: Cluster, tmp_path: Path) -> None:
    """The mount stays, and each request fails."""
    point = tmp_path / "srv"
    node(cluster, point, "one", fuse=fuse({"path": "/top/*", "op": ["opendir", "lookup"], "errno": "EIO"}))
    cluster.wait(1)
    result = scanner.scan(str(point / "top"), client=cluster.client)
    assert {fault.kind for fault in result.errors} == {"io"}


def test_hung_directories_cost_only_themselves(cluster: Cluster, tmp_path: Path) -> None:
    """A thread of each node that meets one hangs on; the others walk on."""
    point = tmp_path / "srv"
    hung = [f"/top/{name}" for name in hanging()]
    rules = [{"path": path, "op": "opendir", "hang": "killable"} for path in hung]
    for name in ("one", "two"):
        node(cluster, point, name, fuse=fuse(*rules))
    cluster.wait(2)
    began = time.monotonic()
    result = scanner.scan(str(point / "top"), client=cluster.client, dir_timeout=1.5, max_hung=0)
    assert sorted(fault.path for fault in result.errors) == sorted(f"{point}{path}" for path in hung)
    assert {fault.kind for fault in result.errors} == {"timeout"}
    assert len(result) == DIRECTORIES - sum(map(below, hung))
    assert time.monotonic() - began < 60
    assert result.stats.hung_directories == len(hung)
    assert {each["mount"] for each in result.stats.as_dict()["latencies"]} == {str(point / "top")}


def hanging() -> list[str]:
    return ["d0000/d0001", "d0003/d0002/d0001"]


def below(path: str) -> int:
    """Number of directories at and below one at this depth."""
    return {2: 1 + 4, 3: 1}[path.count("/") - 1]
