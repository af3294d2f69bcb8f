"""A control group of the agent's own, of version 2 or 1: what keeps it within its limits of CPU, memory and disks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.agent_limits import AgentLimits

_PERIOD_US: Final = 100_000
# With less the agent could not hold what is on its way, and would be killed by its own limit.
LEAST_MEMORY_BYTES: Final = 256 << 20
_OWN_UNIT: Final = "sms-agent.service"
_NO_LIMIT: Final = -1

Writes = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the kernel shows itself: /proc and /sys, or trees that look like them. processors: that may be used."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    processors: int = 1

    @classmethod
    def this(cls) -> Machine:
        """The one that the agent runs on."""
        return cls(processors=os.cpu_count() or 1)

    def disks(self) -> list[str]:
        """Numbers ("8:0") of the disks that may be limited."""
        found = []
        for folder in sorted((self.sys / "block").iterdir()):
            # A device over others has no queue of its own to hold back; theirs count.
            if (folder / "device").exists():
                with suppress(OSError):
                    found.append((folder / "dev").read_text(encoding="ascii").strip())
        return found


@contextmanager
def limited(limits: AgentLimits, machine: Machine) -> Iterator[tuple[str, ...]]:
    """Keep this process within limits until the block ends. Gives the names of those that are kept ("cpu", "memory",
    "io"); the kernel may have no group for the others, or this process no right to it."""
    if limits == AgentLimits():
        yield ()
        return
    undo: list[Callable[[], None]] = []
    kept: list[str] = []
    try:
        for name, controller, wanted in _wanted(limits, machine):
            with suppress(OSError, LookupError):
                undo.append(_apply(controller, wanted, machine))
                kept.append(name)
        yield tuple(kept)
    finally:
        for each in reversed(undo):
            with suppress(OSError):
                each()


def _wanted(limits: AgentLimits, machine: Machine) -> Iterator[tuple[str, str, Callable[[bool], Writes]]]:
    """Name, version 1's controller, and the files to write; the function is told whether it is version 2."""
    if limits.cpu_percent is not None and limits.cpu_percent < 100:
        quota_us = max(1000, _PERIOD_US * machine.processors * limits.cpu_percent // 100)
        yield (
            "cpu",
            "cpu",
            lambda is_two: (
                [("cpu.max", f"{quota_us} {_PERIOD_US}")]
                if is_two
                else [("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", str(quota_us))]
            ),
        )
    if limits.memory_bytes is not None:
        held_bytes = max(LEAST_MEMORY_BYTES, limits.memory_bytes)
        # Version 2 can slow down what takes more; version 1 can only take pages of the cache away, or kill.
        yield (
            "memory",
            "memory",
            lambda is_two: [("memory.high" if is_two else "memory.limit_in_bytes", str(held_bytes))],
        )
    if limits.io_bytes_s is not None:
        rate, disks = limits.io_bytes_s, machine.disks()
        yield (
            "io",
            "blkio",
            lambda is_two: (
                [("io.max", f"{disk} rbps={rate} wbps={rate}") for disk in disks]
                if is_two
                else [
                    (f"blkio.throttle.{way}_bps_device", f"{disk} {rate}")
                    for disk in disks
                    for way in ("read", "write")
                ]
            ),
        )


_UNLIMITED: Final = {
    "cpu.max": f"max {_PERIOD_US}",
    "memory.high": "max",
    "cpu.cfs_quota_us": str(_NO_LIMIT),
    "memory.limit_in_bytes": str(_NO_LIMIT),
}


def _apply(controller: str, wanted: Callable[[bool], Writes], machine: Machine) -> Callable[[], None]:
    """Write what is wanted into a group of this process; returns what takes it back. Raises OSError, LookupError."""
    is_two, current = _current_group(controller, machine)
    writes = wanted(is_two)
    if not writes:
        raise LookupError("nothing to write")
    if current.name == _OWN_UNIT:
        # The service's own group: nobody else is in it, and systemd would not find a process that has left it.
        _write(current, writes)
        return lambda: _write(current, [(name, _without_limit(name, value)) for name, value in writes])
    group = current / f"sms-agent-{os.getpid()}"
    if is_two:
        _enable(current, {"blkio": "io"}.get(controller, controller))
    is_new = not group.exists()
    group.mkdir(exist_ok=True)
    try:
        if controller == "memory" and not is_two:
            # What is charged to the old group stays there; the agent's further pages count here.
            with suppress(OSError):
                (group / "memory.move_charge_at_immigrate").write_text("3", encoding="ascii")
        _write(group, writes)
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    except OSError:
        if is_new:
            with suppress(OSError):
                group.rmdir()
        raise

    def leave() -> None:
        (current / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        group.rmdir()

    return leave


def _enable(group: Path, controller: str) -> None:
    """Let groups below have a controller; only the root of version 2 may have both groups and processes."""
    if (group / "cgroup.type").exists():
        raise LookupError("processes and limits in one group")
    (group / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _write(group: Path, writes: Writes) -> None:
    for name, value in writes:
        path = group / name
        if not path.exists():
            raise LookupError(name)
        path.write_text(value, encoding="ascii")


def _without_limit(name: str, value: str) -> str:
    disk = value.split()[0]
    return _UNLIMITED.get(name) or (f"{disk} rbps=max wbps=max" if name == "io.max" else f"{disk} 0")


def _current_group(controller: str, machine: Machine) -> tuple[bool, Path]:
    """Whether the controller is of version 2, and the group that this process is in."""
    two: tuple[bool, Path] | None = None
    mounts = _mounted_groups(machine)
    for line in (machine.proc / "self/cgroup").read_text(encoding="utf-8").splitlines():
        number, names, path = line.split(":", 2)
        if controller in names.split(",") and controller in mounts:
            return False, mounts[controller] / path.lstrip("/")
        if number == "0" and not names and "" in mounts:
            two = True, mounts[""] / path.lstrip("/")
    if two is None:
        raise LookupError(controller)
    return two


def _mounted_groups(machine: Machine) -> dict[str, Path]:
    """Where each controller of version 1 is mounted, and version 2 as ""."""
    found: dict[str, Path] = {}
    for line in (machine.proc / "self/mounts").read_text(encoding="utf-8").splitlines():
        _, point, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found.setdefault("", Path(point))
        elif kind == "cgroup":
            for name in options.split(","):
                found.setdefault(name, Path(point))
    return found
