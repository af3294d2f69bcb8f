"""What a stat says of a regular file, as far as a copy asks."""

from __future__ import annotations

import os
from typing import NamedTuple


class FileState(NamedTuple):
    """Fields as in os.stat_result, which cannot be made with times in nanoseconds."""

    st_ino: int
    st_rdev: int
    st_size: int
    st_blocks: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_atime_ns: int
    st_mode: int
    st_uid: int
    st_gid: int


State = os.stat_result | FileState
