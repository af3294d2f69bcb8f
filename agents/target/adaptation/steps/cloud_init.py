"""S08: cloud-init stays off, since a new machine would make it set up the system anew."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.platform_agents import PlatformAgent
from agents.target.adaptation.steps.foreign_agents import switched_off
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree

_FOLDER: Final = "/etc/cloud"
_SWITCH: Final = f"{_FOLDER}/cloud-init.disabled"
_REASON: Final = "the system keeps its identity"
# Before systemd nothing looks for the switch, so each of its services is switched off.
_SERVICES: Final = PlatformAgent(
    "cloud-init",
    (),
    (
        *("cloud-init", "cloud-init-local", "cloud-init-nonet", "cloud-init-container", "cloud-init-blocknet"),
        *("cloud-config", "cloud-final", "cloud-log-shutdown"),
    ),
)


def plan_cloud_init(tree: Tree, system: SystemFacts) -> StepResult:
    """A changed instance id would give new host keys, another host name and a locked root account; and the data source
    of another cloud would make the boot wait, and write the source's network anew."""
    if not tree.is_directory(_FOLDER):
        return StepResult()
    changes: list[Change] = []
    if not tree.is_file(_SWITCH):
        changes.append(WriteFile(path=_SWITCH, content=b"", reason=_REASON))
    if not system.has_systemd:
        changes += switched_off(tree, _SERVICES, system)
    return StepResult(changes=tuple(changes))
