"""The most memory that either agent has resident, copying a million files and then syncing them.

``python -m benchmarks.memory [--files N] [--folder DIR] [--output DIR]``; root, 12 GB in DIR.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.rig import isolation
from benchmarks.rig.comparison import RESULTS
from benchmarks.rig.ends import OwnEnds
from benchmarks.rig.links import LINKS
from contracts.base import Model

_MODULE: Final = "benchmarks.memory"
_MIB: Final = 1 << 20
_GOAL_BYTES: Final = 150 * _MIB
_FILES_PER_FOLDER: Final = 250
_BLOCK_AND_INODE_BYTES: Final = 6000


class MemoryResult(Model):
    """As it is written to a file. Peaks are of the whole process, interpreter included."""

    command: str
    began_at: str
    files: int
    copy_seconds: float
    sync_seconds: float
    source_peak_bytes: int
    target_peak_bytes: int
    goal_bytes: int = _GOAL_BYTES
    is_met: bool


def main(arguments: list[str]) -> int:
    """Measure, write the result, print it. Returns 1 when the goal was missed."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108 - only a temporary folder with a random name is made in it
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(isolation.ISOLATED, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.isolated:
        isolation.enter(_MODULE, arguments)
    isolation.set_up()
    with tempfile.TemporaryDirectory(prefix="memory-", dir=options.folder.resolve()) as folder:
        result = _measure(Path(folder), options.files)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "memory.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    source, target = result.source_peak_bytes / _MIB, result.target_peak_bytes / _MIB
    said = "met" if result.is_met else "MISSED"
    print(f"memory: {result.files:,} files; source {source:.0f} MiB, target {target:.0f} MiB resident at most")
    print(f"goal {said}: 150 MiB; copy {result.copy_seconds:.0f} s, sync {result.sync_seconds:.0f} s")
    return 0 if result.is_met else 1


def _measure(folder: Path, files: int) -> MemoryResult:
    began_at = datetime.now(UTC)
    source, work = folder / "source", folder / "work"
    work.mkdir()
    print(f"making {files:,} files", flush=True)
    _make_small_files(source, files)
    size = files * _BLOCK_AND_INODE_BYTES + 1024 * _MIB
    with (
        isolation.new_disk(folder, size, inodes=files * 5 // 4 + 10_000) as target,
        OwnEnds(source, target, work, LINKS["loopback"]) as ends,
    ):
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            ends.copy()
            seconds.append(round(time.monotonic() - began, 1))
        peaks = [end.peak_resident_bytes() for end in (ends.source, ends.target)]
    return MemoryResult(
        command=f"python -m {_MODULE} --files {files}",
        began_at=began_at.isoformat(timespec="seconds"),
        files=files,
        copy_seconds=seconds[0],
        sync_seconds=seconds[1],
        source_peak_bytes=peaks[0],
        target_peak_bytes=peaks[1],
        is_met=max(peaks) <= _GOAL_BYTES,
    )


def _make_small_files(root: Path, files: int) -> None:
    for number in range(0, files, _FILES_PER_FOLDER):
        folder = root / f"{number // 100_000}" / f"folder-{number}"
        folder.mkdir(parents=True)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for index in range(number, min(number + _FILES_PER_FOLDER, files)):
            descriptor = os.open(f"name-{index}", os.O_WRONLY | os.O_CREAT, dir_fd=directory)
            os.write(descriptor, b"%d\n" % index)
            os.close(descriptor)
        os.close(directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
