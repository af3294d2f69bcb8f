"""The source's end of a copy at a place among other processes: ``polite_end default|equal``, as copy_end otherwise."""

from __future__ import annotations

import sys

from agents.source.courtesy import give_way, place_of_task
from benchmarks.rig.copy_end import EndSettings, run_source
from contracts.agent_limits import AgentLimits

_STANDARD_PRIORITY = 1


def main(manner: str) -> None:
    """default: as the agent works without limits that a user set. equal: as any other process."""
    settings = EndSettings.model_validate_json(sys.stdin.readline())
    if manner == "equal":
        run_source(settings)
        return
    give_way()
    with place_of_task(_STANDARD_PRIORITY, AgentLimits()):
        run_source(settings)


if __name__ == "__main__":
    main(sys.argv[1])
