"""Moving a running machine from its launch layer to self-contained raw files, without stopping it.

Nothing is remembered but which file of a disk counts (`flattened.FlatteningRecord`); everything else is read from
the machine's own nodes and jobs, which survive a kill of the host agent. The order that makes it safe: the mirror is
ready (from then on every write of the guest reaches both files before the guest hears of it), the raw file is synced,
the record says that it counts, the machine is told to go on from it alone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from agents.host.flattened import mark_on_raw, raw_path
from agents.host.folders import TargetFolder
from agents.host.images import create_raw, virtual_size_bytes
from agents.host.layers import LaunchLayer, layer_disks
from agents.host.machine_disks import (
    MirrorJob,
    attached_nodes,
    close_nodes,
    dismiss_mirror,
    mirror_jobs,
    pivot,
    start_mirror,
)
from agents.host.qmp import Monitor
from agents.host.records import sync_file
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HOST_TOOL_FAILED
from contracts.messages.agent import AttachedDisk

_POLL_S: Final = 0.2
_SOCKET_WITHIN_S: Final = 5.0


def move_to_raw(folder: TargetFolder, layer: LaunchLayer) -> None:
    """Returns when every disk of the layer's machine is written to its raw file and the layer's images are closed.

    Raises OSError when the machine's monitor refuses or does not answer, MigrationError SMS.TARGET.HOST_TOOL when a
    mirror fails; its half-made file is removed, and the machine runs on from the layer.
    """
    disks = layer_disks(folder, layer)
    while True:
        # Opened anew for each look: QEMU serves one connection, and others want to look too.
        with _opened(monitor_path(folder, layer.id)) as monitor:
            # Jobs before nodes: a job that has ended has changed the nodes already.
            jobs = mirror_jobs(monitor)
            nodes = attached_nodes(monitor)
            waiting = [disk for index, disk in enumerate(disks) if nodes[index].path != raw_path(folder, disk.name)]
            for index, disk in enumerate(disks):
                if disk in waiting:
                    _push(monitor, folder, layer, (index, disk), jobs.get(index))
                else:
                    _settle(monitor, index, node_name=nodes[index].node_name, has_job=index in jobs)
                    mark_on_raw(folder, layer.id, disk.name)
        if not waiting:
            return
        time.sleep(_POLL_S)


def mirror_progress(folder: TargetFolder, layer_id: str) -> tuple[int, int]:
    """(bytes done, bytes in all) of the mirrors. Raises OSError when the monitor does not answer."""
    with Monitor(monitor_path(folder, layer_id)) as monitor:
        jobs = mirror_jobs(monitor).values()
    return sum(job.done_bytes for job in jobs), sum(job.total_bytes for job in jobs)


def monitor_path(folder: TargetFolder, layer_id: str) -> Path:
    """The socket of a machine's monitor."""
    return folder.machine(layer_id) / "monitor.sock"


def _opened(path: Path) -> Monitor:
    """A machine that was started just now has no socket yet."""
    deadline = time.monotonic() + _SOCKET_WITHIN_S
    while True:
        try:
            return Monitor(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _push(
    monitor: Monitor, folder: TargetFolder, layer: LaunchLayer, place: tuple[int, AttachedDisk], job: MirrorJob | None
) -> None:
    """Bring a disk that is still on the layer one step further."""
    index, disk = place
    raw = raw_path(folder, disk.name)
    if job is None:
        # A half-made file of a mirror that was never begun, or of a machine that has ended.
        _discard(monitor, folder, layer, place)
        create_raw(raw, size_bytes=virtual_size_bytes(Path(disk.path), image_format=disk.format))
        start_mirror(monitor, index, raw)
    elif job.status == "ready":
        sync_file(raw)
        mark_on_raw(folder, layer.id, disk.name)
        pivot(monitor, index)
    elif job.status == "concluded":
        dismiss_mirror(monitor, index)
        _discard(monitor, folder, layer, place)
        reason = f"the copy of {disk.name} into {raw} ended early: {job.error or 'it was cancelled'}"
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool="blockdev-mirror", reason=reason)


def _discard(monitor: Monitor, folder: TargetFolder, layer: LaunchLayer, place: tuple[int, AttachedDisk]) -> None:
    index, disk = place
    mark_on_raw(folder, layer.id, disk.name, is_on_raw=False)
    close_nodes(monitor, index, "raw")
    raw_path(folder, disk.name).unlink(missing_ok=True)


def _settle(monitor: Monitor, index: int, *, node_name: str, has_job: bool) -> None:
    """The disk is on its raw file: close the layer's images, which the release is about to remove."""
    if has_job:
        dismiss_mirror(monitor, index)
    # A machine that was started from the raw file has it under the first name.
    if node_name == f"raw{index}":
        close_nodes(monitor, index, "disk")
