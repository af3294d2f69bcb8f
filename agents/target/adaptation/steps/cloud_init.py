"""S08: cloud-init stays off, since a new machine would make it set up the system anew."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import StepResult, WriteFile
from agents.target.adaptation.tree import Tree

_SWITCH: Final = "/etc/cloud/cloud-init.disabled"


def plan_cloud_init(tree: Tree) -> StepResult:
    """A changed instance id would give new host keys, another host name and a locked root account."""
    if not tree.is_directory("/etc/cloud") or tree.is_file(_SWITCH):
        return StepResult()
    return StepResult(changes=(WriteFile(path=_SWITCH, content=b"", reason="the system keeps its identity"),))
