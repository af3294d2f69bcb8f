"""S08: a system that lives beside its source is told from it: machine id, SSH host keys, leases and seeds.

The id is derived and not drawn, so that plan, adaptation and another run agree on it. Images of a rescue kernel keep
their names, which their entries go on naming.
"""

from __future__ import annotations

import stat
import uuid
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, RemoveFile, StepResult, WriteFile
from agents.target.adaptation.formats.grub_environment import environment_block, environment_values
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.steps.boot_menu.bls import entry_files
from agents.target.adaptation.steps.boot_menu.grub2 import environment_path
from agents.target.adaptation.steps.host_keys import plan_host_keys
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode

MACHINE_ID: Final = "/etc/machine-id"
_ENTRY_TOKEN: Final = "/etc/kernel/entry-token"  # noqa: S105 - a file's name
_MESSAGE_BUS_ID: Final = "/var/lib/dbus/machine-id"
_REASON: Final = "an identity of its own"
# Keys of an entry that name files or arguments: an id in them is the name of an image.
_NAMES_FILES: Final = frozenset({"linux", "initrd", "efi", "devicetree", "options"})
# Folder and pattern: what a network client or the kernel has kept for its next start. Leases that a DHCP server has
# given stay.
_KEPT: Final = (
    ("/var/lib/dhclient", "*.lease*"),
    ("/var/lib/dhcp", "dhclient*.lease*"),
    ("/var/lib/dhcp3", "dhclient*.lease*"),
    ("/var/lib/NetworkManager", "*.lease"),
    ("/var/lib/wicked", "*.xml"),
    ("/var/lib/systemd", "random-seed"),
    ("/var/lib/urandom", "random-seed"),
    ("/var/lib/misc", "random-seed"),
    ("/var/lib", "random-seed"),
)


def plan_identity(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """Nothing for a system that takes its source's place. A message bus without a machine id keeps one of its own."""
    if inputs.facts.identity == "keep":
        return StepResult()
    new = uuid.uuid5(uuid.NAMESPACE_URL, f"{inputs.facts.seed}{MACHINE_ID}").hex
    changes: list[Change] = []
    old = (tree.text(MACHINE_ID) or "").strip()
    has_id = tree.is_file(MACHINE_ID)
    if has_id:
        changes.append(WriteFile(path=MACHINE_ID, content=f"{new}\n".encode(), reason=_REASON, before=old, after=new))
    if tree.is_file(_MESSAGE_BUS_ID):
        changes.append(_message_bus(new, has_id=has_id))
    if old and old != new:
        changes += _entries(tree, system, old, new)
    changes += plan_host_keys(tree, system)
    changes += [RemoveFile(path=path, reason=_REASON) for path in _kept(tree)]
    return StepResult(changes=tuple(changes), facts={"identity": f"new, machine id {new}"})


def _message_bus(new: str, *, has_id: bool) -> Change:
    if has_id:
        return MakeLink(path=_MESSAGE_BUS_ID, target=MACHINE_ID, reason=_REASON)
    return WriteFile(path=_MESSAGE_BUS_ID, content=f"{new}\n".encode(), reason=_REASON, after=new)


def _entries(tree: Tree, system: SystemFacts, old: str, new: str) -> Iterator[Change]:
    """Entries of the boot menu that are files named by the id, and who remembers such a name."""
    for path in entry_files(tree):
        folder, _, name = path.rpartition("/")
        if not name.startswith(f"{old}-"):
            continue
        status = tree.status(path)
        mode = stat.S_IMODE(status.st_mode) if status is not None else None
        content = encode(_renamed(tree.text(path) or "", old, new))
        yield WriteFile(path=f"{folder}/{name.replace(old, new, 1)}", content=content, reason=_REASON, mode=mode)
        yield RemoveFile(path=path, reason=_REASON)
    path = environment_path(system)
    values = environment_values(tree.read(path) or b"")
    saved = values.get("saved_entry", "")
    block = environment_block(values | {"saved_entry": saved.replace(old, new, 1)})
    if saved.startswith(f"{old}-") and block is not None:
        yield WriteFile(path=path, content=block, reason=_REASON)
    if (tree.text(_ENTRY_TOKEN) or "").strip() == old:
        yield WriteFile(path=_ENTRY_TOKEN, content=f"{new}\n".encode(), reason=_REASON, before=old, after=new)


def _renamed(text: str, old: str, new: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(
        line if line.split()[:1] and line.split()[0] in _NAMES_FILES else line.replace(old, new) for line in lines
    )


def _kept(tree: Tree) -> list[str]:
    return [
        f"{folder}/{name}"
        for folder, pattern in _KEPT
        for name in tree.names(folder)
        if fnmatchcase(name, pattern) and tree.is_file(f"{folder}/{name}")
    ]
