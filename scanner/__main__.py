"""The command `scanner`, and `python -m scanner`."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` takes over, Ctrl-C ends us without a traceback

from scanner.cli.main import main  # noqa: E402  # see above

if __name__ == "__main__":
    sys.exit(main())
