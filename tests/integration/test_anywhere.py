"""Start scans in scripts without a guard, from standard input, in a REPL and in a daemonic process."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import scanner
from tests.support.shell import ROOT
from tests.support.trees import make

SCRIPT = """
import os, sys
print("the script runs")
import scanner
options = dict(backend="pool", max_workers=2, start_method=sys.argv[1])
assert list(scanner.walk({top!r}, **options)) == list(os.walk({top!r}))
assert scanner.scan({top!r}, **options).stats.backend == "pool"
print("and ends")
"""


@pytest.fixture
def script(trees: dict[str, Path]) -> str:
    return SCRIPT.format(top=str(trees["monorepo"]))


def python(*arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # kwargs are plain
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment, **kwargs
    )


def test_a_script_without_a_main_guard(script: str, start_method: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(script)
    result = python(str(tmp_path / "script.py"), start_method)
    assert (result.stdout, result.stderr) == ("the script runs\nand ends\n", "")


def test_a_module_run_with_m(script: str, start_method: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(script)
    result = python("-m", "module", start_method, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("the script runs\nand ends\n", "")


def test_a_script_from_standard_input(script: str, start_method: str) -> None:
    result = python("-", start_method, input=script)
    assert (result.stdout, result.stderr) == ("the script runs\nand ends\n", "")


def test_a_repl(script: str, start_method: str) -> None:
    result = python("-i", "-q", "-", start_method, input=script)
    assert result.stdout == "the script runs\nand ends\n"
    assert "Traceback" not in result.stderr


def test_an_interpreter_that_ends_in_the_middle_of_a_walk(start_method: str, tmp_path: Path) -> None:
    make(tmp_path, {"a": ".", "b": ".", "c": "."})
    code = (
        "import sys, scanner\n"
        f"walking = scanner.walk({str(tmp_path)!r}, followlinks=True, backend='pool', start_method={start_method!r})\n"
        "for _ in range(100): next(walking)\n"
        "print('enough')"
    )
    result = python("-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "enough\n", "")


def in_daemon(top: str, results: object) -> None:
    import logging

    import scanner

    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("scanner").addHandler(handler)
    result = scanner.scan(top, backend="pool")
    results.put((len(result), result.stats.backend, messages))  # type: ignore[attr-defined]


def test_a_daemonic_process_scans_by_itself_and_says_so_once(trees: dict[str, Path]) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=in_daemon, args=(str(trees["odd"]), results), daemon=True)
    process.start()
    length, backend, messages = results.get(timeout=60)
    process.join()
    process.close()
    results.close()
    results.join_thread()
    assert length == len(list(os.walk(trees["odd"])))
    assert backend == "serial"
    assert messages == [
        "no worker processes (this process is daemonic, and those may have no children): scanning in this process"
    ]


def test_where_no_process_can_start_it_scans_by_itself(trees: dict[str, Path], start_method: str) -> None:
    top = str(trees["odd"])
    code = (
        "import logging, multiprocessing.pool, os, scanner\n"
        "logging.basicConfig(format='%(message)s')\n"
        "def broken(*args, **kwargs): raise OSError(30, 'Read-only file system')\n"
        "multiprocessing.pool.Pool.__init__ = broken\n"
        "multiprocessing.pool.Pool.__del__ = lambda self: None\n"
        f"options = dict(backend='pool', start_method={start_method!r})\n"
        f"assert list(scanner.walk({top!r}, **options)) == list(os.walk({top!r}))\n"
        f"print(scanner.scan({top!r}, **options).stats.backend)"
    )
    result = python("-c", code)
    assert result.stdout == "serial\n"
    message = "no worker processes (OSError: [Errno 30] Read-only file system): scanning in this process\n"
    assert result.stderr == 2 * message


def test_workers_that_all_die_while_starting_end_in_a_serial_scan(trees: dict[str, Path], tmp_path: Path) -> None:
    """A worker that cannot even start would be replaced by the Pool for ever."""
    top = str(trees["odd"])
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif '--multiprocessing-fork' in sys.argv: os._exit(1)\n")
    code = (
        "import logging, sys, scanner\nlogging.basicConfig(format='%(message)s')\n"
        f"print(scanner.scan({top!r}, backend='pool', start_method='spawn').stats.backend)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert result.stdout == "serial\n", result.stderr
    assert "no worker processes" in result.stderr


def test_scans_in_threads_at_once(trees: dict[str, Path], start_method: str) -> None:
    if start_method == "fork":
        pytest.skip("fork is not for processes with threads, and says so")
    import threading

    import scanner

    results: dict[str, bool] = {}

    def work(name: str) -> None:
        results[name] = scanner.scan(trees[name], backend="pool", max_workers=1, start_method=start_method) == list(  # type: ignore[arg-type]
            os.walk(trees[name])
        )

    threads = [threading.Thread(target=work, args=(name,)) for name in ("monorepo", "odd", "flat")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"monorepo": True, "odd": True, "flat": True}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists threads")
def test_workers_are_forked_only_from_a_process_with_one_thread(trees: dict[str, Path]) -> None:
    code = (
        "import scanner, sys, threading, time\n"
        "scan = lambda: print(scanner.scan(sys.argv[1], backend='pool').stats.start_method)\n"
        "scan()\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "scan()\n"
        "print(scanner.scan(sys.argv[1], backend='pool', start_method='fork').stats.start_method)\n"
    )
    assert python("-c", code, str(trees["odd"])).stdout.split() == ["fork", "forkserver", "fork"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists open file descriptors")
def test_a_forked_worker_holds_nothing_that_is_its_callers(trees: dict[str, Path]) -> None:
    """A reader of a pipe of the caller does not wait for the end of the scan as well."""
    reader, writer = os.pipe()
    walking = scanner.walk(trees["monorepo"], backend="pool", max_workers=2, start_method="fork", window=1)
    try:
        next(walking), next(walking)
        os.close(writer)
        with open(reader, closefd=False) as pipe:
            assert pipe.read() == "", "the end, at once"
    finally:
        os.close(reader)
        walking.close()
