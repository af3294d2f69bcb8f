"""What an agent may take of its server while it works for a task, beside the rate on the wire."""

from __future__ import annotations

from contracts.base import Model


class AgentLimits(Model):
    """cpu_percent: of all CPUs together. io_bytes_s: read from and written to disks. None: no limit.

    Limits are kept by the agent's control group. Where the kernel has none, cpu_percent and io_bytes_s make the agent
    give way to every other process instead, and memory_bytes does nothing.
    """

    cpu_percent: int | None = None
    memory_bytes: int | None = None
    io_bytes_s: int | None = None
