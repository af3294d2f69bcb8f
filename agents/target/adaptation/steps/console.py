"""S09: the target's serial console has a login prompt, whichever init starts it."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode

_GETTY: Final = ("/lib/systemd/system/serial-getty@.service", "/usr/lib/systemd/system/serial-getty@.service")
_WANTED: Final = "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
_INITTAB: Final = "/etc/inittab"
_SECURE: Final = "/etc/securetty"
_REASON: Final = "login prompt on the serial console"
_LINE: Final = "S0:12345:respawn:/sbin/agetty -L 115200 ttyS0 vt102\n"
# Upstart's systems have a job that follows the kernel's console, and an inittab that says no more than the level.
_UPSTART: Final = ("/etc/init/rc.conf", "/etc/event.d")


def plan_console(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """The kernel's console comes with the boot menu's arguments."""
    if not inputs.facts.has_serial_port:
        return StepResult()
    changes: list[Change] = []
    getty = next((path for path in _GETTY if tree.is_file(path)), "")
    if system.has_systemd and getty and tree.link_target(_WANTED) is None:
        changes.append(MakeLink(path=_WANTED, target=getty, reason=_REASON))
    if not system.has_systemd:
        changes += _lines(tree)
    return StepResult(changes=tuple(changes))


def _lines(tree: Tree) -> list[Change]:
    changes: list[Change] = []
    table = tree.text(_INITTAB)
    is_upstart = any(tree.status(path) is not None for path in _UPSTART)
    if table is not None and not is_upstart and not re.search(r"^[^#\n]*\bttyS0\b", table, re.MULTILINE):
        changes.append(_with_line(_INITTAB, table, _LINE))
    secure = tree.text(_SECURE)
    if secure is not None and "ttyS0" not in secure.split():
        changes.append(_with_line(_SECURE, secure, "ttyS0\n"))
    return changes


def _with_line(path: str, text: str, line: str) -> WriteFile:
    separator = "" if not text or text.endswith("\n") else "\n"
    return WriteFile(path=path, content=encode(text + separator + line), reason=_REASON, after=line.strip())
