"""What the distributions' tools make later menus and entries from: kernel arguments of kernels yet to come."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import Change, WriteFile
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.assignments import assignments, edited_assignments
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode

DEFAULTS: Final = "/etc/default/grub"
DROP_INS: Final = "/etc/default/grub.d"
DROP_IN: Final = f"{DROP_INS}/99-sms-adapt.cfg"
KERNEL_COMMAND_LINE: Final = "/etc/kernel/cmdline"
_ARGUMENTS: Final = "GRUB_CMDLINE_LINUX"
# SUSE's, for GRUB of both versions.
_SYSCONFIG: Final = "/etc/sysconfig/bootloader"
_REASON: Final = "kernel arguments"


def default_files(tree: Tree) -> list[str]:
    """The files of grub-mkconfig's settings, in the order in which they are read."""
    names = [f"{DROP_INS}/{name}" for name in tree.names(DROP_INS) if name.endswith(".cfg")]
    return [path for path in (DEFAULTS, *names) if tree.is_file(path)]


def plan_settings_files(tree: Tree, system: SystemFacts, line: CommandLine, grub_default: str) -> list[Change]:
    """grub_default: the menu entry to start, "" to leave that to the user's settings."""
    takes_drop_ins = _takes_drop_ins(tree, system)
    changes: list[Change] = []
    for path in default_files(tree):
        if path != DROP_IN:
            adds = path == DEFAULTS and not takes_drop_ins
            # Other families save the entry in GRUB's environment.
            changes += _edited(tree, path, line, grub_default if adds and system.has_dpkg else "", adds=adds)
    if takes_drop_ins:
        changes += _drop_in(line, grub_default)
    changes += _edited(tree, _SYSCONFIG, line, "", adds=False)
    text = tree.text(KERNEL_COMMAND_LINE)
    if text is not None and line.adapted(text) != text.strip():
        content = encode(line.adapted(text) + "\n")
        changes.append(WriteFile(path=KERNEL_COMMAND_LINE, content=content, reason=_REASON))
    return changes


def _takes_drop_ins(tree: Tree, system: SystemFacts) -> bool:
    """Debian's grub-mkconfig reads a folder of settings; others read one file."""
    return f"{DROP_INS}/" in (tree.text(system.mkconfig) or "") if system.mkconfig else False


def _edited(tree: Tree, path: str, line: CommandLine, grub_default: str, *, adds: bool) -> list[Change]:
    text = tree.text(path)
    if text is None:
        return []

    def edit(name: str, value: str) -> str | None:
        if name == "GRUB_DEFAULT" and grub_default:
            return grub_default
        if name == _ARGUMENTS and adds:
            return line.adapted(value)
        if name.startswith(_ARGUMENTS) or name.endswith("_APPEND"):
            return line.corrected(value)
        return None

    new = edited_assignments(text, edit)
    if adds and _ARGUMENTS not in assignments(text) and line.additions:
        separator = "" if not new or new.endswith("\n") else "\n"
        new = f'{new}{separator}{_ARGUMENTS}="{" ".join(line.additions)}"\n'
    return [WriteFile(path=path, content=encode(new), reason=_REASON)] if new != text else []


def _drop_in(line: CommandLine, grub_default: str) -> list[Change]:
    """A file beside the user's settings, since those may be set again by later files."""
    lines = ["# Written by the adaptation to this machine."]
    if line.additions:
        lines.append(f'{_ARGUMENTS}="${_ARGUMENTS} {" ".join(line.additions)}"')
    if line.has_serial_port:
        lines += ['GRUB_TERMINAL="console serial"', 'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"']
    if grub_default:
        lines.append(f'GRUB_DEFAULT="{grub_default}"')
    if len(lines) == 1:
        return []
    content = encode("\n".join(lines) + "\n")
    return [WriteFile(path=DROP_IN, content=content, reason=_REASON, after=" ".join(line.additions))]
