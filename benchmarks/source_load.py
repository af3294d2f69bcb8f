"""What is left to a server's own work while its agent copies: transactions in a second, without and beside the copy.

``python -m benchmarks.source_load [--pairs N] [--seconds S] [--files N] [--folder DIR] [--output FILE]``; root, two
processors. Work and source agent share one of them, the target has the other and memory for a disk.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.rig.authority import Authority
from benchmarks.rig.copy_end import EndSettings
from benchmarks.rig.plot import plot_spreads
from benchmarks.rig.result import Machine, Spread
from benchmarks.rig.system_tree import make_system_tree
from contracts.base import Model

_MODULE: Final = "benchmarks.source_load"
_RESULT: Final = Path(__file__).parent / "results" / "source-load.json"
_TASK: Final = "benchmark"
_SOURCE_CPU, _TARGET_CPU = "0", "1"
_MANNERS: Final = ("default", "equal")
_LOOPBACK: Final = "127.0.0.1"
_GOAL: Final = 0.9
# Threads in a system call stop, and start, a little later.
_SETTLE_S: Final = 0.2
_METHOD: Final = (
    "One thread of work (SHA-256 of 256 KiB, a read of 16 KiB, a write of 4 KiB, every 20th made durable) bound to "
    "processor 0, where the source agent is bound too; the target agent is bound to processor 1 and writes to memory. "
    "While a full copy goes on the source agent is stopped (SIGSTOP) and let go in turn, so that both halves of a pair "
    "see the same machine; share: transactions beside the copy over those without it, pair by pair. default: the "
    "agent's own place among processes. equal: an agent that is a process as any other."
)


class Pair(Model):
    """Transactions in equal times one after the other."""

    without: int
    beside: int


class LoadResult(Model):
    """share: what is left to the work. pairs and share by the manner of the agent."""

    benchmark: str = "source-load"
    command: str
    began_at: str
    method: str
    machine: Machine
    load_average_before: float
    seconds: float
    pairs: dict[str, tuple[Pair, ...]]
    share: dict[str, Spread]
    goal: float
    is_met: bool


def main(arguments: Sequence[str]) -> int:
    """Measure, write the result, print the shares. Exit status 1 when the goal is missed."""
    options = _parse(arguments)
    if os.geteuid() != 0:
        raise SystemExit("This benchmark needs root: it copies owners.")
    began_at, load = datetime.now(UTC), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="source-load-", dir=options.folder.resolve()) as name:
        folder = Path(name)
        make_system_tree(folder / "source", files=options.files, seed=options.seed)
        pairs = {manner: _measured(folder, manner, options) for manner in _MANNERS}
        machine = Machine.look_at(folder)
    share = {manner: _share(found) for manner, found in pairs.items()}
    result = LoadResult(
        command=f"python -m {_MODULE} --pairs {options.pairs} --seconds {options.seconds:g} "
        f"--files {options.files} --seed {options.seed}",
        began_at=began_at.isoformat(timespec="seconds"),
        method=_METHOD,
        machine=machine,
        load_average_before=round(load, 2),
        seconds=options.seconds,
        pairs=pairs,
        share=share,
        goal=_GOAL,
        is_met=share["default"].median >= _GOAL,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    options.output.with_suffix(".svg").write_text(_picture(result), encoding="utf-8")
    for manner, spread in share.items():
        print(f"{manner:8} {spread.median:.3f} of the work without a copy ({spread.min:.3f} to {spread.max:.3f})")
    return 0 if result.is_met else 1


def _picture(result: LoadResult) -> str:
    shown = {"as any": result.share["equal"], "ours": result.share["default"]}
    about = (
        f"{len(result.pairs['default'])} pairs of {result.seconds:g} s each; ours: the agent by default, as any: "
        "as a process like others",
        f"goal: ours at least {result.goal:g}, {'met' if result.is_met else 'missed'}",
    )
    title = "source-load: share of a server's own work that is left beside a copy"
    return plot_spreads(title, shown, about=about, command=result.command)


def _measured(folder: Path, manner: str, options: argparse.Namespace) -> tuple[Pair, ...]:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    working = _start(_SOURCE_CPU, ["benchmarks.rig.workload", str(work)])
    try:
        _hear(working)
        with _copying(folder, manner) as sending:
            return tuple(_pair(working, sending, options.seconds, is_first=not n % 2) for n in range(options.pairs))
    finally:
        working.kill()
        working.communicate()


def _pair(working: subprocess.Popen[str], sending: subprocess.Popen[str], seconds: float, *, is_first: bool) -> Pair:
    """is_first: the half beside the copy comes first."""
    done: dict[bool, int] = {}
    for is_copying in (is_first, not is_first):
        sending.send_signal(signal.SIGCONT if is_copying else signal.SIGSTOP)
        time.sleep(_SETTLE_S)
        done[is_copying] = int(_ask(working, f"{seconds}"))
        assert sending.stdout  # noqa: S101 - a pipe was asked for
        # It says so when the copy has ended, and waits.
        if select.select([sending.stdout.fileno()], [], [], 0)[0]:
            raise SystemExit("the copy ended before the work was measured; take more --files")
    return Pair(without=done[False], beside=done[True])


@contextmanager
def _copying(folder: Path, manner: str) -> Iterator[subprocess.Popen[str]]:
    """The source's end of a copy that goes on for longer than what is measured beside it."""
    authority = Authority(_TASK)
    with tempfile.TemporaryDirectory(prefix="source-load-", dir="/dev/shm") as memory:
        target, state = Path(memory) / "target", folder / "state"
        target.mkdir()
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        serving = _start(_TARGET_CPU, ["benchmarks.rig.copy_end", "target"])
        sending = _start(_SOURCE_CPU, ["benchmarks.rig.polite_end", manner])
        try:
            fields = {"task_id": _TASK, "address": _LOOPBACK, "state_folder": memory, "path": str(target)}
            port = int(_talk(serving, EndSettings(**fields, credentials=authority.issue("target"))))
            fields = {
                "task_id": _TASK,
                "address": _LOOPBACK,
                "state_folder": str(state),
                "path": str(folder / "source"),
            }
            _talk(sending, EndSettings(**fields, credentials=authority.issue("source"), port=port))
            _tell(sending, "copy")
            time.sleep(1)
            yield sending
        finally:
            for process in (sending, serving):
                process.kill()
                process.communicate()


def _start(cpu: str, arguments: list[str]) -> subprocess.Popen[str]:
    command = _bound(cpu, [sys.executable, "-m", *arguments])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _bound(cpu: str, command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", cpu, *command]


def _talk(process: subprocess.Popen[str], settings: EndSettings) -> str:
    return _ask(process, settings.model_dump_json())


def _ask(process: subprocess.Popen[str], line: str) -> str:
    _tell(process, line)
    return _hear(process)


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin  # noqa: S101 - a pipe was asked for
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout  # noqa: S101 - a pipe was asked for
    line = process.stdout.readline().strip()
    if not line:
        raise SystemExit("a process of the benchmark ended early")
    return line


def _share(pairs: tuple[Pair, ...]) -> Spread:
    shares = sorted(round(pair.beside / max(1, pair.without), 4) for pair in pairs)
    return Spread(median=statistics.median(shares), min=shares[0], max=shares[-1])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--files", type=int, default=260_000, help="in the tree that is copied")
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a real disk")  # noqa: S108 - only a temporary folder with a random name is made in it
    parser.add_argument("--output", type=Path, default=_RESULT)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
