"""Full copy over loopback: seconds until on disk, and bytes, against rsync, rsync -z and tar with zstd over ssh.

``python -m benchmarks.full_copy [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root, three times
the tree's size in DIR.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_PEERS: Final = ("ours", "rsync", "rsync-z", "tar-zstd")
_CASES: Final = (
    Case(
        benchmark="full-copy",
        kind="system",
        files=120_000,
        contenders=_PEERS,
        goals=(Goal(against="best", times=1.3),),
    ),
    Case(benchmark="full-copy", kind="mixed", files=20_000, contenders=_PEERS),
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.full_copy", _CASES, sys.argv[1:]))
