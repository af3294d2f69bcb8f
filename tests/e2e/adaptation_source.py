"""A Debian source server as an inventory, and its disks as images: the stand-in for copy and data plane."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agents.target.adaptation.formats.initramfs import names_in_image
from agents.target.adaptation.sandbox import Sandbox
from agents.target.disks import PreparedDisks
from contracts.inventory import (
    Disk,
    FileSystem,
    Mount,
    NetworkInterface,
    OperatingSystem,
    Partition,
    SourceInventory,
    SwapFile,
)
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from demo.debian_tree import unpack_tree
from tests.debian_tree import debian_tarball, prepare_login

MIB = 1 << 20
ROOT_UUID = "6d2f1c3e-1111-4222-8333-123456789abc"
SWAP_UUID = "6d2f1c3e-1111-4222-8333-123456789abd"
SWAP_FILE_UUID = "6d2f1c3e-1111-4222-8333-123456789abf"
ESP_UUID = "6D2F-1C3E"
DATA_UUID = "6d2f1c3e-1111-4222-8333-123456789abe"
SOURCE_MAC = "52:54:00:aa:bb:01"
TARGET_MAC = "52:54:00:12:34:56"
_INITRAMFS = "etc/initramfs-tools/initramfs.conf"

BOOT_UUID = "6d2f1c3e-1111-4222-8333-123456789ac0"
_ROOT_LINE = "/dev/sda1\t/\text4\terrors=remount-ro\t0 1\n"
# Everything that does not survive a move: kernel names, a disk that is left out, a static address.
FSTAB = f"""# <file system> <mount point> <type> <options> <dump> <pass>
{_ROOT_LINE}\
UUID={SWAP_UUID} none swap sw 0 0
/dev/disk/by-id/scsi-0QEMU_HARDDISK_data  /data  xfs  defaults  0 2
/dev/sdc1 /backup ext4 defaults 0 2
/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0
files.example:/srv /srv nfs defaults 0 0
/swap.img none swap sw 0 0
"""
INTERFACES = """auto lo
iface lo inet loopback

allow-hotplug ens7
iface ens7 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
"""


def inventory() -> SourceInventory:
    """BIOS and MBR; ext4 root and swap in a logical partition on the first disk, XFS on the whole second one."""
    root = FileSystem(kind="ext4", uuid=ROOT_UUID, label="root")
    swap = FileSystem(kind="swap", uuid=SWAP_UUID)
    data = FileSystem(kind="xfs", uuid=DATA_UUID, label="data")
    partitions = (
        Partition(
            number=1,
            name="sda1",
            start_bytes=63 * 512,
            size_bytes=2400 * MIB,
            type_id="83",
            is_active=True,
            part_uuid="1f2e3d4c-01",
            file_system=root,
        ),
        Partition(
            number=2,
            name="sda2",
            start_bytes=2500 * MIB + 1024,
            size_bytes=200 * MIB,
            type_id="05",
            kind="extended",
        ),
        Partition(
            number=5,
            name="sda5",
            start_bytes=2501 * MIB,
            size_bytes=150 * MIB,
            type_id="82",
            kind="logical",
            part_uuid="1f2e3d4c-05",
            file_system=swap,
        ),
    )
    disks = (
        Disk(
            name="sda", device="/dev/sda", size_bytes=3 << 30, table="mbr", identifier="1f2e3d4c", partitions=partitions
        ),
        Disk(name="sdb", device="/dev/sdb", size_bytes=400 * MIB, table="none", file_system=data),
        Disk(name="sdc", device="/dev/sdc", size_bytes=1 << 30, table="mbr", identifier="99999999"),
    )
    return SourceInventory(
        hostname="source",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="debian"),
        disks=disks,
        mounts=(
            Mount(mount_point="/", host_path="/", kind="ext4", volume="sda1", used_bytes=800 * MIB),
            Mount(mount_point="/data", host_path="/data", kind="xfs", volume="sdb", used_bytes=MIB),
        ),
        network_interfaces=(NetworkInterface(name="ens7", mac=SOURCE_MAC, addresses=("192.0.2.10/24",)),),
        swap_files=("/swap.img",),
        swap_file_headers=(SwapFile(path="/swap.img", size_bytes=128 * MIB, uuid=SWAP_FILE_UUID, label="swapfile"),),
    )


def gpt_inventory() -> SourceInventory:
    """The same server, started by BIOS from a GPT: a partition of GRUB's own stands for the gap behind an MBR."""
    source = inventory()
    root, _, swap = source.disks[0].partitions
    starts = {
        "sda1": (1, MIB, MIB, "21686148-6449-6E6F-744E-656564454649", None),
        "sda2": (2, 2 * MIB, root.size_bytes, "0FC63DAF-8483-4772-8E79-3D69D8477DE4", root.file_system),
        "sda3": (3, 2500 * MIB, 150 * MIB, "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", swap.file_system),
    }
    partitions = tuple(
        Partition(
            number=number,
            name=name,
            start_bytes=start_bytes,
            size_bytes=size_bytes,
            type_id=type_id,
            part_uuid=f"6d2f1c3e-2222-4222-8333-12345678900{number}",
            file_system=file_system,
        )
        for name, (number, start_bytes, size_bytes, type_id, file_system) in starts.items()
    )
    disk = source.disks[0].model_copy(
        update={"table": "gpt", "identifier": "6d2f1c3e-2222-4222-8333-123456789000", "partitions": partitions}
    )
    mounts = (source.mounts[0].model_copy(update={"volume": "sda2"}), *source.mounts[1:])
    return source.model_copy(update={"disks": (disk, *source.disks[1:]), "mounts": mounts})


def uefi_inventory() -> SourceInventory:
    """The same server, started by UEFI: GPT, and an EFI system partition mounted at /boot/efi."""
    source = gpt_inventory()
    reserved, *others = source.disks[0].partitions
    esp = FileSystem(
        kind="vfat",
        uuid=ESP_UUID,
        label="ESP",
        size_bytes=100 * MIB,
        block_size=512,
        parameters={"fat_bits": "32", "sector_size": "512", "cluster_size": "512"},
    )
    root, swap = (other.model_copy(update={"start_bytes": other.start_bytes + 128 * MIB}) for other in others)
    system = reserved.model_copy(
        update={"type_id": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "size_bytes": esp.size_bytes, "file_system": esp}
    )
    disk = source.disks[0].model_copy(update={"partitions": (system, root, swap)})
    mounts = (*source.mounts, Mount(mount_point="/boot/efi", host_path="/boot/efi", kind="vfat", volume="sda1"))
    return source.model_copy(update={"firmware": "UEFI", "disks": (disk, *source.disks[1:]), "mounts": mounts})


def with_root(source: SourceInventory, file_system: FileSystem) -> SourceInventory:
    """The same server with another root file system."""
    system = source.disks[0]
    root = source.mounts[0].model_copy(update={"kind": file_system.kind})
    partitions = tuple(
        each.model_copy(update={"file_system": file_system}) if each.name == root.volume else each
        for each in system.partitions
    )
    disk = system.model_copy(update={"partitions": partitions})
    return source.model_copy(update={"disks": (disk, *source.disks[1:]), "mounts": (root, *source.mounts[1:])})


def with_boot_partition(source: SourceInventory) -> SourceInventory:
    """The same server with its kernels in a partition of their own, at the end of an MBR's disk."""
    system = source.disks[0]
    boot = Partition(
        number=4,
        name="sda4",
        start_bytes=2710 * MIB,
        size_bytes=300 * MIB,
        type_id="83",
        part_uuid="1f2e3d4c-04",
        file_system=FileSystem(kind="ext2", uuid=BOOT_UUID, label="boot"),
    )
    disk = system.model_copy(update={"partitions": (*system.partitions, boot)})
    mount = Mount(mount_point="/boot", host_path="/boot", kind="ext2", volume="sda4", used_bytes=60 * MIB)
    return source.model_copy(update={"disks": (disk, *source.disks[1:]), "mounts": (*source.mounts, mount)})


def raw_disks(folder: Path, layout: TargetLayout) -> list[AttachedDisk]:
    """The images of the source's disks."""
    return [AttachedDisk(name=disk.name, path=str(folder / f"{disk.name}.raw")) for disk in layout.disks]


def make_replica(
    folder: Path, layout: TargetLayout, tarball: Path | None = None, *, has_few_drivers: bool = False
) -> None:
    """Make the layout's disks as raw files and fill them with the source's system, by default Debian 12.

    has_few_drivers: its initial RAM disk is made with MODULES=dep on a machine of Hyper-V.
    """
    disks = raw_disks(folder, layout)
    for planned, disk in zip(layout.disks, disks, strict=True):
        with Path(disk.path).open("wb") as file:
            file.truncate(planned.size_bytes)
    prepared = PreparedDisks(folder / "replica")
    prepared.attach(disks)
    prepared.partition_and_format(layout)
    root = prepared.mount_tree(layout)
    unpack_tree(tarball or debian_tarball(), root)
    prepare_login(root, "source")
    (root / "etc/fstab").write_text(_fstab(layout))
    if layout.firmware == "UEFI":
        _install_boot_loader(root, root / "boot/efi")
    (root / "etc/network/interfaces").write_text(INTERFACES)
    (root / "backup").mkdir()
    (root / "etc/initramfs-tools/conf.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/initramfs-tools/conf.d/resume").write_text("RESUME=/dev/sda5\n")
    (root / _INITRAMFS).write_text("MODULES=most\nCOMPRESS=zstd\n")
    if has_few_drivers:
        _keep_few_drivers(root)
    if not (root / "usr/lib/grub/i386-pc/boot.img").exists():
        _write_legacy_menu(root)
    # Services of a platform that was left: both would be seen to fail.
    for place in ("lib/systemd/system/waagent.service", "etc/systemd/system/aegis.service"):
        (root / place).write_text("[Service]\nExecStart=/bin/false\n")
        wanted = root / "etc/systemd/system/multi-user.target.wants" / Path(place).name
        wanted.symlink_to(f"/{place}")
    (root / "opt/agent").mkdir()
    (root / "opt/agent/credentials.json").write_text("secret")
    (root / "data/order.txt").write_text("order 1\n")
    prepared.detach()


def _fstab(layout: TargetLayout) -> str:
    """By the kernel's names, as old installers wrote it."""
    names = {(disk.name, part.number): part.source_volume for disk in layout.disks for part in disk.partitions}
    text = FSTAB
    for volume in layout.volumes:
        name = names.get((volume.target_disk, volume.target_partition), "")
        options = {"ext4": "errors=remount-ro", "vfat": "umask=0077"}.get(volume.kind, "defaults")
        line = f"/dev/{name}\t{volume.mount_point}\t{volume.kind}\t{options}\t0 "
        if volume.mount_point == "/":
            text = text.replace(_ROOT_LINE, f"{line}1\n")
        elif name:
            text += f"{line}2\n"
    return text


def _keep_few_drivers(root: Path) -> None:
    """The image that MODULES=dep makes on a machine whose disks are Hyper-V's: made from a list of its drivers, as
    the machine that builds it here has others."""
    drivers = root / "etc/initramfs-tools/modules"
    before = drivers.read_text()
    drivers.write_text("hv_storvsc\nsd_mod\next4\nxfs\nbtrfs\n")
    (root / _INITRAMFS).write_text("MODULES=list\nCOMPRESS=zstd\n")
    (image,) = (root / "boot").glob("initrd.img-*")
    script = "mkinitramfs -o /tmp/image $1 >&2; cat /tmp/image"
    made = Sandbox(root=root).run(["/bin/sh", "-c", script, "sh", image.name.removeprefix("initrd.img-")])
    names = " ".join(names_in_image(made.output))
    assert "hv_storvsc" in names
    assert "virtio" not in names, made.messages
    image.write_bytes(made.output)
    drivers.write_text(before)
    (root / _INITRAMFS).write_text("MODULES=dep\nCOMPRESS=zstd\n")


def _write_legacy_menu(root: Path) -> None:
    """What update-grub of GRUB before version 2 writes; paths and device are the source's."""
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    release = kernel.name.removeprefix("vmlinuz-")
    (root / "boot/grub").mkdir(exist_ok=True)
    lines = [
        *("default\t\t0", "timeout\t\t1", "", f"title\t\tDebian, kernel {release}", "root\t\t(hd0,4)"),
        *(f"kernel\t\t/boot/{kernel.name} root=/dev/sda1 ro console=hvc0", f"initrd\t\t/boot/initrd.img-{release}"),
    ]
    (root / "boot/grub/menu.lst").write_text("\n".join(lines) + "\n")


def _install_boot_loader(root: Path, esp: Path) -> None:
    """The files that Debian's grub-install puts on the partition; it leaves the fallback path alone."""
    folder = esp / "EFI/debian"
    folder.mkdir(parents=True)
    signed = {
        "shimx64.efi": "usr/lib/shim/shimx64.efi.signed",
        "mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
        "fbx64.efi": "usr/lib/shim/fbx64.efi.signed",
        "BOOTX64.CSV": "usr/lib/shim/BOOTX64.CSV",
        "grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
    }
    for name, path in signed.items():
        (folder / name).write_bytes((root / path).read_bytes())
    stub = f"search.fs_uuid {ROOT_UUID} root \nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    (folder / "grub.cfg").write_text(stub)


def make_layer(folder: Path, layout: TargetLayout, name: str) -> list[AttachedDisk]:
    """A launch layer over the replica: one qcow2 image per disk."""
    disks = []
    for disk in layout.disks:
        path = folder / f"{disk.name}.{name}.qcow2"
        backing = ["-F", "raw", "-b", str(folder / f"{disk.name}.raw")]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path)], check=True)
        disks.append(AttachedDisk(name=disk.name, path=str(path), format="qcow2"))
    return disks
