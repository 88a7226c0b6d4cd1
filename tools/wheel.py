"""Wheel tags, named in pyproject.toml as the `bdist_wheel` command.

cp311-abi3-linux_*   Linux: one wheel for Python 3.11 and newer
cp3XXt-cp3XXt-*      Linux, free-threaded Python: it has no limited API, so one wheel per version
py3-none-any         other systems, or with SCANNER_PURE=1: without the compiled reader
"""

from __future__ import annotations

import os
import sys
import sysconfig

from setuptools.command.bdist_wheel import bdist_wheel


class tagged_wheel(bdist_wheel):  # noqa: N801  # named like the command that it replaces
    def finalize_options(self) -> None:
        if sys.platform != "linux" or os.environ.get("SCANNER_PURE") == "1":
            self.distribution.ext_modules = []
        elif not sysconfig.get_config_var("Py_GIL_DISABLED"):
            self.py_limited_api = "cp311"
        super().finalize_options()
