"""How busy the source and this agent are, from /proc: what a user looks at before raising a limit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.messages.agent import AgentLoad

_SHORTEST_S: Final = 2.0
_DISK: Final = re.compile(r"(sd|vd|hd|xvd)[a-z]+|nvme\d+n\d+|mmcblk\d+")
_SECTOR_BYTES: Final = 512  # of /proc/diskstats, whatever the disk's own
# Columns after the name: sectors read and sectors written.
_SECTORS_READ: Final = 2
_SECTORS_WRITTEN: Final = 6


@dataclass(frozen=True)
class _Counters:
    """Since the start of machine and process. Ticks of all CPUs; bytes that went to and came from disks."""

    now_s: float
    ticks: int
    idle_ticks: int
    agent_ticks: int
    disk_bytes: int
    agent_disk_bytes: int


class LoadMeter:
    """Rates are those since the reading before; one is taken at most every two seconds. proc: /proc, or a tree that
    looks like it."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._last: _Counters | None = None
        self._newest: AgentLoad | None = None

    def load(self, *, now_s: float) -> AgentLoad | None:
        """The newest load; None before two readings, and on a machine whose /proc says something else."""
        if self._last is not None and now_s - self._last.now_s < _SHORTEST_S:
            return self._newest
        try:
            counters = self._read(now_s)
            if self._last is not None:
                self._newest = self._between(self._last, counters)
        except (OSError, ValueError, LookupError):
            return None
        self._last = counters
        return self._newest

    def _between(self, before: _Counters, after: _Counters) -> AgentLoad:
        ticks = max(1, after.ticks - before.ticks)
        seconds = after.now_s - before.now_s
        busy = ticks - (after.idle_ticks - before.idle_ticks)
        total_bytes, resident_bytes = self._memory()
        return AgentLoad(
            total_cpu_percent=_percent(busy, ticks),
            agent_cpu_percent=_percent(after.agent_ticks - before.agent_ticks, ticks),
            total_memory_bytes=total_bytes,
            agent_memory_bytes=resident_bytes,
            total_disk_bit_s=round(max(0, after.disk_bytes - before.disk_bytes) * 8 / seconds),
            agent_disk_bit_s=round(max(0, after.agent_disk_bytes - before.agent_disk_bytes) * 8 / seconds),
        )

    def _read(self, now_s: float) -> _Counters:
        ticks, idle_ticks = processor_ticks(self._proc)
        # The name of a process may hold blanks and brackets: what counts comes after the last one.
        own = self._lines("self/stat")[0].rpartition(")")[2].split()
        moved = dict(line.split(": ") for line in self._lines("self/io"))
        return _Counters(
            now_s=now_s,
            ticks=ticks,
            idle_ticks=idle_ticks,
            agent_ticks=int(own[11]) + int(own[12]),
            disk_bytes=self._disk_bytes(),
            agent_disk_bytes=int(moved["read_bytes"]) + int(moved["write_bytes"]) if "read_bytes" in moved else 0,
        )

    def _disk_bytes(self) -> int:
        sectors = 0
        for line in self._lines("diskstats"):
            words = line.split()
            if _is_disk(words[2]):
                sectors += int(words[3 + _SECTORS_READ]) + int(words[3 + _SECTORS_WRITTEN])
        return sectors * _SECTOR_BYTES

    def _memory(self) -> tuple[int, int]:
        """Used of the machine, and resident of this process."""
        parts = (line.partition(":") for line in self._lines("meminfo"))
        known = {name: int(rest.split()[0]) for name, _, rest in parts}
        pages = int(self._lines("self/statm")[0].split()[1])
        used_kib = known["MemTotal"] - known.get("MemAvailable", known["MemFree"])
        return used_kib * 1024, pages * os.sysconf("SC_PAGE_SIZE")

    def _lines(self, name: str) -> list[str]:
        return (self._proc / name).read_text(encoding="ascii", errors="replace").splitlines()


def processor_ticks(proc: Path = Path("/proc")) -> tuple[int, int]:
    """Of all processors since the start of the machine: all ticks, and those without work, waiting for a disk included.

    Raises OSError, ValueError, LookupError where /proc says something else.
    """
    with (proc / "stat").open(encoding="ascii") as file:
        # What stands behind is counted in the columns before already.
        columns = [int(word) for word in file.readline().split()[1:9]]
    return sum(columns), columns[3] + columns[4]


def _is_disk(name: str) -> bool:
    """Whole disks alone: a partition, or a device over disks, would count the same bytes twice."""
    return _DISK.fullmatch(name) is not None


def _percent(part: int, whole: int) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1)
