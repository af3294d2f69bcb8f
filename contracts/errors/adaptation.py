"""Codes of adapting a copied system and of the checks before its launch."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

_AGAIN: Final = "then launch again: the copy itself was not changed."


def _code(name: str, cause: str, remedy: str) -> ErrorCode:
    return ErrorCode(code=f"SMS.ADAPT.{name}", cause=cause, remedy=remedy, exit_code=4, is_resumable=True)


UNSUPPORTED_OS: Final = _code(
    "UNSUPPORTED_OS",
    "The copied system is {found}; {supported} can be adapted.",
    "Migrate this server with a later version; the copy stays and can be used as a disk image.",
)
FAMILY_UNKNOWN: Final = _code(
    "FAMILY_UNKNOWN",
    "The copied system is {found}, of which nothing is known; it was adapted by what was found in it.",
    "Look at the target's console at its first start.",
)
LAYOUT_UNEXPECTED: Final = _code(
    "LAYOUT_UNEXPECTED",
    "A system of the family {family} has {found}; it was adapted by what was found.",
    "Look at the target's console at its first start.",
)
BOOTLOADER_UNKNOWN: Final = _code(
    "BOOTLOADER_UNKNOWN",
    "The copied system has no boot loader that can be set up: {found}.",
    f"Install GRUB on the source, run a sync round, {_AGAIN}",
)
ENCRYPTED: Final = _code(
    "ENCRYPTED",
    "/etc/crypttab has {count} encrypted volumes ({names}); they cannot be moved.",
    "Migrate the data of the encrypted volumes by other means and take them out of /etc/crypttab.",
)
FIRMWARE_MISMATCH: Final = _code(
    "FIRMWARE_MISMATCH",
    "The source starts by {source}; the target's firmware is {target}.",
    "Choose a target with the source's firmware; nothing is converted.",
)
ARCHITECTURE_MISMATCH: Final = _code(
    "ARCHITECTURE_MISMATCH",
    "The copied system is for {source}; the target is {target}.",
    "Choose a target with the source's architecture.",
)
SPACE: Final = _code(
    "SPACE",
    "{mount_point} has {free_bytes} bytes, {free_inodes} inodes free; {needed_bytes} and {needed_inodes} are needed.",
    f"Free space on {{mount_point}} of the source, run a sync round, {_AGAIN}",
)
JOURNAL_BROKEN: Final = _code(
    "JOURNAL_BROKEN",
    "The journal of the adaptation cannot be read at {path}, line {line}.",
    "Discard this launch layer and launch again from the same point.",
)
LEFTOVER: Final = _code(
    "LEFTOVER",
    "The adaptation left {found} behind in the copied system.",
    "Discard this launch layer and launch again from the same point.",
)
CHANGE_FAILED: Final = _code(
    "CHANGE_FAILED",
    "{step} could not change {path}: {reason}.",
    f"Correct what is at {{path}} on the source, run a sync round, {_AGAIN}",
)
SANDBOX_FAILED: Final = _code(
    "SANDBOX_FAILED",
    "{program} of the copied system ended with status {status}: {output}",
    f"Run {{program}} on the source and correct what it complains about, run a sync round, {_AGAIN}",
)
SANDBOX_TIMEOUT: Final = _code(
    "SANDBOX_TIMEOUT",
    "{program} of the copied system did not end within {timeout_s} s: {output}",
    f"Run {{program}} on the source and see why it hangs, run a sync round, {_AGAIN}",
)
VSYSCALL: Final = _code(
    "VSYSCALL",
    "{program} is of a time before the C library 2.14, and the helper's kernel does not answer its calls.",
    "Run the adaptation in the helper VM, which does, or go on with the drivers that were appended.",
)
KERNEL_MISSING: Final = _code(
    "KERNEL_MISSING",
    "The kernel {path} that the boot menu starts cannot be booted: {reason}.",
    f"Install a kernel package on the source, run a sync round, {_AGAIN}",
)
KERNEL_MODULES: Final = _code(
    "KERNEL_MODULES",
    "The kernel {release} has no usable modules: {path} is missing.",
    f"Run depmod {{release}} (or install the kernel's modules) on the source, run a sync round, {_AGAIN}",
)
KERNEL_NO_VIRTIO: Final = _code(
    "KERNEL_NO_VIRTIO",
    "None of the kernels ({releases}) has the driver {driver} for the target's {bus} disks and its root file system.",
    f"Install a kernel with {{driver}} on the source, run a sync round, {_AGAIN}",
)
KERNEL_XEN_ONLY: Final = _code(
    "KERNEL_XEN_ONLY",
    "The kernels ({releases}) start in paravirtual Xen guests only.",
    f"Install the distribution's default kernel on the source, run a sync round, {_AGAIN}",
)
INITRD_MISSING: Final = _code(
    "INITRD_MISSING",
    "The initial RAM disk {path} for the kernel {release} is missing.",
    f"Run update-initramfs -c -k {{release}} or dracut --kver {{release}} on the source, run a sync round, {_AGAIN}",
)
INITRD_CORRUPT: Final = _code(
    "INITRD_CORRUPT",
    "The initial RAM disk {path} cannot be unpacked: {reason}.",
    f"Run update-initramfs -u -k all or dracut --regenerate-all -f on the source, run a sync round, {_AGAIN}",
)
INITRD_NO_DRIVER: Final = _code(
    "INITRD_NO_DRIVER",
    "The initial RAM disk {path} lacks {drivers}, without which the target's disks are not seen.",
    f"Add them to /etc/initramfs-tools/modules or /etc/dracut.conf.d on the source, run a sync round, {_AGAIN}",
)
INITRD_NO_LVM: Final = _code(
    "INITRD_NO_LVM",
    "The initial RAM disk of {path} has no program of LVM, without which the root file system on {volume} is not seen.",
    f"Install LVM's programs on the source and rebuild the image there, run a sync round, {_AGAIN}",
)
INITRD_STALE: Final = _code(
    "INITRD_STALE",
    "The initial RAM disk {path} waits for {device} (in its {file}), which the target does not have.",
    f"Remove the setting on the source and rebuild the image, run a sync round, {_AGAIN}",
)
INITRD_NO_BUILDER: Final = _code(
    "INITRD_NO_BUILDER",
    "The copied system has no program that builds initial RAM disks; missing drivers were appended to {path}.",
    "Install dracut or initramfs-tools on the target before its next kernel update.",
)
ROOT_UNRESOLVED: Final = _code(
    "ROOT_UNRESOLVED",
    "The boot menu's default entry has root={root}; the target's root file system is {expected}.",
    f"Correct GRUB_CMDLINE_LINUX in /etc/default/grub on the source, run a sync round, {_AGAIN}",
)
FSTAB_UNRESOLVED: Final = _code(
    "FSTAB_UNRESOLVED",
    "/etc/fstab line {line} mounts {spec} on {mount_point}: {reason}.",
    f"Correct the line on the source, run a sync round, {_AGAIN}",
)
FSTAB_UNREADABLE: Final = _code(
    "FSTAB_UNREADABLE",
    "/etc/fstab line {line} cannot be read or is a second line for its mount point: {text}",
    "Look at the line on the target; it was left as it is.",
)
SWAP_RESUME: Final = _code(
    "SWAP_RESUME",
    "{path} names the device {spec} for resuming, which the target does not have.",
    "Remove the setting; the boot only waits for it up to 30 s.",
)
SWAP_FILE: Final = _code(
    "SWAP_FILE",
    "The swap file {path} of {size_bytes} bytes was not made again: {reason}.",
    "If the target needs it, make it there with mkswap, and take its line in /etc/fstab back in.",
)
GRUB_UUID_UNKNOWN: Final = _code(
    "GRUB_UUID_UNKNOWN",
    "{path} searches the file system {uuid}, which is not on the target's disks.",
    f"Run update-grub on the source, run a sync round, {_AGAIN}",
)
GRUB_ENTRY_MISSING: Final = _code(
    "GRUB_ENTRY_MISSING",
    "{path} has no menu entry that can be started by default: {reason}.",
    f"Correct GRUB_DEFAULT and run update-grub on the source, run a sync round, {_AGAIN}",
)
GRUB_DEVICE: Final = _code(
    "GRUB_DEVICE",
    "{path} starts from the device {device}; the target's kernels are on {expected}.",
    f"Correct the entry on the source, run a sync round, {_AGAIN}",
)
GRUB_FIRMWARE: Final = _code(
    "GRUB_FIRMWARE",
    "{path} loads kernels with {command}, which does not work with the target's firmware, {firmware}.",
    f"Run grub2-mkconfig on the source, run a sync round, {_AGAIN}",
)
GRUBENV_BAD: Final = _code(
    "GRUBENV_BAD",
    "The boot menu's environment {path} cannot be used: {reason}.",
    f"Run grub-editenv {{path}} create on the source, run a sync round, {_AGAIN}",
)
BOOTCODE_MISSING: Final = _code(
    "BOOTCODE_MISSING",
    "The disk {disk} cannot start the boot loader: {reason}.",
    f"Install the package grub-pc-bin on the source, run a sync round, {_AGAIN}",
)
ESP_MISSING: Final = _code(
    "ESP_MISSING",
    "The system boots by UEFI, and no FAT file system is mounted at {looked_for}.",
    f"Mount the EFI system partition on the source, run a sync round, {_AGAIN}",
)
ESP_FALLBACK: Final = _code(
    "ESP_FALLBACK",
    "The EFI system partition has no boot loader that new firmware would find: {found}.",
    "Install the signed boot loader on the source (shim-signed and grub-efi-amd64-signed, or shim-x64 and "
    f"grub2-efi-x64), run a sync round, {_AGAIN}",
)
FS_GRUB: Final = _code(
    "FS_GRUB",
    "The boot loader cannot read {mount_point} ({kind}): {features}.",
    f"Move /boot to a plain ext4 file system on the source, run a sync round, {_AGAIN}",
)
NET_NONE: Final = _code(
    "NET_NONE",
    "No network configuration was found for the interfaces {names}.",
    "Log in on the target's serial console and configure the network.",
)
NET_COMPLEX: Final = _code(
    "NET_COMPLEX",
    "{path} configures {what}; it was left as it is, with the source's addresses.",
    "Log in on the target's serial console and check the network.",
)
NET_STALE_MAC: Final = _code(
    "NET_STALE_MAC",
    "{path} still names the source's network card {mac}.",
    "Replace the address on the target if the interface does not come up.",
)
NET_MODE: Final = _code(
    "NET_MODE",
    "{path} can be read or was written by others than root; NetworkManager ignores it.",
    "Give the file to root with mode 0600 on the target.",
)
NET_ORDER: Final = _code(
    "NET_ORDER",
    "The cards {names} get their names by the order in which the target's machine has them.",
    "Attach the target's cards in this order.",
)
NET_RESOLVER: Final = _code(
    "NET_RESOLVER",
    "{path} may not be changed (chattr +i) and names the servers {servers}; DHCP cannot replace them.",
    "Run chattr -i {path} on the target if these servers cannot be reached from there.",
)
DEVICE_STALE: Final = _code(
    "DEVICE_STALE",
    "{path} names the device {device}, which the target does not have.",
    "Look at the file on the target; it was left as it is.",
)
UNIT_UNRESOLVED: Final = _code(
    "UNIT_UNRESOLVED",
    "{path} mounts {spec}, which the target does not have.",
    "Correct or remove the unit on the target; it was left as it is.",
)
LVM_FILTER: Final = _code(
    "LVM_FILTER",
    "{path} hides the target's disks from LVM: {found}.",
    f"Remove the filter or the list of devices on the source, run a sync round, {_AGAIN}",
)
VOLUME_GROUP_TWICE: Final = _code(
    "VOLUME_GROUP_TWICE",
    "{count} volume groups are called {name}; LVM does not activate them by that name.",
    f"Rename all but one of them on the source (vgrename by UUID), run a sync round, {_AGAIN}",
)
MD_UNRESOLVED: Final = _code(
    "MD_UNRESOLVED",
    "{path} names the array {uuid}, which is not on the target's disks.",
    f"Remove the line on the source, run a sync round, {_AGAIN}",
)
SELINUX_LABELS: Final = _code(
    "SELINUX_LABELS",
    "SELinux is on, and {paths} came without labels; the first start gives labels to all files and starts again.",
    "Wait for the second start; nothing has to be done.",
)
SELINUX_SETFILES: Final = _code(
    "SELINUX_SETFILES",
    "The system's setfiles could not say which labels the changed files have, and ended with status {status}: {output}",
    "Nothing has to be done: the first start gives labels to all files and starts again.",
)
AGENT_OWN: Final = _code(
    "AGENT_OWN",
    "A part of the source's migration agent is on the target: {path}.",
    "Discard this launch layer, exclude the path from the copy, run a sync round and launch again.",
)
AGENT_LEFT: Final = _code(
    "AGENT_LEFT",
    "A service of {platform} could not be switched off: {path}.",
    "Disable or uninstall it on the target; it only finds that its platform is gone.",
)
FSCK: Final = _code(
    "FSCK",
    "The file system of {mount_point} is not clean after the adaptation: {output}",
    "Discard this launch layer and launch again; if it stays, check the file system on the source.",
)
