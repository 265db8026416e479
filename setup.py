"""What ``setup.cfg`` cannot say: the compiled readers of everyday messages and responses, which are optional.

Belongs here: how its modules (``*.pyx``) are built, and that nothing fails where they cannot be. Where
Cython, a C compiler or Python's headers are missing, or ``MAILROOM_PURE_PYTHON=1`` says so, the same
is read in pure Python with the same results, more slowly. No processor is assumed but the
oldest that the compiler knows, so that a wheel runs wherever its Python does.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from glob import glob
from textwrap import shorten

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PLUGINS = "plugins"
SOURCES = sorted(glob("mailroom/**/*.pyx", root_dir=PLUGINS, recursive=True))


class BuildWhatCanBeBuilt(build_ext):
    """Build what can be built, or say in one sentence that it is left out, and go on."""

    def initialize_options(self) -> None:
        """Keep the C that Cython writes out of the sources, and so out of what is packed from them."""
        super().initialize_options()
        self.cython_c_in_temp = True

    def build_extension(self, ext: Extension) -> None:
        """Build one extension, if that is possible here."""
        try:
            super().build_extension(ext)
        except Exception as error:  # noqa: BLE001  # of three libraries, and none may end an installation
            left_out(f"compiling it takes a C compiler and Python's headers: {shorten(str(error), 100)}")


@cache
def left_out(reason: str) -> None:
    """Say why there will be no compiled reader; once, though it has several modules."""
    sentence = f"The compiled reader is left out, mail is read in pure Python ({reason})."
    print(f"mailroom: {sentence}", file=sys.stderr)


def extensions() -> list[Extension]:
    """Return what is to be compiled here."""
    if os.environ.get("MAILROOM_PURE_PYTHON"):
        left_out("MAILROOM_PURE_PYTHON is set")
    elif importlib.util.find_spec("Cython") is None:
        left_out("Cython is not installed")
    else:
        return [
            Extension(
                source.removesuffix(".pyx").replace("/", "."),
                [f"{PLUGINS}/{source}"],
                extra_compile_args=["-O2", "-g0"],
                optional=True,
            )
            for source in SOURCES
        ]
    return []


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildWhatCanBeBuilt})
