"""S05: /etc/fstab and the device for resuming name what is on the target."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.fstab import KIND, MOUNT_POINT, OPTIONS, SPEC, FstabLine, parse_fstab
from agents.target.adaptation.inputs import Inputs, failed
from agents.target.adaptation.references import References, is_device_reference
from agents.target.adaptation.subvolume_options import named_subvolume
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import FSTAB_UNREADABLE, FSTAB_UNRESOLVED

PATH: Final = "/etc/fstab"
RESUME: Final = "/etc/initramfs-tools/conf.d/resume"
_NETWORK_KINDS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "glusterfs", "ceph", "fuse.sshfs", "9p"})
_NOT_MIGRATED: Final = "# not migrated: "


def plan_file_system_table(tree: Tree, inputs: Inputs) -> StepResult:
    """Rewrite only what does not resolve on the target; every other byte of the file stays."""
    text = tree.text(PATH) or ""
    lines, checks, seen = [], [], set()
    for line in parse_fstab(text):
        mount_point = line.value(MOUNT_POINT)
        is_second = line.is_entry and mount_point.startswith("/") and mount_point in seen
        seen.add(mount_point)
        if line.is_unreadable or is_second:
            checks.append(failed(FSTAB_UNREADABLE, "W", line=line.number, text=line.raw.strip()))
            lines.append(line.raw)
        else:
            lines.append(_adapted(line, inputs.references, tree) if line.is_entry else line.raw)
    if "/" not in seen and inputs.references.root is not None:
        # Without a line for it systemd leaves the root file system mounted read-only.
        separator = "" if not lines or lines[-1].endswith("\n") else "\n"
        lines.append(f"{separator}{inputs.references.root.reference} / {_root_kind(inputs)} defaults 0 1\n")
    new = "".join(lines)
    changes: list[Change] = []
    if new != text:
        before, after = _first_difference(text, new)
        changes.append(
            WriteFile(path=PATH, content=encode(new), reason="device references", before=before, after=after)
        )
    return StepResult(changes=(*changes, *_resume(tree, inputs)), checks=tuple(checks))


def _root_kind(inputs: Inputs) -> str:
    root = inputs.references.root
    return root.file_system.kind if root is not None else "auto"


def _adapted(line: FstabLine, references: References, tree: Tree) -> str:
    spec, kind = line.value(SPEC), line.value(KIND)
    if kind in _NETWORK_KINDS or spec.startswith("//"):
        return line.raw if {"nofail", "noauto"} & set(line.options) else _with_nofail(line)
    if kind == "swap" and spec.startswith("/") and not spec.startswith("/dev/"):
        return line.raw if tree.is_file(spec) else _NOT_MIGRATED + line.raw
    if not is_device_reference(spec):
        return line.raw
    meant = references.meant_by(spec, line.value(MOUNT_POINT))
    if meant is None or not meant.file_system.kind:
        return line.raw if "noauto" in line.options else _NOT_MIGRATED + line.raw
    line = _with_named_subvolume(line, references, meant.file_system.uuid)
    adapted = line.raw if references.resolve(spec) is not None else line.replaced(SPEC, meant.reference)
    if kind not in {meant.file_system.kind, "auto", *_same_driver(meant.file_system.kind)}:
        line = FstabLine(line.number, adapted, tuple(adapted.split()))
        adapted = line.replaced(KIND, meant.file_system.kind)
    return adapted


def _with_named_subvolume(line: FstabLine, references: References, uuid: str) -> FstabLine:
    kept = named_subvolume(line.options, references, uuid=uuid, mount_point=line.value(MOUNT_POINT))
    if kept == list(line.options):
        return line
    raw = line.replaced(OPTIONS, ",".join(kept) or "defaults")
    return FstabLine(line.number, raw, tuple(raw.split()))


def _same_driver(kind: str) -> tuple[str, ...]:
    return ("ext2", "ext3", "ext4") if kind.startswith("ext") else ()


def _with_nofail(line: FstabLine) -> str:
    """A server that cannot be reached from the new network must not stop the boot."""
    if len(line.fields) > OPTIONS:
        return line.replaced(OPTIONS, ",".join([*line.options, "nofail"]))
    body = line.raw.rstrip()
    return f"{body} defaults,nofail{line.raw[len(body) :]}"


def _first_difference(old: str, new: str) -> tuple[str, str]:
    olds, news = old.splitlines(), new.splitlines()
    for before, after in zip(olds, news, strict=False):
        if before != after:
            return before.strip(), after.strip()
    return "", news[-1].strip() if len(news) > len(olds) else ""


def _resume(tree: Tree, inputs: Inputs) -> list[Change]:
    """A device that is not there makes initramfs-tools wait for 30 s at each boot."""
    text = tree.text(RESUME)
    if text is None:
        return []
    lines = []
    for line in text.splitlines(keepends=True):
        name, separator, value = line.strip().partition("=")
        reference = value.strip("\"'")
        if name != "RESUME" or not separator or reference in {"none", "auto", ""}:
            lines.append(line)
        elif inputs.references.resolve(reference) is None:
            meant = inputs.references.meant_by(reference)
            lines.append(f"RESUME={meant.reference if meant is not None else 'none'}\n")
        else:
            lines.append(line)
    new = "".join(lines)
    if new == text:
        return []
    return [
        WriteFile(
            path=RESUME, content=encode(new), reason="device for resuming", before=text.strip(), after=new.strip()
        )
    ]


def unresolved_lines(tree: Tree, references: References) -> list[tuple[FstabLine, str]]:
    """Entries that will not mount on the target, each with the reason."""
    found = []
    for line in parse_fstab(tree.text(PATH) or ""):
        spec = line.value(SPEC)
        if not line.is_entry or not is_device_reference(spec) or "noauto" in line.options:
            continue
        target = references.resolve(spec)
        if target is None:
            found.append((line, "no such device is on the target"))
        elif target.file_system.kind != line.value(KIND) and line.value(KIND) not in {
            "auto",
            *_same_driver(target.file_system.kind),
        }:
            found.append((line, f"the file system is {target.file_system.kind}, not {line.value(KIND)}"))
        elif line.value(MOUNT_POINT).startswith("/") and not tree.is_directory(line.value(MOUNT_POINT)):
            found.append((line, "the mount point is missing"))
    return found


def fstab_checks(tree: Tree, references: References) -> tuple[AdaptationCheck, ...]:
    """FSTAB_UNRESOLVED: an error for what the system cannot start without, a warning for the rest."""
    checks = []
    for line, reason in unresolved_lines(tree, references):
        point = line.value(MOUNT_POINT)
        severity = "W" if "nofail" in line.options or point == "none" else "E"
        checks.append(
            failed(
                FSTAB_UNRESOLVED, severity, line=line.number, spec=line.value(SPEC), mount_point=point, reason=reason
            )
        )
    return tuple(checks)
