"""How long a change on the source takes to be seen on the target while rounds follow each other.

``python -m benchmarks.sync_lag [--per-second N] [--seconds N] [--rounds N] [--files N] [--seed N] [--folder DIR]
[--output FILE]``; root, for fanotify. Both agents are processes of their own, over TLS on loopback.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.rig.authority import Authority
from benchmarks.rig.copy_end import EndSettings
from benchmarks.rig.result import Machine, Spread
from contracts.base import Model
from contracts.messages.agent import AgentRole

_MODULE: Final = "benchmarks.sync_lag"
_RESULT: Final = Path(__file__).parent / "results" / "sync-lag.json"
_TASK: Final = "benchmark"
_FOLDERS: Final = 200
_LOOK_S: Final = 0.02
_PATIENCE_S: Final = 60.0
_GOAL_S: Final = 2.0
_METHOD: Final = (
    "Source and target folder are on one file system. Operations of five kinds in turn (create, append, rename, chmod, "
    "unlink), each on a file of its own, at a steady rate. The target's folder is looked at every 20 ms; the lag of an "
    "operation is the time from its return to the first look that sees it. load_average: of the machine at the "
    "end, with whatever else it does; niceness: of all processes that were measured."
)


class LagRound(Model):
    """Lags in seconds of one round's operations. reached_per_s: the rate that was really made."""

    operations: int
    reached_per_s: float
    median_s: float
    p95_s: float
    p99_s: float
    max_s: float
    load_average: float


class LagResult(Model):
    """p99_s: over the rounds. is_reached: the median of p99_s is at most goal_s."""

    benchmark: str = "sync-lag"
    command: str
    began_at: str
    method: str = _METHOD
    machine: Machine
    niceness: int
    per_second: float
    files: int
    rounds: tuple[LagRound, ...]
    p99_s: Spread
    goal_s: float = _GOAL_S
    is_reached: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    made_at: float
    is_seen: Callable[[], bool]


class _Operations:
    """Makes changes of known effect, each on a file that no other one touches."""

    def __init__(self, source: Path, target: Path, rng: random.Random) -> None:
        self._source, self._target, self._rng = str(source), str(target), rng
        self._kinds = (self._create, self._append, self._rename, self._chmod, self._unlink)
        self._files = iter(sorted(path.relative_to(source).as_posix() for path in source.rglob("f*")))
        self._number = 0

    def next(self) -> Callable[[], bool]:
        """Make one; returns what tells whether the target has it."""
        self._number += 1
        return self._kinds[self._number % len(self._kinds)]()

    def _create(self) -> Callable[[], bool]:
        name = f"d{self._rng.randrange(_FOLDERS)}/new{self._number}"
        data = self._rng.randbytes(self._rng.randrange(1, 16_000))
        with open(f"{self._source}/{name}", "wb") as file:
            file.write(data)
        return lambda: _size(f"{self._target}/{name}") == len(data)

    def _append(self) -> Callable[[], bool]:
        name = next(self._files)
        with open(f"{self._source}/{name}", "ab") as file:
            file.write(self._rng.randbytes(500))
            size = file.tell()
        return lambda: _size(f"{self._target}/{name}") == size

    def _rename(self) -> Callable[[], bool]:
        name = next(self._files)
        other = f"d{self._rng.randrange(_FOLDERS)}/moved{self._number}"
        os.rename(f"{self._source}/{name}", f"{self._source}/{other}")
        return lambda: _size(f"{self._target}/{other}") is not None and _size(f"{self._target}/{name}") is None

    def _chmod(self) -> Callable[[], bool]:
        name = next(self._files)
        os.chmod(f"{self._source}/{name}", 0o600)
        return lambda: os.stat(f"{self._target}/{name}").st_mode & 0o7777 == 0o600

    def _unlink(self) -> Callable[[], bool]:
        name = next(self._files)
        os.unlink(f"{self._source}/{name}")
        return lambda: _size(f"{self._target}/{name}") is None


def main(arguments: Sequence[str]) -> int:
    """Measure, write the result, print it; 1 when the goal is missed."""
    options = _parse(arguments)
    began_at = datetime.now(UTC)
    rounds = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="sync-lag-", dir=options.folder.resolve()) as folder:
            rounds.append(_measure(Path(folder), options, random.Random(options.seed + number)))
        print(rounds[-1].model_dump_json(), flush=True)
    p99s = [one.p99_s for one in rounds]
    result = LagResult(
        command=f"python -m {_MODULE} --per-second {options.per_second:g} --seconds {options.seconds:g} "
        f"--rounds {options.rounds} --files {options.files} --seed {options.seed}",
        began_at=began_at.isoformat(timespec="seconds"),
        machine=Machine.look_at(options.folder),
        niceness=os.nice(0),
        per_second=options.per_second,
        files=options.files,
        rounds=tuple(rounds),
        p99_s=Spread(median=statistics.median(p99s), min=min(p99s), max=max(p99s)),
        is_reached=statistics.median(p99s) <= _GOAL_S,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(
        f"p99 of the lag: {result.p99_s.median:.2f} s ({result.p99_s.min:.2f} to {result.p99_s.max:.2f} s), "
        f"goal {_GOAL_S:g} s"
    )
    return 0 if result.is_reached else 1


def _measure(folder: Path, options: argparse.Namespace, rng: random.Random) -> LagRound:
    source, target = folder / "source", folder / "target"
    target.mkdir()
    for number in range(options.files):
        path = source / f"d{number % _FOLDERS}/f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randrange(1, 8000)))
    with _following(source, target, folder):
        operations = _Operations(source, target, rng)
        waiting: list[_Waiting] = []
        lags: list[float] = []
        began = time.monotonic()
        made, wanted = 0, int(options.per_second * options.seconds)
        ended = began
        while made < wanted or waiting:
            now = time.monotonic()
            while made < wanted and began + made / options.per_second <= now:
                is_seen = operations.next()
                ended = time.monotonic()
                waiting.append(_Waiting(ended, is_seen))
                made += 1
            waiting = list(_look(waiting, lags))
            time.sleep(_LOOK_S)
    lags.sort()
    return LagRound(
        operations=made,
        reached_per_s=round(made / (ended - began), 1),
        median_s=round(statistics.median(lags), 3),
        p95_s=round(lags[int(len(lags) * 0.95)], 3),
        p99_s=round(lags[int(len(lags) * 0.99)], 3),
        max_s=round(lags[-1], 3),
        load_average=round(os.getloadavg()[0], 2),
    )


def _look(waiting: Sequence[_Waiting], lags: list[float]) -> Iterator[_Waiting]:
    for one in waiting:
        now = time.monotonic()
        if one.is_seen():
            lags.append(now - one.made_at)
        elif now - one.made_at > _PATIENCE_S:
            raise SystemExit(f"a change was not on the target after {_PATIENCE_S:g} s")
        else:
            yield one


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


@contextmanager
def _following(source: Path, target: Path, folder: Path) -> Iterator[None]:
    """Both ends, which have copied everything and sync from then on."""
    authority = Authority(_TASK)
    processes: list[subprocess.Popen[str]] = []

    def start(role: AgentRole, path: Path, port: int = 0) -> subprocess.Popen[str]:
        settings = EndSettings(
            task_id=_TASK,
            path=str(path),
            state_folder=str(folder / "state" / role),
            credentials=authority.issue(role),
            address="127.0.0.1",
            port=port,
            follows=role == "source",
        )
        command = [sys.executable, "-m", "benchmarks.rig.copy_end", role]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        _tell(process, settings.model_dump_json())
        return process

    try:
        port = int(_hear(start("target", target)))
        sending = start("source", source, port)
        _hear(sending)
        _tell(sending, "copy")
        _hear(sending)
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    line = process.stdout.readline()
    if not line:
        raise SystemExit("an end of the copy has failed")
    return line


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("--per-second", type=float, default=200.0, help="operations a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--files", type=int, default=20_000, help="files in the tree; four of five operations use one up"
    )
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a real disk")  # noqa: S108 - only a temporary folder with a random name is made in it
    parser.add_argument("--output", type=Path, default=_RESULT)
    options = parser.parse_args(arguments)
    if options.files < options.per_second * options.seconds:
        raise SystemExit("There are fewer files than operations.")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
