"""The command `scanner`, and `python -m scanner`."""

import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` takes over, Ctrl-C ends us without a traceback

from scanner.cli.main import main as run  # noqa: E402  # see above


def main() -> None:
    """Run the command and end the process, without the 15 ms that an orderly end of the interpreter takes."""
    code = run()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
