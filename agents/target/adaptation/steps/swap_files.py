"""S05: the swap files that the copy left out are made again, as large as they were."""

from __future__ import annotations

import os
from typing import Final

from agents.target.adaptation.changes import Change, MakeSwapFile, StepResult
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import Kernel, version_key
from agents.target.adaptation.steps.preflight import needed_bytes
from agents.target.adaptation.swap_file import PAGE_BYTES, SMALLEST_BYTES
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SWAP_FILE
from contracts.inventory import SwapFile
from contracts.layout import CopyVolume

# Earlier kernels take blocks of XFS that were allocated and never written for holes.
_XFS_TAKES_ALLOCATED_BLOCKS: Final = "4.18"


def plan_swap_files(tree: Tree, inputs: Inputs, kernel: Kernel) -> StepResult:
    """Before /etc/fstab, whose line for a swap file that is not there is commented out.

    A server also runs without a swap file, so one that cannot be made is a warning.
    """
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    promised_bytes: dict[str, int] = {}
    for file in inputs.inventory.swap_file_headers:
        volume = _volume_of(file.path, inputs)
        size_bytes = file.size_bytes // PAGE_BYTES * PAGE_BYTES
        complaint = _complaint(tree, file, volume)
        if volume is not None and not complaint:
            free_bytes = _free_bytes(tree, volume.mount_point) - promised_bytes.get(volume.mount_point, 0)
            free_bytes -= needed_bytes(volume.mount_point)
            complaint = f"{volume.mount_point} has room for {max(free_bytes, 0)} bytes" * (size_bytes > free_bytes)
        if complaint or volume is None:
            checks.append(failed(SWAP_FILE, "W", path=file.path, size_bytes=file.size_bytes, reason=complaint))
            continue
        if tree.is_file(file.path):
            continue
        promised_bytes[volume.mount_point] = promised_bytes.get(volume.mount_point, 0) + size_bytes
        changes.append(
            MakeSwapFile(
                path=file.path,
                size_bytes=size_bytes,
                identifier=file.uuid,
                label=file.label,
                is_on_btrfs=volume.kind == "btrfs",
                is_written=volume.kind == "xfs"
                and version_key(kernel.release) < version_key(_XFS_TAKES_ALLOCATED_BLOCKS),
                reason="swap files are not copied",
            )
        )
    return StepResult(changes=tuple(changes), checks=tuple(checks) or (passed(SWAP_FILE, "W"),))


def _volume_of(path: str, inputs: Inputs) -> CopyVolume | None:
    """The copied file system that a path of the source lies in; None when that one is not migrated."""
    copied = {volume.mount_point: volume for volume in inputs.layout.volumes}
    points = {*copied, *(mount.mount_point for mount in inputs.inventory.mounts)}
    above = [point for point in points if path.startswith(point.rstrip("/") + "/")]
    return copied.get(max(above, key=len, default=""))


def _complaint(tree: Tree, file: SwapFile, volume: CopyVolume | None) -> str:
    """Why the file cannot be made, whatever the room; "" for nothing."""
    if "\0" in file.path:
        return "no path has zero bytes"
    if volume is None:
        return "its file system is not migrated"
    if file.size_bytes < SMALLEST_BYTES:
        return f"a swap area has at least {SMALLEST_BYTES} bytes"
    if not tree.is_directory(file.path.rpartition("/")[0] or "/"):
        return "its folder is missing"
    if tree.status(file.path) is not None and not tree.is_file(file.path):
        return "something else has its name"
    return ""


def _free_bytes(tree: Tree, mount_point: str) -> int:
    descriptor = tree.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstatvfs(descriptor)
    finally:
        os.close(descriptor)
    return status.f_bavail * status.f_frsize
