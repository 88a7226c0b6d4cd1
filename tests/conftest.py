"""Trees, backends, and a check after every test that nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.backends import auto
from tests.support.leaks import left_since, present
from tests.support.shell import call
from tests.support.trees import build

START_METHODS = ["forkserver", "spawn", "fork"]
SERIAL: dict[str, object] = {"backend": "serial"}
POOLS: dict[str, dict[str, object]] = {
    f"pool-{method}": {"backend": "pool", "max_workers": 2, "start_method": method} for method in START_METHODS
}
BACKENDS = {"serial": SERIAL, "auto": {"backend": "auto"}, **POOLS}
BACKEND_NAMES = [*BACKENDS, "auto in threads", "serial pure", "pool-fork pure"]
FULL = ["serial", "serial pure", "pool-fork"]
"""Backends for each case of a large test: both readers, and Tasks between processes."""
OTHERS = [name for name in BACKEND_NAMES if name not in FULL]
"""Backends that take turns there."""
READERS = {"compiled": "0", "pure": "1"}
"""Readers of directories: values of SCANNER_PURE."""


_interrupted = threading.Event()


def use(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Select the compiled or the pure-Python reader of directories."""
    monkeypatch.setenv("SCANNER_PURE", READERS[reader])


def pytest_configure() -> None:
    """Restore signals that a shell ignores in background processes: commands that tests start inherit that."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_DFL)
    ):  # fmt: skip
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_keyboard_interrupt() -> None:
    _interrupted.set()


@pytest.fixture(params=BACKEND_NAMES)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Return keywords for `walk` and `scan`: each backend and start method; two also with the pure-Python reader."""
    name, _, how = request.param.partition(" ")
    use("pure" if how == "pure" else "compiled", monkeypatch)
    if how == "in threads":  # small trees are not worth threads otherwise
        monkeypatch.setattr(auto, "THREADS_AFTER", 0)
    return dict(BACKENDS[name])


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> dict[str, object]:
    return dict(POOLS[request.param])


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Select a reader of directories, compiled or pure Python; return its name."""
    use(request.param, monkeypatch)
    return str(request.param)


@pytest.fixture(params=START_METHODS)
def start_method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


PROFILES = {"monorepo": (400, 4000), "skewed": (400, 4000), "flat": (30, 25_000), "deep": (400, 800), "odd": (60, 500)}
"""Numbers of directories and files."""


class Trees(dict[str, Path]):
    """One tree of each profile, built when a test needs it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def __missing__(self, profile: str) -> Path:
        self[profile] = build(self._factory, profile, *PROFILES[profile])
        return self[profile]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Return one small tree of each profile. Tests must not change them."""
    trees = Trees(tmp_path_factory)
    yield trees
    if "deep" in trees:  # pytest removes trees recursively, and this one is too deep for Python's stack
        subprocess.run(["rm", "-rf", trees["deep"]], check=True)


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Draw a page in this process. The files of fonts stay open from then on."""
    top = tmp_path_factory.mktemp("drawn")
    assert call("scan", "--sizes", top, "--report", top / "page.html").returncode == 0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of the file system be far ahead of all times in the tree: directories are kept without waiting."""
    from scanner.snapshot.scan import SnapshotScan

    monkeypatch.setattr(SnapshotScan, "_clock", lambda _: time.time_ns() + 10**10)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Check that each process, thread and file descriptor that is new has ended. After Ctrl-C that is too late."""
    before = present()
    yield
    assert _interrupted.is_set() or not left_since(before)
