"""Full copy of a system tree over loopback against ``rsync -aHAXS -e ssh``: seconds until on disk, and bytes.

``python -m benchmarks.full_copy [--files N] [--rounds N] [--folder DIR] [--cache cold|warm] [--seed N]
[--output FILE]``; root, 2.5 times the tree's size in DIR, about a minute a round at full size.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from benchmarks.rig import isolation
from benchmarks.rig.contenders import Contender, OwnCopy, RsyncOverSsh
from benchmarks.rig.result import Comparison, Machine, Round, Run, figures, ratio, table
from benchmarks.rig.system_tree import MEAN_FILE_BYTES, make_system_tree

_MODULE: Final = "benchmarks.full_copy"
_RESULT: Final = Path(__file__).parent / "results" / "full-copy.json"
_DEFAULT_FILES, _DEFAULT_ROUNDS, _DEFAULT_SEED = 120_000, 5, 20_260_101
_READ_BYTES: Final = 1 << 20
_METHOD: Final = (
    "Same source tree, an empty target folder on the same file system each time; the order alternates. Services "
    "(both agents, sshd) run before the clock starts; it stops when sync -f of the target has returned. Bytes: "
    "the counter of loopback in a network namespace of its own, both directions, headers included. After each "
    "run a dry run of rsync -aHAXS --delete must find no difference between source and target."
)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the result, print the table."""
    options = _parse(arguments)
    if os.geteuid() != 0:
        raise SystemExit("This benchmark needs root: it copies owners and makes a network of its own.")
    if not options.isolated:
        isolation.enter(_MODULE, arguments)
    isolation.set_up()
    # So that everything is cleaned up when somebody ends it.
    signal.signal(signal.SIGTERM, _leave)
    needed = options.files * MEAN_FILE_BYTES * 5 // 2
    free = shutil.disk_usage(options.folder).free
    if free < needed:
        raise SystemExit(f"{options.folder} has {free:,} bytes free; about {needed:,} are needed. Name a --folder.")
    with tempfile.TemporaryDirectory(prefix="full-copy-", dir=options.folder.resolve()) as folder:
        comparison = _compare(options, Path(folder))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(table(comparison))
    return 0


def _compare(options: argparse.Namespace, folder: Path) -> Comparison:
    began_at = datetime.now(UTC)
    source = folder / "source"
    print(f"making a tree of {options.files:,} files, seed {options.seed}", flush=True)
    tree = make_system_tree(source, files=options.files, seed=options.seed)
    contenders: tuple[Contender, ...] = (OwnCopy(), RsyncOverSsh())
    rounds = []
    for number in range(1, options.rounds + 1):
        ordered = contenders if number % 2 else contenders[::-1]
        load_average = os.getloadavg()[0]
        runs = {contender.name: _measure(contender, source, folder, options.cache) for contender in ordered}
        rounds.append(Round(number=number, order=tuple(runs), load_average_before=round(load_average, 2), runs=runs))
        said = ", ".join(f"{name} {run.seconds:.2f} s {run.loopback_bytes:,} bytes" for name, run in runs.items())
        print(f"round {number}: {said}", flush=True)
    by_name = {each.name: [one.runs[each.name] for one in rounds] for each in contenders}
    return Comparison(
        benchmark="full-copy",
        command=f"python -m {_MODULE} --files {options.files} --rounds {options.rounds} "
        f"--cache {options.cache} --seed {options.seed}",
        began_at=began_at.isoformat(timespec="seconds"),
        method=_METHOD,
        cache=options.cache,
        machine=Machine.look_at(folder),
        tree=tree,
        rounds=tuple(rounds),
        contenders={name: figures(runs) for name, runs in by_name.items()},
        ratio=ratio(by_name["ours"], by_name["rsync"]),
    )


def _measure(contender: Contender, source: Path, folder: Path, cache: str) -> Run:
    target, own_folder = folder / "target", folder / "contender"
    target.mkdir()
    own_folder.mkdir()
    _sync(folder)
    isolation.drop_caches()
    if cache == "warm":
        _read_everything(source)
    with contender.ready(source, target, own_folder) as copy:
        bytes_before, began = isolation.loopback_bytes(), time.monotonic()
        reported_bytes = copy()
        _sync(target)
        seconds = time.monotonic() - began
        sent_bytes = isolation.loopback_bytes() - bytes_before
    _check(source, target)
    shutil.rmtree(target)
    shutil.rmtree(own_folder)
    return Run(seconds=round(seconds, 3), loopback_bytes=sent_bytes, reported_bytes=reported_bytes)


def _sync(path: Path) -> None:
    subprocess.run(["sync", "-f", str(path)], check=True)


def _read_everything(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            with open(path, "rb", buffering=0) as file:
                while file.read(_READ_BYTES):
                    pass


def _check(source: Path, target: Path) -> None:
    """A copy that leaves something out is no copy, however fast."""
    command = ["rsync", "-aHAXS", "--dry-run", "--delete", "--itemize-changes", f"{source}/", f"{target}/"]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()
    if found:
        raise SystemExit(f"{len(found)} entries differ after a copy; the first: {found[:5]}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("--files", type=int, default=_DEFAULT_FILES, help="regular files in the tree")
    parser.add_argument("--rounds", type=int, default=_DEFAULT_ROUNDS)
    parser.add_argument("--seed", type=int, default=_DEFAULT_SEED)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a real disk")  # noqa: S108 - only a temporary folder with a random name is made in it
    parser.add_argument("--cache", choices=("cold", "warm"), default="cold", help="of the source, before each copy")
    parser.add_argument("--output", type=Path, default=_RESULT)
    parser.add_argument(isolation.ISOLATED, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
