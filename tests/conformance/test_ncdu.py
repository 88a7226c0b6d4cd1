"""ncdu loads every file written for it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.export.writers import NcduWriter
from scanner.fields import FIRST, LAST, columns_of, with_exact_times
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.ncdu import NCDU_FIELDS, Ncdu
from scanner.model import Chunk
from scanner.options import ProducerSpec, ScanOptions
from tests.support.shell import call

pytestmark = pytest.mark.skipif(shutil.which("ncdu") is None, reason="ncdu is not installed")
SECOND = 10**9
TIMES = [0, -1, -SECOND, -(10**10) * SECOND, 10**10 * SECOND, (2**33) * SECOND, -(2**62) * SECOND, 2**62 * SECOND]
OWNERS = [0, 2**31 - 1, 2**31, 2**32 - 2]
WAYS = {"serial": ["--backend", "serial"], "pool": ["--backend", "pool", "--workers", "2"]}


def loaded(file: Path) -> bytes:
    """Return the file as ncdu exports it again. ncdu may exit with 0 although it refused the file."""
    result = subprocess.run(["ncdu", "-0", "-f", file, "-o", "-"], capture_output=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, b""), result.stdout[-300:]
    return result.stdout


def names_in(tree: Any) -> Iterator[str]:
    todo = [tree]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo += item
        elif isinstance(item, dict):
            yield item["name"]


def any_name(rng: random.Random) -> bytes:
    letters = [bytes([byte]) for byte in range(1, 256) if byte != ord("/")]
    return b"".join(rng.choices(letters, k=rng.choice((1, 2, 3, 30, 255)))).replace(b".", b":")


@pytest.fixture(scope="module")
def hostile() -> Iterator[Path]:
    """Make names of any bytes, times of any century, any owners, sparse files; on tmpfs if there is one."""
    rng = random.Random(27)
    top = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None, prefix="scanner-ncdu-"))
    places = [os.fsencode(top)]
    for number in range(120):
        path = os.path.join(rng.choice(places), any_name(rng))
        if os.path.lexists(path) or len(path) > 2000:
            continue
        if number % 3 == 0:
            os.mkdir(path)
            places.append(path)
        elif number % 3 == 1:
            with open(path, "wb") as file:
                file.truncate(rng.choice((0, 1, 4096, 2**40)))
        else:
            os.symlink(any_name(rng), path)
    for path in [os.path.join(place, name) for place in places for name in os.listdir(place)]:
        if os.geteuid() == 0:
            os.chown(path, rng.choice(OWNERS), rng.choice(OWNERS), follow_symlinks=False)
    for path in reversed([*places, *(os.path.join(place, name) for place in places for name in os.listdir(place))]):
        when = rng.choice(TIMES)
        try:
            os.utime(path, ns=(when, when), follow_symlinks=False)
        except OSError:  # the file system does not support it
            os.utime(path, ns=(-SECOND, -SECOND), follow_symlinks=False)
    os.utime(top, ns=(-5 * SECOND,) * 2)
    yield top
    shutil.rmtree(top)


@pytest.mark.parametrize("way", WAYS)
def test_ncdu_loads_any_tree(way: str, reader: str, hostile: Path, tmp_path: Path) -> None:
    file = tmp_path / "tree.ncdu"
    result = call("list", *WAYS[way], "-o", file, hostile)
    assert (result.returncode, result.stderr) == (0, b"")
    written = file.read_bytes().decode(errors="surrogateescape")
    count = sum(1 + len(files) + sum(os.path.islink(os.path.join(root, name)) for name in dirs)
                for root, dirs, files in os.walk(os.fsencode(hostile)))  # fmt: skip
    assert len(list(names_in(json.loads(written)[3]))) == count
    again = loaded(file).decode(errors="surrogateescape")
    assert sorted(names_in(json.loads(again)[3])) == sorted(names_in(json.loads(written)[3]))


def test_ncdu_loads_a_directory_dated_before_1970(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    for path in (top / "below", top):
        os.utime(path, ns=(-1, -1))
    assert call("list", "-o", tmp_path / "a.ncdu", top).returncode == 0
    assert b'"below"' in loaded(tmp_path / "a.ncdu")


def test_ncdu_loads_a_deep_tree(trees: dict[str, Path], tmp_path: Path) -> None:
    assert call("list", "-o", tmp_path / "a.ncdu", trees["deep"]).returncode == 0
    loaded(tmp_path / "a.ncdu")


def test_ncdu_loads_a_root_with_a_very_long_path(tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        root = "./" * 2000 + "."
        (tmp_path / "x").touch()
        assert call("list", "-o", "a.ncdu", root).returncode == 0
    finally:
        os.chdir(here)
    assert b'"x"' in loaded(tmp_path / "a.ncdu")


EXTREMES = {
    "size": [0, 1, LAST, FIRST, -1], "blocks": [0, LAST // 512, LAST, FIRST, -1],
    "mode": [0o100644, 0o177777, 0o120777],
    "uid": OWNERS, "gid": OWNERS, "ino": [0, 1, LAST, FIRST, -1], "dev": [0, LAST, FIRST, -1],
    "nlink": [0, 1, 2, 2**31, 2**32 - 1], "mtime_ns": [0, 1, LAST, FIRST], "mtime_s": [2**63 - 1, -(2**63), 0],
    "mtime_rest": [0, 999_999_999],
}  # fmt: skip


@pytest.mark.parametrize("root", ["r", "/" + "long/" * 20_000, "\udcff" * 40_000], ids=["short", "long", "long bytes"])
def test_ncdu_loads_any_values_of_stat(root: str, tmp_path: Path) -> None:
    """File systems in user space may report any values."""
    rng = random.Random(27)
    options = ScanOptions(stat=NCDU_FIELDS, roots=(root,), producers=(ProducerSpec("ncdu"),))
    columns = columns_of(with_exact_times(NCDU_FIELDS))
    producer = Ncdu(options)
    count = 300
    rows = [[rng.choice(EXTREMES[name]) for _ in range(count + 1)] for name in columns]
    packed = b"".join(array("q", row).tobytes() for row in rows)
    producer.take(root, [], FilesWithRows("\0".join(f"f{number}" for number in range(count)), packed), True)
    with open(tmp_path / "a.ncdu", "wb") as file:
        writer = NcduWriter(file.write)
        made = producer.output()
        writer.write_chunk(Chunk(0, root, output=made), made)
        writer.finish(dict)
    assert b'"f299"' in loaded(tmp_path / "a.ncdu")
