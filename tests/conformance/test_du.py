"""`scanner du` gives the figures of GNU du: of every directory, whatever the number of workers.

Which of several names a file counts for depends on the order of the walk: GNU du takes the entries of a directory as
they come, ours takes files first, as os.walk does. So figures of single directories are compared where both orders are
one (files in leaves only), or where each name counts; totals everywhere.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.shell import as_user, call
from tests.support.trees import build

DU = shutil.which("du")
pytestmark = pytest.mark.skipif(DU is None, reason="needs GNU du")
WAYS = [["--backend", "serial"], ["--backend", "pool", "--workers", "1"], ["--backend", "pool", "--workers", "8"]]


def version() -> tuple[int, int]:
    first = subprocess.run(["du", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    major, minor = first.split()[-1].split(".")[:2]
    return int(major), int(minor)


def gnu(*arguments: object) -> dict[bytes, int]:
    result = subprocess.run(["du", "-0", *map(str, arguments)], capture_output=True, check=False, timeout=60)
    return figures(result.stdout)


def ours(*arguments: object) -> dict[bytes, int]:
    result = call("du", "-0", *map(str, arguments))
    assert (result.returncode, result.stderr) == (0, b"")
    return figures(result.stdout)


def figures(output: bytes) -> dict[bytes, int]:
    lines = [line.split(b"\t", 1) for line in output.split(b"\0") if line]
    assert len({path for _, path in lines}) == len(lines)
    return {path: int(size) for size, path in lines}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sub-directories, files of all sizes with links between any two directories, sparse files, links, odd names."""
    top = build(tmp_path_factory, "odd", 60, 400)
    rng = random.Random(6)
    places = [Path(path) for path, _, _ in os.walk(top) if len(os.fsencode(path)) < 900]
    for number in range(150):
        file = rng.choice(places) / f"sized-{number}"
        file.write_bytes(b"x" * rng.choice([0, 1, 511, 4096, 5000, 70_000]))
        for name in range(rng.choice([0, 0, 1, 3])):
            os.link(file, rng.choice(places) / f"hard-{number}-{name}")
    with (places[3] / "sparse").open("wb") as sparse:
        sparse.truncate(10_000_000)
        sparse.seek(5_000_000)
        sparse.write(b"x" * 10_000)
    (places[5] / "to-a-directory").symlink_to(places[2])
    return top


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in the lowest directories only, with links between any two of these."""
    top = tmp_path_factory.mktemp("leaves")
    rng = random.Random(7)
    places = [top / f"{a}" / f"{b}" / f"{c}" for a in range(4) for b in range(5) for c in range(3)]
    for place in places:
        place.mkdir(parents=True)
    for number in range(300):
        file = rng.choice(places) / f"{number}"
        file.write_bytes(b"x" * rng.choice([0, 1, 511, 4096, 5000, 70_000]))
        for name in range(rng.choice([0, 1, 3])):
            os.link(file, rng.choice(places) / f"{number}-{name}")
    return top


def skip_unless_sizes_are_alike(flags: list[str]) -> None:
    if "--apparent-size" in flags and version() >= (9, 2):
        pytest.skip("this du does not count directories any more in apparent sizes")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("flags", [["-B1"], ["-B1", "--apparent-size"]])
def test_every_directory(flags: list[str], how: list[str], leaves: Path, tree: Path) -> None:
    skip_unless_sizes_are_alike(flags)
    assert ours(*flags, *how, leaves) == gnu(*flags, leaves)
    assert ours(*flags, "-l", *how, leaves) == gnu(*flags, "-l", leaves)
    assert ours(*flags, "-l", *how, tree) == gnu(*flags, "-l", tree)
    assert ours(*flags, "-s", *how, tree) == gnu(*flags, "-s", tree)


def test_a_file_with_several_names_counts_for_the_first_in_walk_order_each_time(tree: Path) -> None:
    """GNU du goes in another order: so the totals are equal, and figures of directories equal among ours."""
    outputs = {call("du", "-B1", *how, tree).stdout for how in WAYS for _ in range(4)}
    assert len(outputs) == 1
    (output,) = outputs
    first: dict[int, str] = {}
    charged = {os.fspath(tree): 0}
    for path, dirs, files in os.walk(tree):
        charged[path] = os.lstat(path).st_blocks * 512
        for name in files + [name for name in dirs if os.path.islink(os.path.join(path, name))]:
            status = os.lstat(os.path.join(path, name))
            if first.setdefault(status.st_ino, os.path.join(path, name)) == os.path.join(path, name):
                charged[path] += status.st_blocks * 512
    top = os.fspath(tree)
    assert output.endswith(b"%d\t%s\n" % (sum(charged.values()), os.fsencode(top)))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_to_a_depth(depth: int, leaves: Path, tree: Path) -> None:
    assert ours("-B1", "-d", depth, leaves) == gnu("-B1", "-d", depth, leaves)
    assert ours("-B1", "-l", "-d", depth, tree) == gnu("-B1", "-l", "-d", depth, tree)


def test_several_roots_files_links_one_below_another_and_twice(leaves: Path) -> None:
    link = leaves.parent / "link"
    link.symlink_to(leaves / "2")
    one, two = leaves / "0", leaves / "1"
    file = next(path for path in one.rglob("*") if path.is_file() and path.stat().st_size)
    for roots in (
        [one, two], [leaves, one], [one, leaves], [leaves, leaves], [file, one, file], [one, file, two], [link, leaves],
        [f"{link}/", two], [file], [one / ".." / "1", leaves], [one / "3", one, leaves],
    ):  # fmt: skip
        assert ours("-B1", "-c", *roots) == gnu("-B1", "-c", *roots), roots


def test_links_are_followed_on_request(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_bytes(b"x" * 9000)
    (tmp_path / "top" / "below").mkdir(parents=True)
    (tmp_path / "top" / "below" / "file").write_bytes(b"x" * 5000)
    (tmp_path / "top" / "a").symlink_to(tmp_path / "far")
    (tmp_path / "top" / "b").symlink_to("below/file")
    (tmp_path / "top" / "c").symlink_to("nowhere")
    assert ours("-B1", "-L", "-s", tmp_path / "top") == gnu("-B1", "-L", "-s", tmp_path / "top")


def test_a_directory_that_may_not_be_read(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 5000)
    (tmp_path / "b").chmod(0)
    try:
        result = as_user("du", "-0", "-B", "1", tmp_path)
        drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        expected = subprocess.run([*drop, "du", "-0", "-B1", tmp_path], check=False, capture_output=True, timeout=60)
    finally:
        (tmp_path / "b").chmod(0o755)
    assert figures(result.stdout) == figures(expected.stdout)
    assert (result.returncode, expected.returncode) == (1, 1)
    assert b"cannot read" in result.stderr


@pytest.mark.parametrize("flags", [["-h"], ["-h", "--apparent-size"], ["-B", "M"], ["-B", "3K"], ["-B", "MB"], []])
def test_units(flags: list[str], tmp_path: Path) -> None:
    sizes = (0, 1, 1023, 1024, 1025, 9_999, 10_000, 10_189, 10_240, 10_241, 102_400, 1_047_552, 1_048_575, 1_048_577)
    for size in sizes:
        file = tmp_path / f"{size}"
        with file.open("wb") as output:
            output.truncate(size)
        mine = call("du", *flags, file)
        theirs = subprocess.run(["du", *flags, file], check=True, capture_output=True)
        assert (mine.stdout, mine.stderr) == (theirs.stdout, b"")


SPELLINGS = [
    "k", "K", "kB", "KB", "KiB", "kiB", "m", "M", "MB", "G", "g", "t", "T", "P", "E", "1K", "4k", "1kB", "2KiB", "'1K",
    "'K", "'1", "+1K", " 4K", "007K", "8E", "5", "512", "si", "s", "human-readable", "human", "GiB", "TB",
]  # fmt: skip
WRONG = [
    "", "0", "00", "0K", "x", "K'", "kib", "KIB", "Ki", "Kb", "KBi", "eB", "B", "b", "1B", "p", "e", "Z", "1Y", "16E",
    "+K", "18446744073709551616", "-1", "1.5K", "1 K", "1kK", "R", "'", "humanx", " K",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_a_block_size(spelling: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 999_501)
    for flags in ([f"-B{spelling}"], ["--apparent-size", f"--block-size={spelling}"]):
        mine = call("du", *flags, tmp_path / "file")
        theirs = subprocess.run(["du", *flags, tmp_path / "file"], check=True, capture_output=True)
        assert (mine.returncode, mine.stdout, mine.stderr) == (0, theirs.stdout, b"")


@pytest.mark.parametrize("spelling", WRONG)
def test_no_block_sizes(spelling: str, tmp_path: Path) -> None:
    assert subprocess.run(["du", f"-B{spelling}", tmp_path], check=False, capture_output=True).returncode == 1
    mine = call("du", f"-B{spelling}", tmp_path) if spelling else call("du", "-B", "", tmp_path)
    assert (mine.returncode, mine.stdout) == (2, b"")
    assert mine.stderr.startswith(b"scanner: -B ")
    assert len(mine.stderr.splitlines()) == 1


def test_the_largest_come_first(tree: Path) -> None:
    everything = sorted(ours("-B1", tree).values(), reverse=True)
    assert list(ours("-B1", "--top", "5", tree).values()) == everything[:5]
    assert list(ours("-B1", "--top", "2", "-d", "1", tree).values()) == everything[:2]


def test_excluded_entries_are_not_counted(tree: Path) -> None:
    assert ours("-B1", "-l", "--exclude", "sized-*", tree) == gnu("-B1", "-l", "--exclude=sized-*", tree)


@pytest.mark.slow
@pytest.mark.parametrize("size", [["-B1"], ["-B1", "--apparent-size"]])
@pytest.mark.parametrize("workers", [1, 8])
def test_usr_ten_times(workers: int, size: list[str]) -> None:
    totals = gnu(*size, "-s", "/usr")
    outputs = set()
    for _ in range(10):
        result = call("du", *size, "-0", "--backend", "pool", "--workers", str(workers), "/usr")
        assert result.returncode == 0
        outputs.add(result.stdout)
    assert len(outputs) == 1
    mine = figures(outputs.pop())
    assert mine[b"/usr"] == totals[b"/usr"]

    assert ours(*size, "-l", "/usr") == gnu(*size, "-l", "/usr")
