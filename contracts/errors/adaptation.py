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
BOOTLOADER_UNKNOWN: Final = _code(
    "BOOTLOADER_UNKNOWN",
    "The copied system has no boot loader that can be set up: {found}.",
    f"Install GRUB 2 on the source (grub-pc or grub-efi), run a sync round, {_AGAIN}",
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
INITRD_MISSING: Final = _code(
    "INITRD_MISSING",
    "The initial RAM disk {path} for the kernel {release} is missing.",
    f"Run update-initramfs -c -k {{release}} on the source, run a sync round, {_AGAIN}",
)
INITRD_CORRUPT: Final = _code(
    "INITRD_CORRUPT",
    "The initial RAM disk {path} cannot be unpacked: {reason}.",
    f"Run update-initramfs -u -k all on the source, run a sync round, {_AGAIN}",
)
INITRD_NO_DRIVER: Final = _code(
    "INITRD_NO_DRIVER",
    "The initial RAM disk {path} lacks {drivers}, without which the target's disks are not seen.",
    f"Add them to /etc/initramfs-tools/modules on the source, run a sync round, {_AGAIN}",
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
GRUBENV_BAD: Final = _code(
    "GRUBENV_BAD",
    "{path} has {size_bytes} bytes or a wrong head; a GRUB environment has 1024.",
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
DEVICE_STALE: Final = _code(
    "DEVICE_STALE",
    "{path} names the device {device}, which the target does not have.",
    "Look at the file on the target; it was left as it is.",
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
