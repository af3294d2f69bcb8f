"""The disks of a running machine, as its monitor shows and changes them: nodes and mirror jobs.

Disk number N of a machine is the device ``virtioN`` over the node ``diskN`` (format) and ``diskN-file``. A mirror
copies it into the nodes ``rawN`` and ``rawN-file`` by the job ``flattenN``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from agents.host.qmp import Monitor
from contracts.base import Model
from contracts.messages.agent import AttachedDisk

_DEVICE: Final = re.compile(r"/virtio(\d+)(?:/|$)")


class MirrorJob(Model):
    """A mirror. status: QEMU's word, such as running, ready or concluded. error: why it ended, "" for success."""

    status: str
    done_bytes: int
    total_bytes: int
    error: str = ""


class AttachedNode(Model):
    """What a disk is written through. path: the file at its end."""

    node_name: str
    path: Path


def disk_arguments(index: int, disk: AttachedDisk) -> list[str]:
    """QEMU's arguments for one disk, as JSON: no path can add an option."""
    # Sparse files stay sparse: what the guest discards, and the zeroes that a mirror writes, become holes.
    file = _file_node(f"disk{index}-file", Path(disk.path))
    image = {"driver": disk.format, "node-name": f"disk{index}", "file": f"disk{index}-file", "discard": "unmap"}
    device = f"virtio-blk-pci,id=virtio{index},drive=disk{index},write-cache=on"
    device = f"{device},bootindex={index + 1},serial={disk.name}"
    return ["-blockdev", json.dumps(file), "-blockdev", json.dumps(image), "-device", device]


def attached_nodes(monitor: Monitor) -> dict[int, AttachedNode]:
    """Where each disk of the machine is written to now, by the disk's number."""
    found = {}
    for device in monitor.execute("query-block"):
        number = _DEVICE.search(device.get("qdev", ""))
        if number and "inserted" in device:
            inserted = device["inserted"]
            found[int(number[1])] = AttachedNode(node_name=inserted["node-name"], path=Path(inserted["file"]))
    return found


def mirror_jobs(monitor: Monitor) -> dict[int, MirrorJob]:
    """The mirrors that run, or have ended and were not dismissed, by the disk's number."""
    found = {}
    for job in monitor.execute("query-jobs"):
        name = str(job["id"])
        if name.startswith("flatten"):
            found[int(name.removeprefix("flatten"))] = MirrorJob(
                status=job["status"],
                done_bytes=job["current-progress"],
                total_bytes=job["total-progress"],
                error=job.get("error", ""),
            )
    return found


def start_mirror(monitor: Monitor, index: int, target: Path) -> None:
    """Copy disk number index, with all that lies beneath it, into an empty raw file of its size.

    Every write of the guest goes to both from now on (write-blocking), so that once the job is ready both hold
    whatever the guest was told is written. The job stays to be seen when it has ended.
    """
    monitor.execute("blockdev-add", _file_node(f"raw{index}-file", target))
    node = {"driver": "raw", "node-name": f"raw{index}", "file": f"raw{index}-file", "discard": "unmap"}
    monitor.execute("blockdev-add", {**node, "detect-zeroes": "unmap"})
    monitor.execute(
        "blockdev-mirror",
        {
            "job-id": f"flatten{index}",
            "device": f"disk{index}",
            "target": f"raw{index}",
            "sync": "full",
            "copy-mode": "write-blocking",
            "auto-dismiss": False,
        },
    )


def pivot(monitor: Monitor, index: int) -> None:
    """Let the disk go on from the mirror's target alone; the job is ready."""
    monitor.execute("job-complete", {"id": f"flatten{index}"})


def dismiss_mirror(monitor: Monitor, index: int) -> None:
    """Forget a job that has ended."""
    monitor.execute("job-dismiss", {"id": f"flatten{index}"})


def close_nodes(monitor: Monitor, index: int, kind: str) -> None:
    """Close the images of a disk that nothing uses any more; kind: "disk" for what it began on, "raw" for a target."""
    known = {node["node-name"] for node in monitor.execute("query-named-block-nodes", {"flat": True})}
    for name in (f"{kind}{index}", f"{kind}{index}-file"):
        if name in known:
            monitor.execute("blockdev-del", {"node-name": name})


def _file_node(name: str, path: Path) -> dict[str, Any]:
    return {"driver": "file", "node-name": name, "filename": str(path), "discard": "unmap"}
