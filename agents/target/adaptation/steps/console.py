"""S09: the target's serial console shows the boot and a login prompt."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.tree import Tree, encode

DEFAULTS: Final = "/etc/default/grub"
DROP_INS: Final = "/etc/default/grub.d"
DROP_IN: Final = f"{DROP_INS}/99-sms-adapt.cfg"
_GETTY: Final = "/lib/systemd/system/serial-getty@.service"
_WANTED: Final = "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
# Consoles of other hypervisors, and serial ports that the target does not have.
_FOREIGN_CONSOLE: Final = re.compile(r"\bconsole=(?:hvc\d+|xvc\d+|ttyS[1-9]\d*|ttyAMA\d+)(?:,\w+)?")
_KERNEL_ARGUMENTS: Final = "console=tty0 console=ttyS0,115200n8"


def default_files(tree: Tree) -> list[str]:
    """The files of grub-mkconfig's settings, in the order in which they are read."""
    names = [f"{DROP_INS}/{name}" for name in tree.names(DROP_INS) if name.endswith(".cfg")]
    return [path for path in (DEFAULTS, *names) if tree.is_file(path)]


def plan_console(
    tree: Tree, inputs: Inputs, *, extra_arguments: tuple[str, ...] = (), grub_default: str = ""
) -> StepResult:
    """A drop-in beside the user's settings, since those may be set again by later files.

    extra_arguments: further kernel arguments that other steps need. grub_default: the menu entry to start, ""
    to leave that to the user's settings.
    """
    changes: list[Change] = []
    serial = inputs.facts.has_serial_port
    for path in default_files(tree):
        text = tree.text(path) or ""
        new = _FOREIGN_CONSOLE.sub("console=ttyS0,115200n8" if serial else "", text) if path != DROP_IN else text
        if new != text:
            changes.append(WriteFile(path=path, content=encode(new), reason="consoles of the source's machine"))
    arguments = [*([_KERNEL_ARGUMENTS] if serial else []), *extra_arguments]
    lines = ["# Written by the adaptation to this machine."]
    if arguments:
        lines.append(f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(arguments)}"')
    if serial:
        lines += ['GRUB_TERMINAL="console serial"', 'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"']
    if grub_default:
        lines.append(f'GRUB_DEFAULT="{grub_default}"')
    if len(lines) > 1:
        content = encode("\n".join(lines) + "\n")
        changes.append(WriteFile(path=DROP_IN, content=content, reason="kernel arguments", after=" ".join(arguments)))
    if serial and tree.is_file(_GETTY) and tree.link_target(_WANTED) is None:
        changes.append(MakeLink(path=_WANTED, target=_GETTY, reason="login prompt on the serial console"))
    return StepResult(changes=tuple(changes))
