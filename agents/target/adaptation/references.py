"""Device references of configuration files: do they resolve on the target, and if not, what is meant?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.inventory import FileSystem, RaidArray, SourceInventory
from contracts.layout import CopyVolume, TargetDisk, TargetLayout, TargetVolumeGroup, dm_name

_MAPPER: Final = "/dev/mapper/"
_MAPPER_BY_ID: Final = "/dev/disk/by-id/dm-name-"
_NO_GROUPS: Final = frozenset({"disk", "md", "cciss", "mapper"})
# A place on the target: disk, partition (0 for the whole disk), logical volume.
_Place = tuple[str, int, str]


@dataclass(frozen=True, kw_only=True)
class TargetVolume:
    """A file system or swap area of the target. volume: when it is one that was copied; of several subvolumes the one
    nearest to the root. logical_volume: ``group/volume``, "" for others; those that are empty are here, too."""

    disk: str
    partition: int
    file_system: FileSystem
    part_uuid: str = ""
    part_label: str = ""
    source_name: str = ""
    volume: CopyVolume | None = None
    logical_volume: str = ""

    @property
    def reference(self) -> str:
        """How configuration files shall name it: never by a kernel's device name. Programs that start a system activate
        a logical volume by its name; a UUID does not tell them of which group."""
        return mapper_name(f"/dev/{self.logical_volume}") if self.logical_volume else f"UUID={self.file_system.uuid}"

    @property
    def drivers(self) -> tuple[str, ...]:
        """The modules that it takes to mount it, besides those of its disk."""
        return (self.file_system.kind, "dm_mod") if self.logical_volume else (self.file_system.kind,)


def target_volumes(layout: TargetLayout) -> tuple[TargetVolume, ...]:
    """Everything on the target's disks that has an identifier."""
    copied = {_place(volume): volume for volume in reversed(layout.volumes)}
    plain = [each for disk in layout.disks for each in _of_disk(disk, copied)]
    return (*plain, *(each for group in layout.volume_groups for each in _of_group(group, copied)))


def _place(volume: CopyVolume) -> _Place:
    if volume.logical_volume:
        return "", 0, volume.logical_volume
    return volume.target_disk, volume.target_partition, ""


def _of_group(group: TargetVolumeGroup, copied: dict[_Place, CopyVolume]) -> list[TargetVolume]:
    found = []
    for volume in group.logical_volumes:
        name = f"{group.name}/{volume.name}"
        found.append(
            TargetVolume(
                disk="",
                partition=0,
                file_system=volume.format_as or FileSystem(kind=""),
                volume=copied.get(("", 0, name)),
                logical_volume=name,
            )
        )
    return found


def _of_disk(disk: TargetDisk, copied: dict[_Place, CopyVolume]) -> list[TargetVolume]:
    whole = TargetVolume(
        disk=disk.name,
        partition=0,
        file_system=disk.format_as or FileSystem(kind=""),
        source_name=disk.source_disk,
        volume=copied.get((disk.name, 0, "")),
    )
    partitions = [
        TargetVolume(
            disk=disk.name,
            partition=partition.number,
            file_system=partition.format_as,
            part_uuid=partition.part_uuid,
            part_label=partition.label,
            source_name=partition.source_volume,
            volume=copied.get((disk.name, partition.number, "")),
        )
        for partition in disk.partitions
        if partition.format_as is not None
    ]
    return [whole, *partitions] if disk.format_as is not None else partitions


class References:
    """Resolves references on the target of one layout. inventory: of the source, whose names are looked up in it."""

    def __init__(self, layout: TargetLayout, inventory: SourceInventory | None = None) -> None:
        self.volumes = target_volumes(layout)
        places = {(each.disk, each.partition, each.logical_volume): each for each in self.volumes}
        self._by_mount_point = {
            volume.mount_point: places[_place(volume)]
            for volume in layout.volumes
            if _place(volume) in places and not volume.is_nested
        }
        self._subvolumes = {volume.mount_point: volume.subvolume for volume in layout.volumes}
        self._default_subvolume = next(
            (
                each.path
                for each in layout.subvolumes
                if each.is_default
                and places.get((each.target_disk, each.target_partition, each.logical_volume)) is self.root
            ),
            "",
        )
        self._btrfs = inventory.btrfs if inventory is not None else ()
        self._mount_points = _mount_points(inventory) if inventory is not None else {}
        self._members = _members(inventory.arrays) if inventory is not None else {}

    def has_kind(self, kind: str) -> bool:
        """Whether something of this kind (lvm2_member, linux_raid_member) is on the target's disks."""
        return any(each.file_system.kind == kind for each in self.volumes)

    def has_group(self, name: str) -> bool:
        """Whether a volume group of this name is on the target's disks."""
        return any(each.logical_volume.startswith(f"{name}/") for each in self.volumes)

    @property
    def root_drivers(self) -> tuple[str, ...]:
        """The modules that it takes to mount the root file system, besides those of its disk."""
        return self.root.drivers if self.root is not None else ("ext4",)

    @property
    def root(self) -> TargetVolume | None:
        """The root file system."""
        return self._by_mount_point.get("/")

    @property
    def boot(self) -> TargetVolume | None:
        """The file system that holds the kernels."""
        return self._by_mount_point.get("/boot") or self.root

    @property
    def uuids(self) -> set[str]:
        """Of all file systems and swap areas."""
        return {each.file_system.uuid for each in self.volumes if each.file_system.uuid}

    def menu_entry(self, release: str) -> str:
        """GRUB's name for a kernel's entry in the menu that grub-mkconfig makes."""
        uuid = self.root.file_system.uuid if self.root is not None else ""
        return f"gnulinux-advanced-{uuid}>gnulinux-{release}-advanced-{uuid}"

    def at(self, mount_point: str) -> TargetVolume | None:
        """The copied file system that belongs at a mount point."""
        return self._by_mount_point.get(mount_point.rstrip("/") or "/")

    def subvolume_at(self, mount_point: str) -> str:
        """The path of the Btrfs subvolume that is mounted there; "" for a whole file system."""
        return self._subvolumes.get(mount_point.rstrip("/") or "/", "")

    def place_in_file_system(self, path: str) -> str:
        """Where a path of the system lies in its file system, as a boot loader sees it, which mounts nothing."""
        points = (point.rstrip("/") for point in self._subvolumes)
        point = max((each for each in points if f"{path}/".startswith(f"{each}/")), key=len, default="")
        subvolume = self.subvolume_at(point)
        return (f"/{subvolume}" if subvolume else "") + path.removeprefix(point)

    def path_in_system(self, path: str) -> str:
        """The reverse of `place_in_file_system`, for what a boot loader reads on the file system with the kernels."""
        inside = ((point, name) for point, name in self._subvolumes.items() if name and path.startswith(f"/{name}/"))
        point, subvolume = max(inside, key=lambda each: len(each[1]), default=("", ""))
        if subvolume:
            return point.rstrip("/") + path.removeprefix(f"/{subvolume}")
        return path if self.boot is self.root else f"/boot{path}"

    def subvolume_of_root(self, flags: Sequence[str]) -> str:
        """What a kernel mounts as its root by its ``rootflags=``: the subvolume's path, "" for the top level."""
        named = next((each.removeprefix("subvol=").strip("/") for each in flags if each.startswith("subvol=")), None)
        return self._default_subvolume if named is None else named

    def subvolume_numbered(self, uuid: str, number: str) -> str | None:
        """The path that a subvolume's number stood for on the source, "/" for the top level; None if nobody knows."""
        if number in {"0", "5"}:
            return "/"
        named = (each for volume in self._btrfs if volume.uuid == uuid for each in volume.subvolumes)
        return next((f"/{each.name}" for each in named if each.id == number), None)

    def resolve(self, reference: str) -> TargetVolume | None:
        """What ``UUID=…``, ``/dev/disk/by-uuid/…`` and the like lead to on the target; None for nothing there.

        Kernel names (``/dev/sda1``) and by-id or by-path names never resolve: they depend on the machine. Names of
        logical volumes (``/dev/group/volume``, ``/dev/mapper/group-volume``) do.
        """
        path = mapper_name(reference)
        if path.startswith(_MAPPER):
            return next((each for each in self.volumes if each.logical_volume and each.reference == path), None)
        kind, value = _split(reference)
        if not value:
            return None
        for each in self.volumes:
            known = {
                "UUID": each.file_system.uuid.lower(),
                "LABEL": each.file_system.label,
                "PARTUUID": each.part_uuid.lower(),
                "PARTLABEL": each.part_label,
            }
            wanted = value.lower() if kind in {"UUID", "PARTUUID"} else value
            if known.get(kind) == wanted:
                return each
        return None

    def meant_by(self, reference: str, mount_point: str = "") -> TargetVolume | None:
        """The target's volume for a reference that was true on the source.

        A kernel name is looked up in the source's inventory, an array's by its members, of which one has taken its
        place; whatever is left is told by its mount point.
        """
        found = self.resolve(reference)
        if found is not None:
            return found
        name = reference.removeprefix("/dev/") if reference.startswith("/dev/") else ""
        names = {name, *self._members.get(reference, ())} - {""}
        by_name = next((each for each in self.volumes if each.source_name in names), None)
        point = self._mount_points.get(mapper_name(reference), mount_point)
        return by_name or (self.at(point) if point.startswith("/") else None)


def _mount_points(inventory: SourceInventory) -> dict[str, str]:
    """Where the source mounted what lies on LVM, arrays and other names of its own, by device path."""
    found = {mapper_name(mount.source): mount.mount_point for mount in inventory.mounts if mount.source}
    for group in inventory.volume_groups:
        for volume in group.logical_volumes:
            if volume.mount_point:
                found[mapper_name(f"/dev/{group.name}/{volume.name}")] = volume.mount_point
    return found


def _members(arrays: Iterable[RaidArray]) -> dict[str, tuple[str, ...]]:
    """The partitions and disks that an array was made of, by the paths that lead to it."""
    found = {}
    for array in arrays:
        digits = array.uuid.replace("-", "")
        uuid = ":".join(digits[at : at + 8] for at in range(0, len(digits), 8))
        names = [array.name, f"md/{array.name.removeprefix('md')}", f"disk/by-id/md-uuid-{uuid}"]
        if array.label:
            names += [f"md/{array.label}", f"md/{array.label.rpartition(':')[2]}", f"disk/by-id/md-name-{array.label}"]
        found.update({f"/dev/{name}": array.members for name in names})
    return found


def mapper_name(path: str) -> str:
    """``/dev/vg/lv`` as ``/dev/mapper/vg-lv``, where both are names of one device; other paths as they are."""
    if path.startswith(_MAPPER_BY_ID):
        return _MAPPER + path.removeprefix(_MAPPER_BY_ID)
    parts = path.split("/")
    if len(parts) != 4 or parts[:2] != ["", "dev"] or parts[2] in _NO_GROUPS:
        return path
    return _MAPPER + dm_name(parts[2], parts[3])


def _split(reference: str) -> tuple[str, str]:
    for kind in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
        if reference.startswith(f"{kind}="):
            return kind, reference[len(kind) + 1 :].strip("\"'")
        prefix = f"/dev/disk/by-{kind.lower()}/"
        if reference.startswith(prefix):
            return kind, reference[len(prefix) :]
    return "", ""


def is_device_reference(text: str) -> bool:
    """Whether the text names a local block device."""
    return text.startswith("/dev/") or _split(text)[0] != ""
