"""What a request costs each process of an all-in-one in processor time: others on the machine disturb that little."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from cli.installation import DataFolder

# Less is shown as nothing.
_SHOWN_MS = 0.005


def cpu_ms(data: DataFolder) -> dict[str, float]:
    """Milliseconds that each process has taken since its start."""
    state = data.state()
    running = {each.name: each.pid for each in state.processes if each.pid} if state else {}
    times = {name: psutil.Process(pid).cpu_times() for name, pid in running.items()}
    return {name: (each.user + each.system) * 1000 for name, each in times.items()}


def per_request(before: Mapping[str, float], after: Mapping[str, float], requests: int) -> dict[str, float]:
    """What was taken between two readings, divided; ``all`` is the sum. The largest come first."""
    each = {name: (after[name] - before.get(name, 0.0)) / requests for name in after}
    ordered = sorted(each.items(), key=lambda item: -item[1])
    return {"all": round(sum(each.values()), 2)} | {name: round(ms, 2) for name, ms in ordered if ms >= _SHOWN_MS}
