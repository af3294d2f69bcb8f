"""What a comparison found: its models, the medians, and a table for people."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from contracts.base import Model

_MIB = 1 << 20
OURS = "ours"


class TreeFacts(Model):
    """What a tree holds. files: regular ones, hard links (further names) apart; bytes_total: of contents."""

    kind: str
    seed: int
    files: int
    folders: int = 0
    symlinks: int = 0
    hard_links: int = 0
    extended_attributes: int = 0
    bytes_total: int


class Run(Model):
    """One copy, until it was on disk. wire_bytes: the interface's counters, both directions, headers included."""

    seconds: float
    wire_bytes: int


class Round(Model):
    """One run of each contender, in this order."""

    number: int
    order: tuple[str, ...]
    load_average_before: float
    runs: dict[str, Run]


class Spread(Model):
    """Of the same figure in all rounds."""

    median: float
    min: float
    max: float


class Figures(Model):
    """One contender's figures, or one contender's divided by ours of the same round."""

    seconds: Spread
    wire_bytes: Spread


class Goal(Model):
    """times: how many times as long the other has to take (best: whichever peer is fastest in the median); below 1
    for what cannot be beaten. Compared is the median of the rounds' own ratios."""

    against: str
    times: float


class Verdict(Model):
    """A goal, and what was measured."""

    goal: Goal
    peer: str
    measured: Spread
    is_met: bool


class Machine(Model):
    """Where it ran, without anything that names it."""

    cpu_model: str
    cpus: int
    memory_mib: int
    kernel: str
    file_system: str
    python: str
    rsync: str
    ssh: str
    zstd: str
    tar: str

    @classmethod
    def look_at(cls, folder: Path) -> Machine:
        """This machine, with the file system of that folder."""
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        return cls(
            cpu_model=model[1] if model else platform.machine(),
            cpus=len(os.sched_getaffinity(0)),
            memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB,
            kernel=platform.release().partition("-")[0],
            file_system=_first_line(["findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)]),
            python=platform.python_version(),
            rsync=_first_line(["rsync", "--version"]),
            ssh=_first_line(["ssh", "-V"]),
            zstd=_first_line(["zstd", "--version"]).partition(", by")[0],
            tar=_first_line(["tar", "--version"]),
        )


class Comparison(Model):
    """The whole result, as it is written to a file. peers: each one's figures divided by ours, round by round."""

    benchmark: str
    command: str
    began_at: str
    method: str
    link: str
    cache: str
    machine: Machine
    tree: TreeFacts
    rounds: tuple[Round, ...]
    contenders: dict[str, Figures]
    peers: dict[str, Figures]
    verdicts: tuple[Verdict, ...]


def summarise(rounds: Sequence[Round], goals: Sequence[Goal]) -> dict[str, object]:
    """The fields of a Comparison that follow from its rounds."""
    names = list(rounds[0].runs)
    contenders = {name: _figures([one.runs[name] for one in rounds]) for name in names}
    peers = {name: _ratios(rounds, name) for name in names if name != OURS}
    fastest = min(peers, key=lambda name: contenders[name].seconds.median)
    verdicts = []
    for goal in goals:
        peer = fastest if goal.against == "best" else goal.against
        measured = peers[peer].seconds
        verdicts.append(Verdict(goal=goal, peer=peer, measured=measured, is_met=measured.median >= goal.times))
    return {"contenders": contenders, "peers": peers, "verdicts": tuple(verdicts)}


def table(comparison: Comparison) -> str:
    """The result in a few lines: median, and minimum to maximum."""
    tree = comparison.tree
    lines = [
        f"{comparison.benchmark}: {tree.kind}, {tree.files:,} files, {tree.bytes_total / _MIB:,.0f} MiB (seed "
        f"{tree.seed}), {comparison.link}, {len(comparison.rounds)} rounds, cache {comparison.cache}",
        f"{'':10}{'seconds until on disk':>26}{'MiB on the wire':>32}{'times ours: seconds':>24}{'bytes':>8}",
    ]
    for name, found in comparison.contenders.items():
        line = f"{name:10}{cell(found.seconds, 1.0):>26}{cell(found.wire_bytes, _MIB):>32}"
        if name in comparison.peers:
            times = comparison.peers[name]
            line += f"{cell(times.seconds, 1.0):>24}{times.wire_bytes.median:>8.2f}"
        lines.append(line)
    for verdict in comparison.verdicts:
        said = "met" if verdict.is_met else "MISSED"
        goal = f"{verdict.goal.against} ({verdict.peer}) takes {verdict.goal.times} times as long"
        lines.append(f"goal {said}: {goal}; measured {cell(verdict.measured, 1.0)}")
    return "\n".join(lines)


def cell(spread: Spread, unit: float) -> str:
    """Median (minimum-maximum)."""
    return f"{spread.median / unit:,.2f} ({spread.min / unit:,.2f}-{spread.max / unit:,.2f})"


def spread_of(values: Sequence[float]) -> Spread:
    """Median and bounds."""
    return Spread(median=_rounded(statistics.median(values)), min=_rounded(min(values)), max=_rounded(max(values)))


def _figures(runs: Sequence[Run]) -> Figures:
    return Figures(
        seconds=spread_of([run.seconds for run in runs]), wire_bytes=spread_of([run.wire_bytes for run in runs])
    )


def _ratios(rounds: Sequence[Round], name: str) -> Figures:
    pairs = [(one.runs[name], one.runs[OURS]) for one in rounds]
    return Figures(
        seconds=spread_of([other.seconds / ours.seconds for other, ours in pairs]),
        wire_bytes=spread_of([other.wire_bytes / ours.wire_bytes for other, ours in pairs]),
    )


def _rounded(value: float) -> float:
    return round(value, 4)


def _first_line(command: list[str]) -> str:
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return next(line for line in said.splitlines() if line.strip()).strip()
