"""Block devices as sysfs tells them: disks, what lies between a mount and its disks, image files behind loops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYS: Final = Path("/sys")
_DEEPEST_STACK: Final = 16
_NOT_DISKS: Final = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|drbd|zd)\d|mmcblk\d+(boot|rpmb)")
_TRANSPORTS: Final = (
    (re.compile(r"/usb\d"), "usb"),
    (re.compile(r"/session\d"), "iscsi"),
    (re.compile(r"/rport-"), "fc"),
    (re.compile(r"/virtio\d"), "virtio"),
    (re.compile(r"/nvme"), "nvme"),
    (re.compile(r"/ata\d"), "ata"),
    (re.compile(r"/vbd-"), "xen"),
    (re.compile(r"/mmc\d"), "mmc"),
    (re.compile(r"/host\d"), "scsi"),
)


@dataclass(frozen=True, kw_only=True)
class DiskDevice:
    """A disk of this machine, or an image file. name: the kernel's, or one made from the file's name."""

    name: str
    path: Path
    size_bytes: int
    sector_sizes: tuple[int, ...]
    transport: str
    is_removable: bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a mount's data lies. disk: key of its disk (kernel name, or path of the image file); "" when it
    is none or several. offset_bytes: start of the partition on it. layers: what lies between, top first (lvm,
    lvm_thin, raid, crypt, multipath, device_mapper). disks: all disks at the bottom. device: what the inventory calls
    the array (``md0``) or logical volume (``group/volume``) on top.
    """

    disk: str = ""
    offset_bytes: int = 0
    size_bytes: int = 0
    layers: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    device: str = ""


def read_attribute(path: Path) -> str:
    """The text of a sysfs or procfs file without its newline; "" when it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").rstrip("\n")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = read_attribute(path).strip()
    return int(text) if text.isdigit() else 0


def partition_name(disk_name: str, number: int) -> str:
    """The kernel's name of a partition: sda1, nvme0n1p1."""
    separator = "p" if disk_name[-1:].isdigit() else ""
    return f"{disk_name}{separator}{number}"


def natural_key(name: str) -> tuple[int, str]:
    """Sorts sda … sdz before sdaa."""
    return (len(name), name)


def _disk_device(folder: Path) -> DiskDevice:
    resolved = str(folder.resolve())
    transport = next((name for pattern, name in _TRANSPORTS if pattern.search(resolved)), "")
    return DiskDevice(
        name=folder.name,
        # A slash in a device's name is a "!" in sysfs (cciss!c0d0).
        path=Path("/dev") / folder.name.replace("!", "/"),
        size_bytes=_number(folder / "size") * 512,
        sector_sizes=(_number(folder / "queue/logical_block_size") or 512,),
        transport=transport,
        is_removable=_number(folder / "removable") == 1 or transport == "usb",
    )


def local_disk(name: str) -> DiskDevice | None:
    """A disk of this machine by the kernel's name."""
    folder = SYS / "block" / name
    return _disk_device(folder) if folder.exists() else None


def local_disks() -> list[DiskDevice]:
    """All disks of this machine with a medium, in the natural order of their names; none where /sys is not mounted."""
    found = []
    for folder in sorted((SYS / "block").glob("*"), key=lambda entry: natural_key(entry.name)):
        is_hidden = read_attribute(folder / "hidden") == "1"
        if _NOT_DISKS.match(folder.name) or is_hidden or not _number(folder / "size"):
            continue
        found.append(_disk_device(folder))
    return found


def image_disk(path: str, name: str) -> DiskDevice | None:
    """An image file as a disk; None when it is gone."""
    try:
        size = Path(path).stat().st_size
    except OSError:
        return None
    return DiskDevice(
        name=name, path=Path(path), size_bytes=size, sector_sizes=(512, 4096), transport="loop", is_removable=False
    )


def _mapper_layer(identifier: str) -> str:
    if identifier.startswith("LVM-"):
        return "lvm_thin" if re.search(r"-(tpool|tdata|tmeta)$", identifier) else "lvm"
    prefixes = (("CRYPT-", "crypt"), ("mpath-", "multipath"), ("DMRAID-", "raid"))
    return next((name for prefix, name in prefixes if identifier.startswith(prefix)), "device_mapper")


def logical_volume_name(mapper_name: str) -> str:
    """``group/volume`` of what the device-mapper calls ``group-volume``, where hyphens in a name are doubled."""
    group, separator, volume = mapper_name.replace("--", "\0").partition("-")
    return f"{group}/{volume}".replace("\0", "-") if separator else ""


def _device_on_top(folder: Path, layer: str) -> str:
    if layer in ("lvm", "lvm_thin"):
        return logical_volume_name(read_attribute(folder / "dm/name"))
    return folder.name if layer == "raid" and (folder / "md").exists() else ""


def _stacked_place(folder: Path, layer: str, depth: int) -> Place:
    below = [place_of_folder(slave.resolve(), depth + 1) for slave in sorted((folder / "slaves").iterdir())]
    layers = dict.fromkeys([layer, *(name for place in below for name in place.layers)])
    if "lvm_thin" in layers:
        layers.pop("lvm", None)
    return Place(
        size_bytes=_number(folder / "size") * 512,
        layers=tuple(layers),
        disks=tuple(dict.fromkeys(disk for place in below for disk in place.disks)),
        device=_device_on_top(folder, layer),
    )


def place_of_folder(folder: Path, depth: int = 0) -> Place:
    """Where the block device lies whose folder in sysfs this is."""
    size_bytes = _number(folder / "size") * 512
    if depth < _DEEPEST_STACK:
        if (folder / "dm").exists():
            return _stacked_place(folder, _mapper_layer(read_attribute(folder / "dm/uuid")), depth)
        if (folder / "md").exists():
            return _stacked_place(folder, "raid", depth)
        if (folder / "bcache").exists() and folder.name.startswith("bcache"):
            return _stacked_place(folder, "device_mapper", depth)
    if backing_file := read_attribute(folder / "loop/backing_file"):
        offset = _number(folder / "loop/offset")
        disk = backing_file
        if backing_file.startswith("/dev/loop") and depth < _DEEPEST_STACK:
            # A loop device over a loop device of the whole image.
            under = place_of_folder(SYS / "block" / Path(backing_file).name, depth + 1)
            disk, offset = under.disk, offset + under.offset_bytes
        return Place(disk=disk, offset_bytes=offset, size_bytes=size_bytes, disks=(disk,))
    if (folder / "partition").exists():
        inside = place_of_folder(folder.parent, depth + 1)
        start = inside.offset_bytes + _number(folder / "start") * 512
        return Place(
            disk=inside.disk, offset_bytes=start, size_bytes=size_bytes, layers=inside.layers, disks=inside.disks
        )
    return Place(disk=folder.name, size_bytes=size_bytes, disks=(folder.name,))


def place_of(device: str) -> Place | None:
    """Where a block device ("major:minor") lies; None when sysfs does not know it."""
    folder = SYS / "dev/block" / device
    return place_of_folder(folder.resolve()) if folder.exists() else None
