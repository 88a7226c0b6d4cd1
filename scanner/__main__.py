"""The command `scanner`, and `python -m scanner`."""

import os
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` takes over, Ctrl-C ends us without a traceback

from scanner.cli import exits  # noqa: E402  # see above
from scanner.cli.main import main as run  # noqa: E402


def main() -> None:
    """Run the command and end the process, without the 15 ms that an orderly end of the interpreter takes."""
    try:
        code = run()
    except SystemExit as end:  # argparse's, after --help or a mistake
        code = int(end.code or 0)
    if not exits.flush_before_exit() and code == exits.COMPLETE:
        code = exits.NO_RESULT
    os._exit(code)


if __name__ == "__main__":
    main()
