"""The disks of a helper VM: plugged in and out while it runs, known to the guest by a serial made of their path.

The agent in the guest makes the same serial from the path that a command names (agents/target/disks/devices.py).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agents.host.qmp import Monitor
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_DISKS_BUSY
from contracts.messages.agent import AttachedDisk

IMAGE_SERIAL: Final = "sms-helper-image"
VOLUME_SERIAL: Final = "sms-volume"
_UNPLUG_TIMEOUT_S: Final = 60.0
_ASK_AGAIN_S: Final = 10.0


def serial_of(path: str) -> str:
    """virtio-blk gives a serial 20 characters."""
    return hashlib.sha256(path.encode()).hexdigest()[:20]


def cold_arguments(image: Path, volume: Path | None, disks: Sequence[AttachedDisk]) -> list[str]:
    """QEMU's arguments for what is there when the machine starts. Nodes are JSON: no path can add an option."""
    argv = _cold("image", AttachedDisk(name="image", path=str(image)), IMAGE_SERIAL, is_read_only=True)
    if volume is not None:
        argv += _cold("volume", AttachedDisk(name="volume", path=str(volume)), VOLUME_SERIAL)
    for disk in disks:
        argv += _cold(_key(disk), disk, serial_of(disk.path))
    return argv


def plug(monitor_path: Path, disks: Sequence[AttachedDisk]) -> None:
    """Let the running machine have exactly these disks, besides its own. May be repeated.

    Raises MigrationError SMS.TARGET.DISKS_BUSY when the guest does not let go of one; OSError for a dead machine.
    """
    wanted = {_key(disk): disk for disk in disks}
    with Monitor(monitor_path, timeout_s=30) as monitor:
        for key in sorted(_plugged(monitor) - wanted.keys()):
            _unplug(monitor, key, monitor_path)
        for key in sorted(wanted.keys() - _plugged(monitor)):
            for node in _nodes(key, wanted[key]):
                monitor.execute("blockdev-add", node)
            monitor.execute("device_add", _device(key, serial_of(wanted[key].path)))


def _unplug(monitor: Monitor, key: str, path: Path) -> None:
    deadline = time.monotonic() + _UNPLUG_TIMEOUT_S
    ask_at = 0.0
    while key in _plugged(monitor):
        now = time.monotonic()
        if now > deadline:
            raise MigrationError(TARGET_DISKS_BUSY, path=path, user="the helper VM, which does not let go of it")
        if now > ask_at:
            # The guest answers when it has time; QEMU refuses a second request only while it knows of the first.
            with suppress(OSError):
                monitor.execute("device_del", {"id": f"device-{key}"})
            ask_at = now + _ASK_AGAIN_S
        time.sleep(0.05)
    for name in (f"node-{key}", f"file-{key}"):
        while name in _block_nodes(monitor):
            try:
                monitor.execute("blockdev-del", {"node-name": name})
            except OSError as error:
                # QEMU lets go of it some time after the device is gone from its list.
                if time.monotonic() > deadline:
                    raise MigrationError(TARGET_DISKS_BUSY, path=path, user="QEMU of the helper VM") from error
                time.sleep(0.05)


def _block_nodes(monitor: Monitor) -> set[str]:
    return {node["node-name"] for node in monitor.execute("query-named-block-nodes", {"flat": True})}


def _plugged(monitor: Monitor) -> set[str]:
    found = set()
    for device in monitor.execute("query-block"):
        name = str(device.get("qdev", "")).removeprefix("/machine/peripheral/").partition("/")[0]
        key = name.removeprefix("device-")
        if name.startswith("device-") and key not in {"image", "volume"}:
            found.add(key)
    return found


def _key(disk: AttachedDisk) -> str:
    return serial_of(disk.path)[:12]


def _cold(key: str, disk: AttachedDisk, serial: str, *, is_read_only: bool = False) -> list[str]:
    argv = []
    for node in _nodes(key, disk, is_read_only=is_read_only):
        argv += ["-blockdev", json.dumps(node)]
    return [*argv, "-device", json.dumps(_device(key, serial))]


def _nodes(key: str, disk: AttachedDisk, *, is_read_only: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    # Sparse files stay sparse: what the guest discards becomes holes.
    file = {"driver": "file", "node-name": f"file-{key}", "filename": disk.path, "discard": "unmap"}
    image = {"driver": disk.format, "node-name": f"node-{key}", "file": f"file-{key}", "discard": "unmap"}
    # Another process may read what this one only reads: one image serves every helper.
    return {**file, "read-only": is_read_only}, {**image, "read-only": is_read_only}


def _device(key: str, serial: str) -> dict[str, Any]:
    return {"driver": "virtio-blk-pci", "id": f"device-{key}", "drive": f"node-{key}", "serial": serial}
