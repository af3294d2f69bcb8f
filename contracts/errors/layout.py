"""Codes of planning the target's disks."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

FILE_SYSTEM_UNSUPPORTED: Final = ErrorCode(
    code="SMS.LAYOUT.FILE_SYSTEM_UNSUPPORTED",
    cause="{mount_point} is on a file system of kind '{kind}'; a target can hold {supported}.",
    remedy="Unmount {mount_point} on the source if it need not move, then start the task again.",
    exit_code=4,
)
STORAGE_UNSUPPORTED: Final = ErrorCode(
    code="SMS.LAYOUT.STORAGE_UNSUPPORTED",
    cause="{mount_point} lies on {device}, a storage layer ({layer}) that a target cannot be given.",
    remedy="Unmount {mount_point} if it need not move, or move its files to a partition or an ordinary volume of LVM.",
    exit_code=4,
)
SUBTREE_UNSUPPORTED: Final = ErrorCode(
    code="SMS.LAYOUT.SUBTREE_UNSUPPORTED",
    cause="{mount_point} shows the subtree {root} of {volume}, and the whole file system is mounted nowhere.",
    remedy="Mount all of {volume} somewhere on the source, then start the task again.",
    exit_code=4,
)
NO_ROOT: Final = ErrorCode(
    code="SMS.LAYOUT.NO_ROOT",
    cause="None of the source's {mount_count} mounts is the root file system (mount point /).",
    remedy="Start the agent with --root on the directory where the system's root is mounted.",
    exit_code=4,
)
NOTHING_TO_COPY: Final = ErrorCode(
    code="SMS.LAYOUT.NOTHING_TO_COPY",
    cause="The source reports {mount_count} mounts, and none of them holds local data.",
    remedy="Mount the file systems that shall move, wait for the next inventory, and start the task again.",
    exit_code=4,
)
OPTION_INVALID: Final = ErrorCode(
    code="SMS.LAYOUT.OPTION_INVALID",
    cause="The option {option} has the value '{value}': {reason}.",
    remedy="Give a size such as 40GiB for a disk or partition of the source ({known}), or leave the option out.",
    http_status=400,
    exit_code=2,
)
DISK_TOO_SMALL: Final = ErrorCode(
    code="SMS.LAYOUT.DISK_TOO_SMALL",
    cause="The disk {disk} is to have {size_bytes} bytes; its partitions need {needed_bytes}.",
    remedy="Ask for at least {needed_bytes} bytes with --option disk.{disk}.size, or leave the option out.",
    exit_code=4,
)
PARTITION_TOO_SMALL: Final = ErrorCode(
    code="SMS.LAYOUT.PARTITION_TOO_SMALL",
    cause="{volume} is to have {size_bytes} bytes; the {used_bytes} used bytes of {mount_point} need {needed_bytes}.",
    remedy="Ask for at least {needed_bytes} bytes with --option partition.{volume}.size, or leave the option out.",
    exit_code=4,
)
VOLUME_GROUP_TOO_SMALL: Final = ErrorCode(
    code="SMS.LAYOUT.VOLUME_GROUP_TOO_SMALL",
    cause="The volume group {group} has room for {size_bytes} bytes on the target; its volumes take {needed_bytes}.",
    remedy="Ask for larger partitions under it with --option partition.NAME.size, or leave that option out.",
    exit_code=4,
)
MBR_LIMIT: Final = ErrorCode(
    code="SMS.LAYOUT.MBR_LIMIT",
    cause="The disk {disk} would end at {end_bytes} bytes; an MBR partition table reaches {limit_bytes}.",
    remedy="Ask for a disk of at most 2 TiB with --option disk.{disk}.size.",
    exit_code=4,
)
