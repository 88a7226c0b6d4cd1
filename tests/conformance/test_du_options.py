"""`scanner du` prints what GNU du prints, option by option and in pairs, and refuses what it refuses.

Files with several names are in leaves only, so that the order of both programs is one: see test_du.py.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from pathlib import Path

import pytest

from tests.conftest import READERS, use
from tests.support.shell import as_user, call, run
from tests.support.trees import make

DU = shutil.which("du")
pytestmark = pytest.mark.skipif(DU is None, reason="needs GNU du")
UNITS = ["-h", "--si", "-k", "-m", "-B1", "-BKB", "-B3K", "-b"]
LINKS = ["-L", "-D", "-H", "-P"]
FIGURES = ["--apparent-size", "--inodes", "--time", "--time=u", "--time=status"]
SHOWN = ["-a", "-S", "-s", "-c", "-d0", "-d1", "-d0x2", "-t1", "-t5K", "-t-8KB", "-t-30000"]
OTHERS = ["-l", "-x", "--time-style=full-iso", "--time-style=+%s.%N", "--exclude=sized-1*"]
OPTIONS = [*UNITS, *LINKS, *FIGURES, *SHOWN, *OTHERS]
PAIRS = [
    *combinations(OPTIONS, 2),
    *((late, early) for group in (UNITS, LINKS) for early, late in combinations(group, 2)),
]


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leaves with files of all sizes and times, with links between any two of them, odd names, pipes and symlinks."""
    top = tmp_path_factory.mktemp("options")
    rng = random.Random(8)
    places = [top / f"{a}" / f"{b}" for a in range(3) for b in range(3)]
    for place in places:
        place.mkdir(parents=True)
    for number in range(60):
        file = rng.choice(places) / f"sized-{number}"
        file.write_bytes(b"x" * rng.choice([0, 1, 511, 4096, 5000, 70_000]))
        for name in range(rng.choice([0, 0, 1, 3])):
            os.link(file, rng.choice(places) / f"hard-{number}-{name}")
        os.utime(file, ns=(rng.randrange(2 * 10**18), rng.randrange(-(10**18), 3 * 10**18)))
    for name in ("new\nline", "\x1b[31m", " ", "ä", os.fsdecode(b"\xff")):
        (places[0] / name).write_bytes(b"y" * 3000)
    with (places[1] / "sparse").open("wb") as sparse:
        sparse.truncate(10_000_000)
    os.mkfifo(places[1] / "pipe")
    make(top, {"empty": {}, "links": {"a": {"to-a-directory": "../../2/1"}, "b": {"to-a-file": "../../0/0/ä"},
                                      "c": {"broken": "nowhere"}}})  # fmt: skip
    (top.parent / "options-link").unlink(missing_ok=True)
    (top.parent / "options-link").symlink_to(top)
    subprocess.run(["du", top], check=True, capture_output=True)  # the last access of directories
    return top


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as context:
        context.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def lines(output: bytes) -> list[bytes]:
    return sorted(output.split(b"\0"))


def assert_as_du(words: Sequence[str | Path], *, cwd: Path | None = None) -> None:
    theirs = subprocess.run(["du", "-0", *words], capture_output=True, check=False, cwd=cwd)
    ours = call("du", "-0", *words, cwd=cwd)
    if b"Try 'du --help'" in theirs.stderr or (theirs.returncode and not theirs.stdout):
        assert (ours.returncode, ours.stdout) == (2, b""), words
        assert ours.stderr.startswith(b"scanner: ")
        assert len(ours.stderr.splitlines()) == 1
    else:
        assert lines(ours.stdout) == lines(theirs.stdout), words
        assert ours.returncode == theirs.returncode or "-L" in words, words  # broken links are no errors here


@pytest.mark.parametrize("zone", ["Asia/Kolkata"], indirect=True)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("part", range(4))
def test_pairs_of_options(part: int, reader: str, zone: None, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(reader, monkeypatch)
    link = top.parent / "options-link"
    for number, pair in enumerate(PAIRS[part::4]):
        roots = [[top], [top / "0", top / "0" / "1" / "sparse", link, top / "2" / "0"], [link]][number % 3]
        assert_as_du([*pair, *roots])


@pytest.mark.parametrize("pair", [("-a", "-s"), ("-s", "-d1"), ("-s", "-d0x2")])
def test_pairs_that_contradict_each_other_are_refused(pair: tuple[str, str], top: Path) -> None:
    assert pair in PAIRS or pair[::-1] in PAIRS
    assert call("du", *pair, top).returncode == 2


@pytest.mark.parametrize("words", [
    ["-d", "-1"], ["-d", "1K"], ["-d", ""], ["-d", "08"], ["-d", "010"], ["-t", "-0"], ["-t", ""], ["-t", "1g"],
    ["-t", "9E"], ["-t", "-9E"], ["-t", "7E"], ["-t", "1.5K"], ["-t", "K"], ["-t", "-K"], ["-t", "1D"], ["-t", "1KD"],
    ["-t", "010K"], ["-t", "0x1K"], ["-t", "+1K"], ["-t", " 1K"], ["-at", "-5K"], ["--threshold", "-5K"],
    ["--time=x"], ["--time="], ["--time=a"], ["--time=acc"], ["--time", "--time-style=f"],
    ["--time", "--time-style=x"], ["--time", "--time-style="], ["--time-style=x"], ["--inodes", "-BMB"],
    ["--inodes", "-BMiB"], ["--inodes", "-BK"], ["-B010"], ["-B0x400"], ["-BkD"], ["-BMD"], ["-B'h"], ["-B''"],
    ["--inodes", "-B0"], ["-B", "+0x10K"],
], ids=str)  # fmt: skip
def test_values_of_options(words: list[str], top: Path) -> None:
    assert_as_du([*words, top])


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"], indirect=True)
@pytest.mark.parametrize("style", [
    "%Y-%m-%d %H:%M:%S.%N %z", "%3N %12N|%-N|%_N|%-3N", "%:z %::z %:::z", "%s %% %e %-d %j %U %V %a %^a %p %Z", "%",
    "x", "é %d", "",
])  # fmt: skip
def test_styles_of_times(style: str, zone: None, top: Path) -> None:
    assert_as_du(["--time", "-a", f"--time-style=+{style}", top])


@pytest.mark.parametrize("variables", [
    {"DU_BLOCK_SIZE": "h"}, {"BLOCK_SIZE": "1"}, {"BLOCKSIZE": "MB"}, {"POSIXLY_CORRECT": "1"},
    {"DU_BLOCK_SIZE": "wrong", "BLOCK_SIZE": "1"}, {"DU_BLOCK_SIZE": "", "POSIXLY_CORRECT": ""},
    {"BLOCK_SIZE": "2K", "BLOCKSIZE": "1"}, {"BLOCKSIZE": "0"}, {"TIME_STYLE": "posix-full-iso"},
    {"TIME_STYLE": "+%s\nx"}, {"TIME_STYLE": "locale"}, {"TIME_STYLE": "wrong"},
], ids=str)  # fmt: skip
def test_variables_of_the_environment(variables: dict[str, str], top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for words in ([], ["--time"], ["--inodes"], ["-B2K"], ["-b"], ["--apparent-size"]):
        assert_as_du([*words, top])


@pytest.mark.parametrize("names", [
    b"", b"0", b"0\0", b"0\x001/2\0", b"0\0\x001", b"\0", b"0\0-\0", b"nowhere\x000", b"0\x000\x00./0\x002/1",
    b"links/a/to-a-directory\0",
])  # fmt: skip
def test_names_in_a_file(names: bytes, top: Path, tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_bytes(names)
    for words in (["-c"], ["-sc", "-L"], ["-D", "-a"]):
        theirs = subprocess.run(
            ["du", "-0", *words, f"--files0-from={file}"], capture_output=True, check=False, cwd=top
        )
        ours = call("du", "-0", *words, f"--files0-from={file}", cwd=top)
        assert (ours.returncode, lines(ours.stdout)) == (theirs.returncode, lines(theirs.stdout))
        if b"\0\0" in names:
            assert b"name 2: a name is empty" in ours.stderr


def test_names_on_standard_input(top: Path) -> None:
    for names in (b"0\x001", b"0\0-\x001"):
        theirs = subprocess.run(["du", "--files0-from=-"], input=names, capture_output=True, check=False, cwd=top)
        read, write = os.pipe()
        os.write(write, names)
        os.close(write)
        with os.fdopen(read) as stdin:
            ours = run("du", "--files0-from=-", cwd=top, stdin=stdin)
        assert (ours.returncode, sorted(ours.stdout)) == (theirs.returncode, sorted(theirs.stdout))


def test_names_in_a_file_that_are_refused(top: Path, tmp_path: Path) -> None:
    for words in ([f"--files0-from={tmp_path / 'none'}"], [f"--files0-from={__file__}", top], ["--files0-from="]):
        ours = call("du", *words)
        assert (ours.returncode, ours.stdout) == (2, b"")
        assert b"--files0-from" in ours.stderr


@pytest.mark.parametrize("flags", [["-a"], ["-S", "--inodes"], ["--time", "-a", "-c"], ["-s", "-b"], ["-t5K", "-d1"]])
def test_unreadable_directories(flags: list[str], tmp_path: Path) -> None:
    make(tmp_path, {"a": {"x": None}, "b": {"y": None, "s": {}}, "c": {}})
    (tmp_path / "a" / "x").write_bytes(b"x" * 9000)
    (tmp_path / "b").chmod(0)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        ours = as_user("du", "-0", *flags, tmp_path)
        theirs = subprocess.run([*drop, "du", "-0", *flags, tmp_path], check=False, capture_output=True)
    finally:
        (tmp_path / "b").chmod(0o755)
    assert (ours.returncode, lines(ours.stdout)) == (theirs.returncode, lines(theirs.stdout))


def test_pairs_of_options_from_a_snapshot(top: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    fields = "size,blocks,mode,ino,dev,nlink,mtime_ns,atime_ns,ctime_ns"
    assert call("list", "--store", store, "--fields", fields, "--format", "csv", top).returncode == 0
    kept = [option for option in OPTIONS if option not in (*LINKS, "-x")]
    for first, second in list(permutations(kept, 2))[::7]:
        theirs = subprocess.run(["du", "-0", first, second, top], capture_output=True, check=False)
        ours = call("du", "-0", first, second, "--from", store)
        if ours.returncode != 2:
            assert (ours.returncode, lines(ours.stdout)) == (0, lines(theirs.stdout)), (first, second)
    missing = call("du", "--time", "--from", store, "--inodes")
    assert missing.returncode == 0


def test_a_large_directory_of_this_machine() -> None:
    for flags in (["-l", "-a", "--time", "-B1"], ["-l", "-S", "--inodes", "-c"], ["-s", "-h"], ["-sc", "--si", "-b"]):
        assert_as_du([*flags, Path("/usr/share/doc")])


def test_huge_sizes_end_at_what_du_adds_up(tmp_path: Path) -> None:
    shared = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    files = [shared / f"{tmp_path.name}-{number}" for number in range(3)]
    try:
        for file in files:
            with file.open("wb") as sparse:
                sparse.truncate((1 << 63) - 1)
    except OSError:
        pytest.skip("no file system with files of 8 EiB")
    else:
        for flags in (["-cb"], ["-c", "--apparent-size", "-h"], ["-c", "--apparent-size"]):
            assert_as_du([*flags, *files])
    finally:
        for file in files:
            file.unlink(missing_ok=True)
