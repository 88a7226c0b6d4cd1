"""Tags of wheels. pyproject.toml names the class below as the command `bdist_wheel`.

- Linux: `cp311-abi3`, one wheel for Python 3.11 and newer.
- Linux, free-threaded Python: one wheel per version, because there is no limited API.
- Other systems, or SCANNER_PURE=1: `py3-none-any`, without the compiled reader.
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
