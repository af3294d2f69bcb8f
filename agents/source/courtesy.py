"""The agent gives way to the server's own work: at processors and disks, and within the limits of its task."""

from __future__ import annotations

import ctypes
import logging
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from agents.source.control_group import Machine, limited
from contracts.agent_limits import AgentLimits

_logger: Final = logging.getLogger("sms.agent.source")
# Numbers of ioprio_set and sched_setattr.
_CALLS: Final = {"x86_64": (251, 314), "aarch64": (30, 274)}
_WHO_PROCESS: Final = 1
_BEST_EFFORT: Final = 2 << 13
_IDLE: Final = 3 << 13
_LOWEST: Final = 7


@dataclass(frozen=True, slots=True)
class _Place:
    """policy: of the scheduler. A thread at 0 gets 68 times as much as one at 19 of a processor that both want, and
    340 times as much as one of SCHED_IDLE (the kernel's table of weights)."""

    policy: int
    nice: int
    ioprio: int


_BEHIND: Final = 19
# The shortest that Linux 6.12 and later take. Since 6.6 whoever is at work stays for its slice (base_slice_ns, 1.4 ms
# with two processors) when another one wakes up, even from the last place: so long did the server's own work wait after
# each wait for its disk.
_SLICE_NS: Final = 100_000
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")  # struct sched_attr, its first version
# SCHED_BATCH: what wakes up here, as after each read of a disk, does not push aside what is at work.
_USUAL: Final = _Place(os.SCHED_BATCH, _BEHIND, _BEST_EFFORT | _LOWEST)
_LAST: Final = _Place(os.SCHED_IDLE, _BEHIND, _IDLE)
# By the task's priority: low, standard, high.
_PLACES: Final = {
    0: _Place(os.SCHED_IDLE, _BEHIND, _BEST_EFFORT | _LOWEST),
    1: _USUAL,
    2: _Place(os.SCHED_OTHER, 5, _BEST_EFFORT | _LOWEST),
}


def give_way() -> None:
    """For the whole agent, at its start."""
    _take(_USUAL)


@contextmanager
def place_of_task(priority: int, limits: AgentLimits, machine: Machine | None = None) -> Iterator[None]:
    """For the work of a task in this thread, and in those that it makes. The thread goes back to a pool as it was.

    priority: 0 low, 1 standard, 2 high. What no control group can limit takes the last place everywhere instead.
    """
    thread = threading.get_native_id()
    before = _Place(os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread), _BEST_EFFORT | _LOWEST)
    with limited(limits, machine or Machine.this()) as kept:
        wanted = {"cpu": limits.cpu_percent, "memory": limits.memory_bytes, "io": limits.io_bytes_s}
        asked = {name for name, value in wanted.items() if value is not None}
        if asked:
            missing = ", ".join(sorted(asked - set(kept))) or "none"
            _logger.info("limits of the task: %s; not kept by a control group: %s", limits, missing)
        is_idle = bool({"cpu", "io"} & asked - set(kept)) and limits.cpu_percent != 100
        try:
            _take(_LAST if is_idle else _PLACES.get(priority, _USUAL))
            yield
        finally:
            _take(before)


def _take(place: _Place) -> None:
    thread = threading.get_native_id()
    # Refused where the agent may not go forward: its place stays the one behind.
    with suppress(PermissionError):
        os.sched_setscheduler(thread, place.policy, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, place.nice)
    numbers = _CALLS.get(os.uname().machine)
    if numbers is None:
        return
    ioprio_set, sched_setattr = numbers
    call = ctypes.CDLL(None).syscall
    call(ioprio_set, _WHO_PROCESS, thread, place.ioprio)
    # A kernel that knows no such thing refuses it, or takes no notice. Nothing: the kernel's own choice again.
    slice_ns = _SLICE_NS if place.policy == os.SCHED_BATCH else 0
    call(sched_setattr, thread, _ATTRIBUTES.pack(_ATTRIBUTES.size, place.policy, 0, place.nice, 0, slice_ns, 0, 0), 0)
