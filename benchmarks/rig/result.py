"""What a comparison found: its models, the medians, and a table for people."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rig.system_tree import TreeFacts
from contracts.base import Model

_MIB = 1 << 20


class Run(Model):
    """One copy. loopback_bytes: the interface's counter; reported_bytes: what the program itself says it sent."""

    seconds: float
    loopback_bytes: int
    reported_bytes: int


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
    """One contender's figures, or our figure divided by another's of the same round."""

    seconds: Spread
    loopback_bytes: Spread
    reported_bytes: Spread


class Ratio(Model):
    """Ours divided by the other's. Below 1: ours is faster, or sends less. in_rounds: each round by itself."""

    seconds_of_medians: float
    loopback_bytes_of_medians: float
    in_rounds: Figures


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
        )


class Comparison(Model):
    """The whole result, as it is written to a file."""

    benchmark: str
    command: str
    began_at: str
    method: str
    cache: str
    machine: Machine
    tree: TreeFacts
    rounds: tuple[Round, ...]
    contenders: dict[str, Figures]
    ratio: Ratio


def figures(runs: Sequence[Run]) -> Figures:
    """Medians and spread of one contender's runs."""
    return Figures(
        seconds=_spread([run.seconds for run in runs]),
        loopback_bytes=_spread([run.loopback_bytes for run in runs]),
        reported_bytes=_spread([run.reported_bytes for run in runs]),
    )


def ratio(ours: Sequence[Run], others: Sequence[Run]) -> Ratio:
    """Our runs against another contender's, in the order of the rounds."""
    one, other = figures(ours), figures(others)
    pairs = list(zip(ours, others, strict=True))
    return Ratio(
        seconds_of_medians=_rounded(one.seconds.median / other.seconds.median),
        loopback_bytes_of_medians=_rounded(one.loopback_bytes.median / other.loopback_bytes.median),
        in_rounds=Figures(
            seconds=_spread([a.seconds / b.seconds for a, b in pairs]),
            loopback_bytes=_spread([a.loopback_bytes / b.loopback_bytes for a, b in pairs]),
            reported_bytes=_spread([a.reported_bytes / b.reported_bytes for a, b in pairs]),
        ),
    )


def table(comparison: Comparison) -> str:
    """The result in a few lines: median, and minimum to maximum."""
    tree = comparison.tree
    lines = [
        f"{tree.files:,} files, {tree.folders:,} folders, {tree.bytes_total / _MIB:,.0f} MiB (seed {tree.seed}), "
        f"{len(comparison.rounds)} rounds, cache {comparison.cache}",
        f"{'':8}{'seconds until on disk':>28}{'MiB over loopback':>28}",
    ]
    for name, found in comparison.contenders.items():
        lines.append(f"{name:8}{_cell(found.seconds, 1.0):>28}{_cell(found.loopback_bytes, _MIB):>28}")
    in_rounds = comparison.ratio.in_rounds
    lines.append(f"{'ratio':8}{_cell(in_rounds.seconds, 1.0):>28}{_cell(in_rounds.loopback_bytes, 1.0):>28}")
    return "\n".join(lines)


def _cell(spread: Spread, unit: float) -> str:
    return f"{spread.median / unit:,.2f} ({spread.min / unit:,.2f}-{spread.max / unit:,.2f})"


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=_rounded(statistics.median(values)), min=_rounded(min(values)), max=_rounded(max(values)))


def _rounded(value: float) -> float:
    return round(value, 4)


def _first_line(command: list[str]) -> str:
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return said.splitlines()[0].strip()
