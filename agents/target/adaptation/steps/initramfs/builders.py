"""How each builder of initial RAM disks is run, and where it keeps its list of drivers.

Every command leaves the tree alone and prints the image: the engine puts it in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.changes import Change, WriteFile
from agents.target.adaptation.formats.assignments import assignments, edited_assignments
from agents.target.adaptation.kernels import Kernel
from agents.target.adaptation.references import TargetVolume
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode

MODULES: Final = "/etc/initramfs-tools/modules"
DRACUT_FOLDER: Final = "/etc/dracut.conf.d"
DRACUT_LIST: Final = f"{DRACUT_FOLDER}/90-sms.conf"
DRACUT_FILE: Final = "/etc/dracut.conf"
SUSE_KERNEL: Final = "/etc/sysconfig/kernel"
_REASON: Final = "drivers of the target"
_INITRAMFS_TOOLS: Final = 'set -e; "$1" -o /var/tmp/initrd "$2" >&2; cat /var/tmp/initrd'
_DRACUT: Final = 'set -e; program="$1"; shift; "$program" -f "$@" >&2; cat /var/tmp/initrd'
# SUSE's looks for kernels in the folder that it writes to, so it gets one of its own.
_MKINITRD: Final = (
    'set -e; mkdir /var/tmp/boot; cp "/boot/vmlinuz-$2" /boot/System.map-"$2" /var/tmp/boot/ 2>/dev/null || true;'
    ' "$1" -b /var/tmp/boot -k "vmlinuz-$2" -i "initrd-$2" -m "$3" -d "$4" >&2; cat "/var/tmp/boot/initrd-$2"'
)
# Kernels and dracut of 2010 know neither option.
_OUTPUT: Final = "/var/tmp/initrd"  # noqa: S108 - in the sandbox's own /var/tmp
_NO_HOST_COMMAND_LINE: Final = "--no-hostonly-cmdline"
_PROGRAM_LIMIT_BYTES: Final = 1 << 20


def build_command(
    tree: Tree, system: SystemFacts, kernel: Kernel, drivers: Sequence[str], root: TargetVolume | None
) -> tuple[str, list[str]]:
    """(program's name, command); no command when the system has no builder that is known."""
    shell = ["/bin/sh", "-c"]
    if system.initramfs_tool == "initramfs-tools":
        return "mkinitramfs", [*shell, _INITRAMFS_TOOLS, "sh", system.builder, kernel.release]
    if system.initramfs_tool == "dracut":
        script = tree.read(system.builder, limit_bytes=_PROGRAM_LIMIT_BYTES) or b""
        options = [each for each in (_NO_HOST_COMMAND_LINE,) if each.encode() in script]
        # It looks at the devices of the machine that it runs on, where the root file system is on no logical volume.
        options += ["--add", "lvm"] if root is not None and root.logical_volume else []
        arguments = [*options, "--add-drivers", " ".join(drivers), _OUTPUT, kernel.release]
        return "dracut", [*shell, _DRACUT, "sh", system.builder, *arguments]
    if system.initramfs_tool == "mkinitrd":
        device = f"/dev/disk/by-uuid/{root.file_system.uuid}" if root is not None else ""
        names = " ".join(drivers)
        return "mkinitrd", [*shell, _MKINITRD, "sh", system.builder, kernel.release, names, device]
    return "", []


def driver_list(tree: Tree, system: SystemFacts, drivers: Sequence[str]) -> list[Change]:
    """Drivers in the builder's own list: a later package update builds from it, without us."""
    if system.initramfs_tool == "mkinitrd":
        return _mkinitrd_list(tree, drivers)
    # Debian keeps the settings of a builder that another one has replaced.
    if system.initramfs_tool == "dracut" or tree.is_directory(DRACUT_FOLDER):
        return _dracut_list(tree, drivers)
    return _initramfs_tools_list(tree, drivers) if tree.is_file(MODULES) else []


def _initramfs_tools_list(tree: Tree, drivers: Sequence[str]) -> list[Change]:
    text = tree.text(MODULES) or ""
    listed = {line.split()[0].replace("-", "_") for line in text.splitlines() if line.strip() and line[0] != "#"}
    wanted = [name for name in drivers if name not in listed]
    if not wanted:
        return []
    separator = "" if not text or text.endswith("\n") else "\n"
    content = encode(text + separator + "".join(f"{name}\n" for name in wanted))
    return [WriteFile(path=MODULES, content=content, reason=_REASON, after=" ".join(wanted))]


def _dracut_list(tree: Tree, drivers: Sequence[str]) -> list[Change]:
    line = f'add_drivers+=" {" ".join(drivers)} "\n'
    if tree.is_directory(DRACUT_FOLDER):
        return [WriteFile(path=DRACUT_LIST, content=line.encode(), reason=_REASON, after=line.strip())]
    # The first versions read one file only.
    text = tree.text(DRACUT_FILE) or ""
    if line in text:
        return []
    separator = "" if not text or text.endswith("\n") else "\n"
    content = encode(text + separator + line)
    return [WriteFile(path=DRACUT_FILE, content=content, reason=_REASON, after=line.strip())]


def _mkinitrd_list(tree: Tree, drivers: Sequence[str]) -> list[Change]:
    text = tree.text(SUSE_KERNEL) or ""
    listed = assignments(text).get("INITRD_MODULES", "").split()
    wanted = " ".join([*listed, *(name for name in drivers if name not in listed)])
    new = edited_assignments(text, lambda name, _: wanted if name == "INITRD_MODULES" else None)
    return [WriteFile(path=SUSE_KERNEL, content=encode(new), reason=_REASON, after=wanted)] if new != text else []
