"""S15: SELinux stays as it is. Labels came with the files; what the adaptation has written gets those that the system's
own policy says, and where labels did not come along, the first boot gives them anew."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.changes import Change, SetLabel, StepResult, WriteFile
from agents.target.adaptation.files import SELINUX_LABEL
from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SELINUX_LABELS, SELINUX_SETFILES

CONFIG: Final = "/etc/selinux/config"
RELABEL: Final = "/.autorelabel"
# Without enforcement the unlabelled system comes as far as giving labels.
PERMISSIVE: Final = "enforcing=0"
_LOOKED_AT: Final = ("/sbin/init", "/etc/shadow", "/usr/sbin/sshd", "/etc/passwd")
_PROGRAMS: Final = ("/usr/sbin/setfiles", "/sbin/setfiles")
_REASON: Final = "label of SELinux"
# It only says what it would do, one line each, and names the lines that it leaves as they are in another way. The
# names come by a file, since there may be more of them than a command takes.
_ASK: Final = '"$1" -n -v -f /tmp/paths "$2"'
# Since 2016: Would relabel PATH from OLD to NEW; before: setfiles reset PATH context OLD->NEW.
_ANSWERS: Final = (
    re.compile(r"Would relabel (?P<path>/.*) from (?P<old>\S+|<no context>) to (?P<new>\S+)"),
    re.compile(r".*setfiles reset (?P<path>/.*) context (?P<old>\S*)->(?P<new>\S+)"),
)
_SHOWN_CHARACTERS: Final = 600


def is_in_use(tree: Tree) -> bool:
    """Whether the system would start with SELinux, and has a policy to start it with."""
    values = assignments(tree.text(CONFIG) or "")
    is_on = values.get("SELINUX", "disabled").lower() in {"enforcing", "permissive"}
    return is_on and tree.is_directory(_policy(tree))


def _policy(tree: Tree) -> str:
    values = assignments(tree.text(CONFIG) or "")
    return f"/etc/selinux/{values.get('SELINUXTYPE', 'targeted')}"


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


def plan_selinux(tree: Tree, inputs: Inputs, written: Sequence[str]) -> StepResult:
    """Labels of what was written, as the system's setfiles says; else a file that the system's own start-up looks for,
    upon which it labels everything and removes the file.

    Everything else keeps the labels it came with: a label that somebody has set by hand is one of them.
    """
    if not is_in_use(tree):
        return StepResult()
    if needs_relabel(tree):
        return StepResult(changes=_relabel(tree, "labels of SELinux are missing"))
    contexts = f"{_policy(tree)}/contexts/files/file_contexts"
    program = next((path for path in _PROGRAMS if tree.is_program(path)), "")
    if not program or not tree.is_file(contexts) or not tree.names(f"{_policy(tree)}/policy"):
        return StepResult(changes=_relabel(tree, "the policy of SELinux says no labels of files"))
    paths = [path for path in dict.fromkeys(written) if _has_label(tree, inputs, path)]
    if not paths:
        return StepResult()
    result = inputs.builder.run(
        ["/bin/sh", "-c", _ASK, "sh", program, contexts], files={"paths": "\n".join(paths).encode() + b"\n"}
    )
    if result.is_planned:
        asked = SetLabel(path="/", label=f"of {len(paths)} files, as setfiles says", reason=_REASON)
        return StepResult(changes=(asked,))
    if result.status != 0 or result.is_timeout:
        output = result.messages[-_SHOWN_CHARACTERS:]
        check = failed(SELINUX_SETFILES, "W", status=result.status, output=output)
        return StepResult(changes=_relabel(tree, "setfiles has failed"), checks=(check,))
    return StepResult(changes=_labels(result.output.decode(errors="replace"), set(paths)))


def _relabel(tree: Tree, reason: str) -> tuple[Change, ...]:
    return () if tree.is_file(RELABEL) else (WriteFile(path=RELABEL, content=b"", reason=reason),)


def _has_label(tree: Tree, inputs: Inputs, path: str) -> bool:
    """Whether something is there, on a file system that keeps labels."""
    without = [f"{volume.mount_point.rstrip('/')}/" for volume in inputs.layout.volumes if volume.kind == "vfat"]
    if "\n" in path or path.startswith(tuple(without)):
        return False
    return tree.link_target(path) is not None or tree.status(path) is not None


def _labels(output: str, asked: set[str]) -> tuple[Change, ...]:
    """What setfiles says of the files that it was asked about; it may say nothing of others."""
    labels: list[Change] = []
    for line in output.splitlines():
        for answer in _ANSWERS:
            match = answer.fullmatch(line.strip())
            if match is not None and match["path"] in asked:
                labels.append(SetLabel(path=match["path"], label=match["new"], reason=_REASON, before=match["old"]))
                break
    return tuple(labels)


def selinux_checks(tree: Tree) -> tuple[AdaptationCheck, ...]:
    """A warning: such a system starts twice, and takes minutes for it."""
    if not is_in_use(tree):
        return ()
    missing = unlabelled(tree)
    return (failed(SELINUX_LABELS, "W", paths=", ".join(missing)),) if missing else (passed(SELINUX_LABELS, "W"),)
