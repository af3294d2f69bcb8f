"""Runs in the packed agent before anything else: foreign programs must find their own libraries, not ours."""

import os

# The unpacked agent's libraries were found through it already; a child with an older C library would crash on them.
os.environ.pop("LD_LIBRARY_PATH", None)  # noqa: TID251 - cleared for children, no setting
_before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)  # noqa: TID251 - as above
if _before:
    os.environ["LD_LIBRARY_PATH"] = _before  # noqa: TID251 - as above
