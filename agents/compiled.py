"""Loads what is compiled of the agent: beside ``name.c`` lies ``libname.so``, which ``make install`` made of it.

Each such part does in one call what the interpreter would do in a dozen for each file, while other threads run. Where
it is missing, as for another kind of machine, the interpreter does it.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path


def compiled_path(source: Path) -> Path:
    """Where the library of a C source lies."""
    return source.with_name(f"lib{source.stem}.so")


@functools.cache
def load(module_file: str) -> ctypes.CDLL | None:
    """The library of the C source beside a module of the same name, given its ``__file__``; None where there is none
    that can be used."""
    try:
        return ctypes.CDLL(str(compiled_path(Path(module_file).resolve().with_suffix(".c"))))
    except OSError:
        return None
