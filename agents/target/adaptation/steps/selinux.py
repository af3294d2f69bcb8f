"""S15: SELinux stays as it is; where labels did not come along, the first boot gives them anew."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from agents.target.adaptation.changes import StepResult, WriteFile
from agents.target.adaptation.files import SELINUX_LABEL
from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.inputs import failed, passed
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SELINUX_LABELS

CONFIG: Final = "/etc/selinux/config"
RELABEL: Final = "/.autorelabel"
# Without enforcement the unlabelled system comes as far as giving labels.
PERMISSIVE: Final = "enforcing=0"
_LOOKED_AT: Final = ("/sbin/init", "/etc/shadow", "/usr/sbin/sshd", "/etc/passwd")


def is_in_use(tree: Tree) -> bool:
    """Whether the system would start with SELinux, and has a policy to start it with."""
    values = assignments(tree.text(CONFIG) or "")
    is_on = values.get("SELINUX", "disabled").lower() in {"enforcing", "permissive"}
    return is_on and tree.is_directory(f"/etc/selinux/{values.get('SELINUXTYPE', 'targeted')}")


def unlabelled(tree: Tree) -> list[str]:
    """Files without which nobody logs in, and that have no label."""
    found = []
    for path in _LOOKED_AT:
        with contextlib.suppress(OSError):
            descriptor = tree.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                if SELINUX_LABEL not in os.listxattr(descriptor):
                    found.append(path)
            finally:
                os.close(descriptor)
    return found


def needs_relabel(tree: Tree) -> bool:
    """Whether the next start has to label every file, which it needs `PERMISSIVE` for."""
    return is_in_use(tree) and bool(unlabelled(tree))


def plan_selinux(tree: Tree) -> StepResult:
    """A file that the system's own start-up looks for, and that it removes."""
    if not needs_relabel(tree) or tree.is_file(RELABEL):
        return StepResult()
    return StepResult(changes=(WriteFile(path=RELABEL, content=b"", reason="labels of SELinux are missing"),))


def selinux_checks(tree: Tree) -> tuple[AdaptationCheck, ...]:
    """A warning: such a system starts twice, and takes minutes for it."""
    if not is_in_use(tree):
        return ()
    missing = unlabelled(tree)
    return (failed(SELINUX_LABELS, "W", paths=", ".join(missing)),) if missing else (passed(SELINUX_LABELS, "W"),)
