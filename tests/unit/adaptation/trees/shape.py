"""One fixture tree: its files, the target that it is adapted to, and the stand-ins for its programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import SandboxResult
from contracts.adaptation import TargetFacts
from contracts.inventory import (
    BtrfsSubvolume,
    BtrfsVolume,
    Disk,
    FileSystem,
    Firmware,
    Mount,
    NetworkInterface,
    OperatingSystem,
    SourceInventory,
)
from contracts.layout import (
    CopyVolume,
    TargetDisk,
    TargetLayout,
    TargetLogicalVolume,
    TargetPartition,
    TargetPhysicalVolume,
    TargetSubvolume,
    TargetVolumeGroup,
    VolumeSegment,
)
from tests.unit.adaptation.trees.boot_files import (
    MODULES,
    SOURCE_ONLY,
    image_members,
    initrd,
    kernel_image,
    module_files,
)

BOOT_UUID: Final = "b0070000-0000-4000-8000-000000000001"
ROOT_UUID: Final = "40070000-0000-4000-8000-000000000002"
SWAP_UUID: Final = "5a4b0000-0000-4000-8000-000000000003"
PV_UUID: Final = "PPPPPP-aaaa-bbbb-cccc-dddd-eeee-000000"
VG_UUID: Final = "GGGGGG-aaaa-bbbb-cccc-dddd-eeee-000000"
ESP_UUID: Final = "E5B0-0001"
SOURCE_MACS: Final = ("00:50:56:00:00:01", "00:50:56:00:00:02", "00:50:56:00:00:03")
TARGET_MACS: Final = ("fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c")
MIB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Shape:
    """files: text or bytes by path; programs: paths that can be executed; links: target by path.

    has_boot: /boot is a file system of its own. root_source: what the source mounted at /, such as an LVM volume.
    compression, microcode, usr: of the initial RAM disk. modules: that the kernel has. subvolumes: of a Btrfs root, by
    mount point; their numbers on the source are 257 and so on. default_subvolume: "" for the top level. group: of LVM,
    "" for partitions; volumes: what those for root and swap in it are called.
    """

    name: str
    release: str
    initrd_name: str
    files: Mapping[str, str | bytes]
    programs: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    firmware: Firmware = "BIOS"
    has_boot: bool = True
    root_kind: str = "ext4"
    boot_kind: str = "ext4"
    root_source: str = ""
    cards: tuple[str, ...] = ("eth0",)
    compression: str = "gzip"
    microcode: bool = False
    module_suffix: str = ""
    usr: str = ""
    modules: tuple[str, ...] = tuple(MODULES)
    command_line: str = ""
    has_serial_port: bool = True
    subvolumes: Mapping[str, str] = field(default_factory=dict)
    default_subvolume: str = ""
    group: str = ""
    volumes: tuple[str, str] = ("root", "swap")

    def build(self, root: Path) -> None:
        """Write the tree below root."""
        members = image_members(
            self.release, self._source_modules, suffix=self.module_suffix, usr=self.usr, has_lvm=bool(self.group)
        )
        if self.usr:
            members["usr/lib/os-release"] = b""
        image = initrd(members, self.compression, microcode=self.microcode)
        everything: dict[str, str | bytes] = {
            f"/boot/vmlinuz-{self.release}": kernel_image(),
            f"/boot/{self.initrd_name.format(self.release)}": image,
            **module_files(self.release, suffix=self.module_suffix, names=self.modules),
            **self.files,
        }
        for path, content in everything.items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            if path.endswith(".nmconnection"):
                place.chmod(0o600)
        for path in self.programs:
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_text("#!/bin/sh\n")
            place.chmod(0o755)
        for path, target in self.links.items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, place)
        for folder in ("boot", "etc", "var/lib", "sbin", "tmp", *(["boot/efi"] if self.firmware == "UEFI" else [])):
            (root / folder).mkdir(parents=True, exist_ok=True)

    @property
    def _source_modules(self) -> list[str]:
        return [name for name in (*SOURCE_ONLY, *(("dm_mod",) if self.group else ())) if name in self.modules]

    def inputs(self, disk: Path, root: Path, *, facts: TargetFacts | None = None) -> Inputs:
        """What the steps are given. disk: a file that stands for the target's only disk."""
        layout, inventory = self.layout(), self.inventory()
        mapped = dict(zip(SOURCE_MACS[: len(self.cards)], TARGET_MACS, strict=False))
        given = facts or TargetFacts(firmware=self.firmware, network_map=mapped, has_serial_port=self.has_serial_port)
        return Inputs(
            layout=layout,
            inventory=inventory,
            facts=given,
            own_paths=(),
            references=References(layout, inventory),
            builder=StandIns(root, self),
            raw_path=lambda _: disk,
        )

    def layout(self) -> TargetLayout:
        """Boot, root and swap partitions on one disk; the EFI system partition first, where there is one."""
        kinds = [("/boot", self.boot_kind, BOOT_UUID)] if self.has_boot else []
        kinds = [("/boot/efi", "vfat", ESP_UUID), *kinds] if self.firmware == "UEFI" else kinds
        system = [("/", self.root_kind, ROOT_UUID), ("", "swap", SWAP_UUID)]
        kinds += [("", "lvm2_member", PV_UUID)] if self.group else system
        partitions = tuple(
            TargetPartition(
                number=number,
                start_bytes=number * MIB,
                size_bytes=MIB,
                type_id="83",
                part_uuid=f"1f2e3d4c-0{number}",
                format_as=FileSystem(kind=kind, uuid=uuid),
                is_active=number == 1,
                source_volume=f"sda{number}",
            )
            for number, (_, kind, uuid) in enumerate(kinds, start=1)
        )
        table = "gpt" if self.firmware == "UEFI" else "mbr"
        disk = TargetDisk(
            name="vda", size_bytes=8 * MIB, table=table, partitions=partitions, is_system=True, source_disk="sda"
        )
        volumes = tuple(
            CopyVolume(
                index=number,
                mount_point=point,
                source_path=point,
                target_disk="vda",
                target_partition=number,
                kind=kind,
            )
            for number, (point, kind, _) in enumerate(kinds, start=1)
            if point
        )
        if self.group:
            root = CopyVolume(
                index=9,
                mount_point="/",
                source_path="/",
                target_disk="vda",
                target_partition=len(kinds),
                logical_volume=f"{self.group}/{self.volumes[0]}",
                kind=self.root_kind,
            )
            group = self._volume_group(len(kinds), system)
            return TargetLayout(firmware=self.firmware, disks=(disk,), volumes=(*volumes, root), volume_groups=(group,))
        copied, made = self._with_subvolumes(volumes)
        return TargetLayout(firmware=self.firmware, disks=(disk,), volumes=copied, subvolumes=made)

    def _volume_group(self, partition: int, system: list[tuple[str, str, str]]) -> TargetVolumeGroup:
        logical = tuple(
            TargetLogicalVolume(
                name=name,
                uuid=f"LLLLLL-aaaa-bbbb-cccc-dddd-eeee-00000{number}",
                segments=(VolumeSegment(physical_volume=0, start_extent=number, extent_count=1),),
                format_as=FileSystem(kind=kind, uuid=uuid),
            )
            for number, (name, (_, kind, uuid)) in enumerate(zip(self.volumes, system, strict=True))
        )
        physical = TargetPhysicalVolume(
            disk="vda", partition=partition, uuid=PV_UUID, size_bytes=MIB, data_start_bytes=1 << 16, extent_count=2
        )
        return TargetVolumeGroup(
            name=self.group, uuid=VG_UUID, extent_bytes=4096, physical_volumes=(physical,), logical_volumes=logical
        )

    def _with_subvolumes(
        self, volumes: tuple[CopyVolume, ...]
    ) -> tuple[tuple[CopyVolume, ...], tuple[TargetSubvolume, ...]]:
        if not self.subvolumes:
            return volumes, ()
        root = next(each for each in volumes if each.mount_point == "/")
        inside = [
            root.model_copy(update={"index": number, "mount_point": point, "source_path": point, "subvolume": path})
            for number, (point, path) in enumerate(self.subvolumes.items(), start=20)
        ]
        made = [
            TargetSubvolume(
                target_disk="vda",
                target_partition=root.target_partition,
                path=path,
                is_default=path == self.default_subvolume,
            )
            for path in self.subvolumes.values()
        ]
        return (*(each for each in volumes if each is not root), *inside), tuple(made)

    def inventory(self) -> SourceInventory:
        """What the source's agent said of it."""
        mounts = (Mount(mount_point="/", host_path="/", kind=self.root_kind, source=self.root_source or "/dev/sda2"),)
        cards = tuple(NetworkInterface(name=name, mac=mac) for name, mac in zip(self.cards, SOURCE_MACS, strict=False))
        return SourceInventory(
            hostname="source",
            architecture="x86_64",
            firmware=self.firmware,
            operating_system=OperatingSystem(id=self.name),
            kernel_release=self.release,
            kernel_command_line=self.command_line,
            disks=(Disk(name="sda", device="/dev/sda", size_bytes=8 * MIB),),
            mounts=mounts,
            network_interfaces=cards,
            btrfs=self._btrfs(),
        )

    def _btrfs(self) -> tuple[BtrfsVolume, ...]:
        known = tuple(
            BtrfsSubvolume(id=str(number), name=path, mount_point=point)
            for number, (point, path) in enumerate(self.subvolumes.items(), start=257)
        )
        return (BtrfsVolume(uuid=ROOT_UUID, subvolumes=known),) if known else ()


class StandIns:
    """Stands in for the distribution's own programs in the sandbox, which no fixture tree has.

    It keeps what it was asked to run, and prints what the real program would: a builder of initial RAM disks an image
    with the modules that its list and its arguments name (and LVM where dracut is asked for it; Debian's adds it by
    itself), grub-mkimage something of a core image's size, and
    grub-mkconfig the menu that the tree holds as ``/usr/share/fixture/grub.cfg``. Real builders are run by the tests
    that boot.
    """

    def __init__(self, root: Path, shape: Shape) -> None:
        self.commands: list[list[str]] = []
        self._root = root
        self._shape = shape

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        self.commands.append(list(command))
        text = " ".join(command)
        if "mkimage" in text:
            return _printed(b"core" * 500)
        if "mkconfig" in text:
            menu = self._root / "usr/share/fixture/grub.cfg"
            return _printed(menu.read_bytes() if menu.exists() else b"")
        return _printed(self._image(text))

    def _image(self, text: str) -> bytes:
        lists = ("etc/initramfs-tools/modules", "etc/dracut.conf.d/90-sms.conf", "etc/dracut.conf")
        listed = [self._root / each for each in lists]
        words = set(
            f"{text} {' '.join(path.read_text() for path in listed if path.exists())}".replace('"', " ").split()
        )
        names = [name for name in self._shape.modules if name in words or name in SOURCE_ONLY]
        needed = {each for name in names for each in MODULES[name][1]}
        chosen = sorted({*names, *needed})
        shape = self._shape
        has_lvm = "--add lvm" in text or ("mkinitramfs" in text and shape.group != "")
        members = image_members(shape.release, chosen, suffix=shape.module_suffix, usr=shape.usr, has_lvm=has_lvm)
        return initrd(members, shape.compression, microcode=shape.microcode)


def _printed(output: bytes) -> SandboxResult:
    return SandboxResult(status=0, output=output, messages="")
