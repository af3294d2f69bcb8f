"""Where a server's migration stands, in the words of the v3 contract, from the phase and step of its task."""

from __future__ import annotations

from typing import Final

from contracts.messages.task import Phase

# A step says more than its phase. The steps' names are the task service's.
_STATES_OF_STEPS: Final[dict[tuple[Phase, str], str]] = {
    # Points and layers, the vendor's "snapshot resources", are removed while a task is finished.
    (Phase.LAUNCHED, "FINISH"): "clearing",
    (Phase.LAUNCHED, "FORGET_SOURCE"): "clearing",
    (Phase.LAUNCHED, "DESTROY_AUTHORITY"): "clearing",
}
_STATES: Final[dict[Phase, str]] = {
    Phase.READY: "waiting",
    Phase.PREPARING: "initialize",
    Phase.COPYING: "replicate",
    Phase.LAUNCHING: "replicate",
    Phase.LAUNCHED: "finished",
    Phase.SYNCING: "syncing",
    Phase.CUTTING_OVER: "cutovering",
    Phase.STOPPING: "stopping",
    Phase.PAUSED: "stopped",
    Phase.FAILED: "error",
    Phase.FINISHED: "finished",
    Phase.DELETING: "deleting",
}
_CYCLES: Final[dict[Phase, str]] = {
    Phase.READY: "setting",
    Phase.PREPARING: "replicating",
    Phase.COPYING: "replicating",
    Phase.LAUNCHING: "replicating",
    Phase.LAUNCHED: "cutovered",
    Phase.SYNCING: "syncing",
    Phase.CUTTING_OVER: "cutovering",
    Phase.FINISHED: "cutovered",
}
# The cycle that a reported state implies when its reporter names none.
_CYCLES_OF_STATES: Final[dict[str, str]] = {
    "unavailable": "checking",
    "waiting": "setting",
    "initialize": "replicating",
    "replicate": "replicating",
    "syncing": "syncing",
    "cutovering": "cutovering",
    "finished": "cutovered",
    "cloning": "cutovering",
    "premigready": "ready_for_test",
    "premiging": "testing",
    "premiged": "tested",
    "premigfailed": "no_ready",
}


def state_of_task(phase: Phase | None, step: str = "") -> str:
    """The state that a task gives its server; "" without one, or when it was deleted."""
    if phase is None:
        return ""
    return _STATES_OF_STEPS.get((phase, step)) or _STATES.get(phase, "")


def cycle_of_task(phase: Phase | None, last: str) -> str:
    """The cycle that a task gives its server. A task that rests or ends early stays in the cycle that it was in."""
    if phase is None or phase is Phase.DELETED:
        return ""
    return _CYCLES.get(phase, last or "setting")


def cycle_of_state(state: str, last: str) -> str:
    """The cycle that goes with a reported state."""
    return _CYCLES_OF_STATES.get(state, last)
