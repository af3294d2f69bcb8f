"""The TCP ports on which this machine listens: what a rehearsal of it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTENS: Final = "0A"
_DEFAULT_RANGE: Final = (32768, 60999)


def read_listening_ports(proc: Path = _PROC) -> tuple[int, ...]:
    """Sorted, each once, whatever the address. Ports out of the kernel's own range change with every start of the
    program that was given one, so they say nothing of another boot."""
    first, last = _own_range(proc)
    found = {port for name in ("tcp", "tcp6") for port in _listening(proc / "net" / name)}
    return tuple(sorted(port for port in found if not first <= port <= last))


def _listening(table: Path) -> list[int]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    rows = (line.split() for line in lines)
    return [int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == _LISTENS]


def _own_range(proc: Path) -> tuple[int, int]:
    try:
        first, last = (proc / "sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return _DEFAULT_RANGE
    return int(first), int(last)
