"""The agent gives way to the server's own work: at processors and disks, and within the limits of its task."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from agents.source.control_group import Machine, limited
from contracts.agent_limits import AgentLimits

_logger: Final = logging.getLogger("sms.agent.source")
# A thread at 0 gets 28 times as much as one at 15 of a processor that both want (the kernel's table of weights).
_USUAL_NICE: Final = 15
# By the task's priority: low, standard, high.
_NICE: Final = {0: 19, 1: _USUAL_NICE, 2: 5}
_MOST_NICE: Final = 19
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS: Final = 1
_BEST_EFFORT: Final = 2 << 13
_IDLE: Final = 3 << 13
_LOWEST: Final = 7


def give_way() -> None:
    """For the whole agent, at its start."""
    _take_place(_USUAL_NICE, is_idle=False)
    # Where the scheduler groups sessions, nice values count within one session alone; the group has its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_USUAL_NICE), encoding="ascii")


@contextmanager
def place_of_task(priority: int, limits: AgentLimits, machine: Machine | None = None) -> Iterator[None]:
    """For the work of a task in this thread, and in those that it makes. The thread goes back to a pool as it was.

    priority: 0 low, 1 standard, 2 high. What no control group can limit takes the last place everywhere instead.
    """
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with limited(limits, machine or Machine.this()) as kept:
        wanted = {"cpu": limits.cpu_percent, "memory": limits.memory_bytes, "io": limits.io_bytes_s}
        asked = {name for name, value in wanted.items() if value is not None}
        if asked:
            missing = ", ".join(sorted(asked - set(kept))) or "none"
            _logger.info("limits of the task: %s; not kept by a control group: %s", limits, missing)
        is_idle = bool({"cpu", "io"} & asked - set(kept)) and limits.cpu_percent != 100
        try:
            _take_place(_MOST_NICE if is_idle else _NICE.get(priority, _USUAL_NICE), is_idle=is_idle)
            yield
        finally:
            _take_place(usual, is_idle=False)


def _take_place(nice: int, *, is_idle: bool) -> None:
    thread = threading.get_native_id()
    # Refused where the agent may not go forward: its place stays the one behind.
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, thread, nice)
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        ioprio = _IDLE if is_idle else _BEST_EFFORT | _LOWEST
        ctypes.CDLL(None, use_errno=True).syscall(number, _WHO_PROCESS, thread, ioprio)
