"""The command `scanner`, and `python -m scanner`."""

import os
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` handles it: without a traceback

from scanner.cli import exits  # noqa: E402  # after signal.signal
from scanner.cli.main import main as run_main  # noqa: E402


def main() -> None:
    """Run the command and end the process, without the shutdown of the interpreter, which takes 15 ms."""
    try:
        code = run_main()
    except SystemExit as end:  # of argparse: --help, or wrong usage
        code = int(end.code or 0)
    if not exits.flush_before_exit() and code == exits.COMPLETE:
        code = exits.NO_RESULT
    os._exit(code)


if __name__ == "__main__":
    main()
