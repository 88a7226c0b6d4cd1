"""What may pass is tried again: how often, and after which pause."""

from __future__ import annotations

import errno
import time

RETRIES = {
    errno.ESTALE: 2, errno.EMFILE: 2, errno.ENFILE: 2, errno.ENOMEM: 2, errno.EAGAIN: 2, errno.EINTR: 2, errno.EIO: 1,
}  # fmt: skip
"""How often what may pass is tried again."""
PAUSES = (0.02, 0.2)  # seconds before the first and the second of them


class Retries:
    """Those of one Reader. `count`: so far."""

    def __init__(self) -> None:
        self.count = 0

    def once_more(self, failure: int, attempts: int) -> bool:
        """Whether what has failed so often may pass. Waits for that, and counts it."""
        if attempts > RETRIES.get(failure, 0):
            return False
        time.sleep(PAUSES[attempts - 1])
        self.count += 1
        return True
