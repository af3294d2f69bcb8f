"""Few large files of noise over links of a limited rate, against a bare TCP connection and rsync over ssh.

``python -m benchmarks.large_files [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root. A file has
256 MiB.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_CASES: Final = tuple(
    Case(
        benchmark="large-files",
        kind="large",
        files=4,
        link=link,
        contenders=("ours", "bare-tcp", "rsync"),
        # On loopback nothing but the processors limits, and bare TCP encrypts nothing.
        goals=(Goal(against="bare-tcp", times=0.97),) if link != "loopback" else (),
    )
    for link in ("200mbit", "1gbit", "loopback")
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.large_files", _CASES, sys.argv[1:]))
