"""`--dask` of the commands that scan: a Dask cluster instead of processes on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from scanner.errors import OptionError
from scanner.options import ScanOptions


def refuse_impossible(args: argparse.Namespace, options: ScanOptions, flag_in: Callable[[str], str]) -> None:
    """Raise OptionError for options that cannot be used on a cluster. `flag_in`: names the flag in a message."""
    if args.dask is None:
        if args.dask_workers is not None:
            raise OptionError("--dask-workers needs --dask")
        return
    if args.dask_workers is not None and args.dask_workers < 1:
        raise OptionError(f"--dask-workers must be a whole number of 1 or more, not {args.dask_workers}")
    if args.source is not None:
        raise OptionError("--dask cannot be used with --from, which does not touch the tree")
    from scanner.backends.dask_client import refuse_options  # not needed otherwise

    try:
        refuse_options(options._replace(roots=tuple(args.roots)))
    except OptionError as error:
        raise OptionError(flag_in(str(error)).replace("client", "--dask", 1)) from error


def cluster_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a Run for the cluster that the command names, if it does."""
    if getattr(args, "dask", None) is None:  # `nightly` has no such option
        return {}
    _silence()
    return {"client": args.dask, "least_workers": args.dask_workers or 1}


def _silence() -> None:
    """Show none of the messages of Dask: lost workers and schedulers are reported in our own words."""
    import logging  # not needed otherwise
    import warnings

    try:
        import distributed  # noqa: F401  # it sets the levels of its loggers
    except ImportError:  # the scan reports it
        return
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="distributed")
