"""A sync round after 1 % of the files of a system tree have changed, against a second run of rsync over ssh.

``python -m benchmarks.second_round [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root.
Each round changes other files. The caches are cold in one case and warm in the other two, in the last of which our
agent looks only at what fanotify has told it.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_SHARE: Final = 0.01


def change_files(root: Path, seed: int) -> None:
    """Rewrite a hundredth of the files with as many bytes of text."""
    rng = random.Random(seed)
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if rng.random() < _SHARE and not path.is_symlink() and path.is_file():
                size = path.stat().st_size
                path.write_bytes((b"%x changed; " % rng.getrandbits(64) * (size // 10 + 1))[:size] + b".")


_CASES: Final = tuple(
    Case(
        benchmark=f"second-round-{name}",
        kind="system",
        files=120_000,
        contenders=(ours, "rsync"),
        goals=(Goal(against="rsync", times=times),),
        cache=cache,
        change=change_files,
    )
    for name, cache, ours, times in (
        ("cold", "cold", "ours", 5.0),
        ("warm", "warm", "ours", 5.0),
        ("tracked", "warm", "ours-by-changes", 20.0),
    )
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.second_round", _CASES, sys.argv[1:]))
