"""Full copy of a half-full disk: ours, file by file, against programs that copy blocks, over ssh with zstd.

``python -m benchmarks.block_copy [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root, partclone.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_CASES: Final = (
    Case(
        benchmark="block-copy",
        kind="system",
        files=120_000,
        contenders=("ours", "partclone", "dd"),
        goals=(Goal(against="best", times=1.2),),
        is_disk=True,
    ),
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.block_copy", _CASES, sys.argv[1:]))
