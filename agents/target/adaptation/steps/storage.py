"""S05: what besides /etc/fstab names disks: LVM, arrays, multipath, encrypted swap, mount units."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.changes import Change, RemoveFile, StepResult, WriteFile
from agents.target.adaptation.formats.sections import edit_sections
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import LVM_FILTER, MD_UNRESOLVED, UNIT_UNRESOLVED, VOLUME_GROUP_TWICE

_LVM: Final = "/etc/lvm/lvm.conf"
_DEVICES: Final = "/etc/lvm/devices"
_ARRAYS: Final = ("/etc/mdadm.conf", "/etc/mdadm/mdadm.conf")
_CRYPTTAB: Final = "/etc/crypttab"
_UNITS: Final = "/etc/systemd/system"
_MULTIPATH: Final = ("/etc/multipath/wwids", "/etc/multipath/bindings", "/var/lib/multipath/bindings")
_NO_MULTIPATH: Final = "/etc/dracut.conf.d/91-sms-multipath.conf"
_REASON: Final = "devices of the source"
_NAMED_DEVICE: Final = re.compile(r"\b(?:sd|hd|xvd|cciss|nvme|md[/\d]|mapper/mpath|disk/by-id|disk/by-path)")
_ARRAY: Final = re.compile(r"^ARRAY\b.*\bUUID=([0-9a-f:-]+)", re.MULTILINE | re.IGNORECASE)
_FILTER: Final = re.compile(r"\s*(?:global_)?filter\s*=|\s*volume_list\s*=")


def plan_storage(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """Only what would keep the target's disks from being seen, or make the boot wait for disks that never come."""
    changes: list[Change] = [
        *_lvm(tree),
        *_arrays(tree, inputs),
        *_crypttab(tree, inputs),
        *_units(tree, inputs),
        *_multipath(tree, system),
    ]
    return StepResult(changes=tuple(changes))


def _lvm(tree: Tree) -> list[Change]:
    """Without its list of devices LVM looks at all of them; with the source's it finds none (RHEL 9)."""
    changes: list[Change] = [
        RemoveFile(path=f"{_DEVICES}/{name}", reason="LVM's list of the source's disks")
        for name in tree.names(_DEVICES)
        if name.endswith(".devices")
    ]
    text = tree.text(_LVM) or ""
    lines = [f"# {line}" if _hides_disks(line) else line for line in text.splitlines(keepends=True)]
    new = "".join(lines)
    if new != text:
        changes.append(WriteFile(path=_LVM, content=encode(new), reason="filter on names of the source's disks"))
    return changes


def _hides_disks(line: str) -> bool:
    """Whether a filter of one line accepts named disks and rejects what is left; several lines are left alone."""
    return _FILTER.match(line) is not None and "]" in line and _NAMED_DEVICE.search(line) is not None


def _arrays(tree: Tree, inputs: Inputs) -> list[Change]:
    if inputs.references.has_kind("linux_raid_member"):
        return []
    changes: list[Change] = []
    for path in _ARRAYS:
        text = tree.text(path) or ""
        lines = [f"# {line}" if line.split()[:1] == ["ARRAY"] else line for line in text.splitlines(keepends=True)]
        if "".join(lines) != text:
            changes.append(WriteFile(path=path, content=encode("".join(lines)), reason="arrays of the source"))
    return changes


def _crypttab(tree: Tree, inputs: Inputs) -> list[Change]:
    """Swap with a random key; everything else that is encrypted was refused before."""
    text = tree.text(_CRYPTTAB) or ""
    lines = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        if len(words) < 2 or words[0].startswith("#") or inputs.references.resolve(words[1]) is not None:
            lines.append(line)
            continue
        meant = inputs.references.meant_by(words[1])
        # The area's own UUID goes when it is made anew at each boot; the partition's stays.
        reference = f"PARTUUID={meant.part_uuid}" if meant is not None and meant.part_uuid else ""
        lines.append(line.replace(words[1], reference, 1) if reference else f"# not migrated: {line}")
    new = "".join(lines)
    return [WriteFile(path=_CRYPTTAB, content=encode(new), reason=_REASON)] if new != text else []


def _units(tree: Tree, inputs: Inputs) -> list[Change]:
    changes: list[Change] = []
    for path in _unit_files(tree):
        text = tree.text(path) or ""

        def edit(section: str, key: str, value: str) -> str | None:
            if section not in {"Mount", "Swap"} or key != "What" or not value.startswith("/dev/"):
                return None
            meant = None if inputs.references.resolve(value) is not None else inputs.references.meant_by(value)
            return f"What=/dev/disk/by-uuid/{meant.file_system.uuid}" if meant is not None else None

        new = edit_sections(text, edit)
        if new != text:
            changes.append(WriteFile(path=path, content=encode(new), reason=_REASON))
    return changes


def _unit_files(tree: Tree) -> list[str]:
    names = [name for name in tree.names(_UNITS) if name.endswith((".mount", ".swap"))]
    return [f"{_UNITS}/{name}" for name in names if tree.is_file(f"{_UNITS}/{name}")]


def _multipath(tree: Tree, system: SystemFacts) -> list[Change]:
    """The target's disks have one path each; a list of the source's identifiers would hide them."""
    changes: list[Change] = [RemoveFile(path=path, reason=_REASON) for path in _MULTIPATH if tree.is_file(path)]
    if changes and system.initramfs_tool == "dracut" and tree.is_directory("/etc/dracut.conf.d"):
        content = b'omit_dracutmodules+=" multipath "\n'
        changes.append(WriteFile(path=_NO_MULTIPATH, content=content, reason="no multipath on the target"))
    return changes


def storage_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """After the changes."""
    checks: list[AdaptationCheck] = []
    hidden = [line.strip() for line in (tree.text(_LVM) or "").splitlines() if _hides_disks(line)]
    has_list = any(name.endswith(".devices") for name in tree.names(_DEVICES))
    if inputs.references.has_kind("lvm2_member"):
        checks.append(
            failed(LVM_FILTER, path=_DEVICES if has_list else _LVM, found=hidden[0] if hidden else "a list of devices")
            if hidden or has_list
            else passed(LVM_FILTER)
        )
        checks += _volume_groups(inputs)
    checks += _array_checks(tree, inputs)
    for path in _unit_files(tree):
        for value in _what(tree.text(path) or ""):
            if value.startswith("/dev/") and inputs.references.resolve(value) is None:
                checks.append(failed(UNIT_UNRESOLVED, "W", path=path, spec=value))
    return tuple(checks)


def _volume_groups(inputs: Inputs) -> list[AdaptationCheck]:
    """LVM does not activate by name what two groups are called."""
    names = [group.name for group in inputs.inventory.volume_groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [failed(VOLUME_GROUP_TWICE, name=name, count=names.count(name)) for name in twice]


def _array_checks(tree: Tree, inputs: Inputs) -> list[AdaptationCheck]:
    if not inputs.references.has_kind("linux_raid_member"):
        return []
    known = {
        each.file_system.uuid.lower().replace("-", "").replace(":", "")
        for each in inputs.references.volumes
        if each.file_system.kind == "linux_raid_member"
    }
    named = [(path, match.group(1)) for path in _ARRAYS for match in _ARRAY.finditer(tree.text(path) or "")]
    checks = [
        failed(MD_UNRESOLVED, path=path, uuid=uuid)
        for path, uuid in named
        if uuid.lower().replace(":", "").replace("-", "") not in known
    ]
    return checks or [passed(MD_UNRESOLVED)]


def _what(text: str) -> list[str]:
    found: list[str] = []

    def note(section: str, key: str, value: str) -> None:
        if section in {"Mount", "Swap"} and key == "What":
            found.append(value)

    edit_sections(text, note)
    return found
