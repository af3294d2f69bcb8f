"""S08: cloud-init stays off, since a new machine would make it set up the system anew."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import Change, RemoveFile, StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.platform_agents import PlatformAgent
from agents.target.adaptation.steps.foreign_agents import switched_off
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree

_FOLDER: Final = "/etc/cloud"
_SWITCH: Final = f"{_FOLDER}/cloud-init.disabled"
_REASON: Final = "a new machine is no new instance"
_STATE: Final = "/var/lib/cloud"
_MOST_FOLDERS: Final = 1000
# Before systemd nothing looks for the switch, so each of its services is switched off.
_SERVICES: Final = PlatformAgent(
    "cloud-init",
    (),
    (
        *("cloud-init", "cloud-init-local", "cloud-init-nonet", "cloud-init-container", "cloud-init-blocknet"),
        *("cloud-config", "cloud-final", "cloud-log-shutdown"),
    ),
)


def plan_cloud_init(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """A changed instance id would give new host keys, another host name and a locked root account; and the data source
    of another cloud would make the boot wait, and write the source's network anew.

    With a new identity, what it remembers of the source's instance goes too: it will find a new one when it is turned
    on again.
    """
    if not tree.is_directory(_FOLDER):
        return StepResult()
    changes: list[Change] = []
    if not tree.is_file(_SWITCH):
        changes.append(WriteFile(path=_SWITCH, content=b"", reason=_REASON))
    if not system.has_systemd:
        changes += switched_off(tree, _SERVICES, system)
    if inputs.facts.identity == "new":
        reason = "an identity of its own"
        changes += [RemoveFile(path=path, reason=reason) for path in _remembered(tree)]
    return StepResult(changes=tuple(changes))


def _remembered(tree: Tree) -> list[str]:
    """Everything of the instances but their folders, which stay empty."""
    found = [f"{_STATE}/instance", *(f"{_STATE}/data/{name}" for name in tree.names(f"{_STATE}/data"))]
    folders = [f"{_STATE}/instances"]
    for folder in folders:
        for name in tree.names(folder):
            path = f"{folder}/{name}"
            is_folder = tree.link_target(path) is None and tree.is_directory(path)
            (folders if is_folder and len(folders) < _MOST_FOLDERS else found).append(path)
    return found
