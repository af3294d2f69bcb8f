"""One file of 512 MiB, 1 % of whose blocks of 4 KiB have changed, against rsync --inplace --no-whole-file over ssh.

``python -m benchmarks.changed_blocks [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

from benchmarks.rig.comparison import Case, run
from benchmarks.rig.result import Goal

_BLOCK_BYTES: Final = 4096
_SHARE: Final = 0.01


def change_blocks(root: Path, seed: int) -> None:
    """Rewrite a hundredth of the blocks of each file with noise."""
    rng = random.Random(seed)
    for path in sorted(root.iterdir()):
        blocks = path.stat().st_size // _BLOCK_BYTES
        with path.open("r+b") as file:
            for block in rng.sample(range(blocks), round(blocks * _SHARE)):
                file.seek(block * _BLOCK_BYTES)
                file.write(rng.randbytes(_BLOCK_BYTES))


_CASES: Final = (
    Case(
        benchmark="changed-blocks",
        kind="database",
        files=1,
        contenders=("ours", "rsync-delta"),
        goals=(Goal(against="rsync-delta", times=3.0),),
        change=change_blocks,
    ),
)

if __name__ == "__main__":
    sys.exit(run("benchmarks.changed_blocks", _CASES, sys.argv[1:]))
