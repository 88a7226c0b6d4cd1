"""The client of a Dask cluster for a scan, and the options that a scan on a cluster cannot have."""

from __future__ import annotations

import os
import time
from typing import Any

from scanner.encoding import printable
from scanner.errors import ClusterError, OptionError
from scanner.options import DEFAULTS, ScanOptions

CONNECT_PATIENCE = 10  # seconds for the scheduler to answer
FILE_PATIENCE = 30.0  # seconds for a scheduler to write its file
REFUSED = {
    "nice": "the priority of Dask workers is that of their processes",
    "start_method": "Dask workers run already",
    "max_workers": "the cluster has its own number of workers",
    "store": "a snapshot store is written by scans on one machine",
    "changed": "it needs a store",
}
"""Options that a scan on a cluster cannot have, and why."""
MISSING = "requires distributed: pip install 'parallel-scanner[dask]'"


def refuse_options(options: ScanOptions) -> None:
    """Raise OptionError for an option that has no meaning on a cluster, and for relative roots."""
    if options.backend == "serial":
        raise OptionError("backend='serial' cannot be used with client: a cluster runs elsewhere")
    if options.known is not None:
        raise OptionError("client cannot be used to read a snapshot: nothing is looked up in the tree")
    for name, reason in REFUSED.items():
        if getattr(options, name) != DEFAULTS[name]:
            raise OptionError(f"{name} cannot be used with client: {reason}")
    for root in options.roots:
        if not os.path.isabs(root):
            text = printable(os.fsdecode(root))
            raise OptionError(f"client: '{text}' must be an absolute path: workers have other working directories")


def client_of(client: Any) -> tuple[Any, bool]:
    """Return the `distributed.Client` for what the caller gave, and whether it is new, and ours to close.

    `client`: a Client, the address of a scheduler, or the path of a scheduler file. Raises OptionError, ClusterError.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise OptionError(f"client {MISSING}") from error
    if isinstance(client, str | os.PathLike):
        return _connected(os.fspath(client)), True
    if not isinstance(client, Client):
        raise OptionError(f"client must be a distributed.Client, or the address of a scheduler, not {client!r}")
    if client.asynchronous:
        raise OptionError("client: its event loop runs in this thread, which waits for the scan: use asyncio.to_thread")
    if client.status != "running":
        raise OptionError(f"client is {client.status}: it must be connected to its scheduler")
    return client, False


def _connected(place: str) -> Any:
    from distributed import Client

    is_file = "://" not in place and (os.sep in place or place.endswith(".json"))
    if is_file:
        _wait_for(place)
    try:
        where = {"scheduler_file": place} if is_file else {"address": place}
        return Client(**where, timeout=CONNECT_PATIENCE, set_as_default=False)
    except OSError as error:
        raise ClusterError(f"cannot connect to the Dask scheduler {place!r}: {error}", "unreachable") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(f"client {place!r} is no address of a Dask scheduler, such as tcp://host:8786") from error


def _wait_for(path: str) -> None:
    """Wait for the file that a scheduler writes once it has started. Dask itself would wait forever."""
    deadline = time.monotonic() + FILE_PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise ClusterError(f"no Dask scheduler has written {path!r} within {FILE_PATIENCE:.0f} s", "unreachable")
        time.sleep(0.1)
