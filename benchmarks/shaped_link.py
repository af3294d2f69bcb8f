"""Full copy over links of a limited rate, against rsync, rsync -z and tar with zstd over ssh.

``python -m benchmarks.shaped_link [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root. Links:
200 Mbit/s, the same with a relay that adds 40 ms, and 1 Gbit/s.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_PEERS: Final = ("ours", "rsync", "rsync-z", "tar-zstd")
_CASES: Final = (
    Case(
        benchmark="shaped-link",
        kind="system",
        files=120_000,
        link="200mbit",
        contenders=_PEERS,
        goals=(Goal(against="rsync", times=2.0), Goal(against="best", times=1.15)),
    ),
    Case(benchmark="shaped-link", kind="system", files=30_000, link="200mbit-40ms", contenders=_PEERS),
    # No goal is set for these: a smaller tree and a faster link tell as much in a quarter of the time.
    Case(benchmark="shaped-link", kind="system", files=30_000, link="1gbit", contenders=_PEERS),
    Case(benchmark="shaped-link", kind="mixed", files=10_000, link="1gbit", contenders=_PEERS),
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.shaped_link", _CASES, sys.argv[1:]))
