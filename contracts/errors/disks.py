"""Codes of attaching, partitioning, formatting and mounting a target's disks."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

DISK_MISSING: Final = ErrorCode(
    code="SMS.DISK.MISSING",
    cause="The plan has the disk {disk}; attached are {attached}.",
    remedy="Attach the disk {disk} to the target, then resume the task.",
    is_resumable=True,
)
DISK_TOO_SMALL: Final = ErrorCode(
    code="SMS.DISK.TOO_SMALL",
    cause="The disk {disk} has {size_bytes} bytes; the plan needs {needed_bytes}.",
    remedy="Enlarge the disk to {needed_bytes} bytes, then resume the task.",
    is_resumable=True,
)
PROGRAM_FAILED: Final = ErrorCode(
    code="SMS.DISK.PROGRAM_FAILED",
    cause="{program} failed on {disk} with status {status}: {output}",
    remedy="Read the program's message; check the helper's free space and memory, then resume the task.",
    is_resumable=True,
)
TABLE_DIFFERS: Final = ErrorCode(
    code="SMS.DISK.TABLE_DIFFERS",
    cause="The partition table of {disk} reads back with {found} where the plan has {planned}.",
    remedy="Check that nothing else writes to {disk}, then resume the task.",
    is_resumable=True,
)
VOLUME_GROUP_DIFFERS: Final = ErrorCode(
    code="SMS.DISK.VOLUME_GROUP_DIFFERS",
    cause="The volume group {group} reads back with {found} where the plan has {planned}.",
    remedy="Check that nothing else writes to the target's disks, then resume the task.",
    is_resumable=True,
)
FILE_SYSTEM_UNSUPPORTED: Final = ErrorCode(
    code="SMS.DISK.FILE_SYSTEM_UNSUPPORTED",
    cause="The helper cannot make a file system of kind '{kind}' with the features {features} on {disk}.",
    remedy="Use a helper image with newer file system tools, then resume the task.",
    is_resumable=True,
)
LOOP_UNAVAILABLE: Final = ErrorCode(
    code="SMS.DISK.LOOP_UNAVAILABLE",
    cause="{path} could not be attached as a loop device: {reason}",
    remedy="Load the loop module and see that /dev/loop-control exists, then resume the task.",
    is_resumable=True,
)
EXPORT_FAILED: Final = ErrorCode(
    code="SMS.DISK.EXPORT_FAILED",
    cause="qemu-storage-daemon did not export {path} within {timeout_s} s: {output}",
    remedy="See that no other program has {path} open and that /dev/fuse exists, then resume the task.",
    is_resumable=True,
)
MOUNT_FAILED: Final = ErrorCode(
    code="SMS.DISK.MOUNT_FAILED",
    cause="{kind} on {device} could not be mounted for {mount_point}: {reason}",
    remedy="See that the helper's kernel supports {kind} and what its log says of {device}, then resume the task.",
    is_resumable=True,
)
SUBVOLUME_FAILED: Final = ErrorCode(
    code="SMS.DISK.SUBVOLUME_FAILED",
    cause="The Btrfs subvolume {path} could not be made on {device}: {reason}",
    remedy="See what the helper's log says of {device}, then resume the task.",
    is_resumable=True,
)
BUSY: Final = ErrorCode(
    code="SMS.DISK.BUSY",
    cause="{path} could not be unmounted after {timeout_s} s: {reason}",
    remedy="Find the program that uses {path} (fuser -m), end it, then resume the task.",
    is_resumable=True,
)
