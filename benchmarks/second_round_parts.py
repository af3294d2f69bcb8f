"""What parts of a second round take when that is all that is done: to look at every entry, to replace what changed.

``python -m benchmarks.second_round_parts [--files N] [--rounds N] [--folder DIR] [--seed N] [--output DIR]``; root.
Tree and changes are those of second_round. It looks with ``find``, which asks for the state of each entry. It replaces
as every tool does that keeps a file whole: written beside and renamed over the old one, by two threads which know what
has changed and have its contents in memory, until syncfs has returned; the target's caches are cold as in second_round.
Neither is a migration: nothing is read, hashed, sent or noted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agents.transfer.paths import sync_file_system
from benchmarks.rig import isolation
from benchmarks.rig.comparison import isolated_options
from benchmarks.rig.result import Machine, Spread, cell, spread_of
from benchmarks.rig.trees import KINDS
from benchmarks.second_round import change_files
from contracts.base import Model

_MODULE: Final = "benchmarks.second_round_parts"
_FILES: Final = 120_000
_THREADS: Final = 2
_LATER_THAN_ALL: Final = "@4000000000"


class Parts(Model):
    """Seconds. changed: files in each round."""

    benchmark: str = "second-round-parts"
    command: str
    began_at: str
    method: str
    machine: Machine
    files: int
    changed: Spread
    look_cold_s: Spread
    look_warm_s: Spread
    replace_s: Spread


@dataclass(frozen=True)
class _Changed:
    path: Path
    mode: int
    contents: bytes


def main(arguments: list[str]) -> int:
    """Measure, write the result, print it."""
    options = isolated_options(_MODULE, arguments)
    files = options.files or _FILES
    with tempfile.TemporaryDirectory(prefix="second-round-parts-", dir=options.folder.resolve()) as folder:
        parts = _measure(Path(folder), files=files, rounds=options.rounds, seed=options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / f"{parts.benchmark}.json"
    file.write_text(parts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    looked = f"look cold {cell(parts.look_cold_s, 1.0)} s, warm {cell(parts.look_warm_s, 1.0)} s"
    print(f"{parts.benchmark}: {parts.files:,} files; {looked}; replace {cell(parts.replace_s, 1.0)} s")
    return 0


def _measure(folder: Path, *, files: int, rounds: int, seed: int) -> Parts:
    began_at, kind, source = datetime.now(UTC), KINDS["system"], folder / "source"
    print(f"second-round-parts: making {files:,} files, seed {seed}", flush=True)
    kind.make(source, files=files, seed=seed)
    counts: list[int] = []
    cold: list[float] = []
    warm: list[float] = []
    replaced: list[float] = []
    with isolation.new_disk(folder, kind.room_bytes(files), inodes=files * 5 // 4 + 10_000) as target:
        subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
        for number in range(1, rounds + 1):
            before_ns = time.time_ns()
            change_files(source, seed + number)
            changed = _changed_since(source, before_ns)
            subprocess.run(["sync", "-f", source], check=True)
            subprocess.run(["sync", "-f", target], check=True)
            isolation.drop_caches()
            cold.append(_timed(lambda: _look(source)))
            warm.append(_timed(lambda: _look(source)))
            replaced.append(_timed(lambda: _replace(target, changed)))  # noqa: B023 - called at once
            counts.append(len(changed))
    return Parts(
        command=f"python -m {_MODULE} --files {files} --rounds {rounds} --seed {seed}",
        began_at=began_at.isoformat(timespec="seconds"),
        method=" ".join((__doc__ or "").split("\n\n")[-1].split("root.\n")[-1].split()),
        machine=Machine.look_at(folder),
        files=files,
        changed=spread_of(counts),
        look_cold_s=spread_of(cold),
        look_warm_s=spread_of(warm),
        replace_s=spread_of(replaced),
    )


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _changed_since(root: Path, time_ns: int) -> list[_Changed]:
    found = []
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            state = path.lstat()
            # A kernel's clock for files may be a tick behind.
            if state.st_ctime_ns >= time_ns - 20_000_000 and path.is_file() and not path.is_symlink():
                found.append(_Changed(path.relative_to(root), state.st_mode & 0o777, path.read_bytes()))
    return sorted(found, key=lambda one: one.path)


def _look(root: Path) -> None:
    subprocess.run(["find", root, "-newermt", _LATER_THAN_ALL], check=True)


def _replace(root: Path, changed: Sequence[_Changed]) -> None:
    staging = root / "staging"
    staging.mkdir()
    half = len(changed) // _THREADS
    parts = (changed[:half], changed[half:])
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda number: _write_over(root, staging / str(number), parts[number]), range(_THREADS)))
    staging.rmdir()
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def _write_over(root: Path, beside: Path, changed: Sequence[_Changed]) -> None:
    for one in changed:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, one.mode)
        try:
            os.write(descriptor, one.contents)
        finally:
            os.close(descriptor)
        beside.rename(root / one.path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
