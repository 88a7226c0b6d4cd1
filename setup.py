"""The compiled reader: pyproject.toml cannot compute its build id. The rest is there."""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))
from scanner.kernel.native import build_id  # noqa: E402

KERNEL = Path("scanner", "kernel")
required = os.environ.get("SCANNER_REQUIRE_COMPILED", "") not in ("", "0")

setup(
    ext_modules=[
        Extension(
            "scanner.kernel._native",
            sources=[str(KERNEL / "_native.c")],
            depends=[str(header.relative_to(ROOT)) for header in (ROOT / KERNEL).glob("_*.h")],
            define_macros=[("BUILD_ID", f"{build_id(str(ROOT / KERNEL))}L")],
            extra_compile_args=["-O2", "-Wall", "-Wextra"],
            py_limited_api=not sysconfig.get_config_var("Py_GIL_DISABLED"),
            optional=not required,  # without a compiler, or not on Linux, directories are read in Python
        )
    ]
)
