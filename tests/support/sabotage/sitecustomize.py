"""Run by each interpreter that is started for a worker: see the package it lies in."""

import os

if "SABOTAGE" in os.environ:
    from tests.support.sabotage import changes

    for target, name, replacement in changes(os.environ["SABOTAGE"], os.environ["SABOTAGE_ARGUMENT"]):
        setattr(target, name, replacement)
