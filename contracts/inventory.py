"""What a source agent reports of its server: the facts that feasibility, layout and adaptation decide on."""

from __future__ import annotations

from typing import Literal

from contracts.base import Model

Firmware = Literal["BIOS", "UEFI"]
TableKind = Literal["mbr", "gpt", "none"]
PartitionKind = Literal["primary", "extended", "logical"]
ApplicationKind = Literal["cluster_database", "directory_service", "domain_member", "hardware_bound", "encrypted_files"]


class FileSystem(Model):
    """A file system (or swap area, or a container such as an LVM PV), as its superblock says.

    kind: ext2, ext3, ext4, xfs, btrfs, vfat, swap, ntfs, lvm2_member, linux_raid_member, crypto_luks, or what
    else was recognised; "" for nothing recognised. uuid and label as blkid writes them. used_bytes and
    free_bytes (available to root) are 0 when it is not mounted. features: the superblock's feature names in
    the words of mke2fs/mkfs.xfs/mkfs.btrfs. parameters: further mkfs inputs as text, for example
    inode_size, bytes_per_inode, hash_seed, sector_size, node_size, fat_bits.
    """

    kind: str
    uuid: str = ""
    label: str = ""
    size_bytes: int = 0
    block_size: int = 0
    used_bytes: int = 0
    free_bytes: int = 0
    inodes_used: int = 0
    features: tuple[str, ...] = ()
    parameters: dict[str, str] = {}


class Partition(Model):
    """One partition. type_id: two lower-case hex digits (MBR, ``83``, ``0f``) or the type GUID in upper case (GPT).

    part_uuid as in PARTUUID=. start_bytes counts from the start of the disk. name: the kernel's
    (``sda1``) or, in a mounted tree whose disk is an image file, DISK plus number.
    """

    number: int
    name: str
    start_bytes: int
    size_bytes: int
    type_id: str = ""
    part_uuid: str = ""
    label: str = ""
    kind: PartitionKind = "primary"
    is_active: bool = False
    attributes: int = 0
    file_system: FileSystem | None = None


class Disk(Model):
    """One disk. identifier: the MBR signature as 8 hex digits, or the GPT disk GUID, lower case.

    device: path of the device or image file on the source. file_system: when the whole disk holds one
    (table is "none"). transport: virtio, scsi, ata, nvme, loop, iscsi, fc, usb, "" when unknown. is_dynamic: its
    volumes are in Windows' logical disk manager, not in the partition table.
    """

    name: str
    device: str
    size_bytes: int
    sector_size: int = 512
    table: TableKind = "none"
    identifier: str = ""
    partitions: tuple[Partition, ...] = ()
    file_system: FileSystem | None = None
    is_system: bool = False
    has_boot_code: bool = False
    transport: str = ""
    is_removable: bool = False
    is_dynamic: bool = False


class Mount(Model):
    """One mount of the running (or mounted) system that holds data of its own or comes over a network.

    mount_point as the migrated system sees it ("/", "/data"), not with the --root prefix. host_path: where it
    is mounted on the machine where the agent runs. volume: the name of the Partition, Disk, RaidArray (``md0``) or
    logical volume (``group/volume``) that backs it, "" when none does. source: first field of mountinfo's source.
    root: the mounted subtree in its file system ("/" or a Btrfs subvolume or bind source). layers: what lies between
    the mount and its disks, top first (lvm, lvm_thin, raid, crypt, multipath, device_mapper).
    """

    mount_point: str
    host_path: str
    kind: str
    source: str = ""
    volume: str = ""
    root: str = "/"
    options: tuple[str, ...] = ()
    size_bytes: int = 0
    used_bytes: int = 0
    free_bytes: int = 0
    files: int = 0
    is_network: bool = False
    layers: tuple[str, ...] = ()


class NetworkInterface(Model):
    """A network card. addresses in CIDR form; is_physical is false for bonds, bridges, VLANs, lo. gateway "" and
    mtu 0: nobody said."""

    name: str
    mac: str = ""
    addresses: tuple[str, ...] = ()
    is_physical: bool = True
    gateway: str = ""
    mtu: int = 0


class OperatingSystem(Model):
    """Which system it is. family: linux or windows; id, version_id and id_like of os-release (or the release
    files that older systems have); version: the most exact one known, with the minor number."""

    family: Literal["linux", "windows"] = "linux"
    id: str = ""
    name: str = ""
    version_id: str = ""
    version: str = ""
    id_like: tuple[str, ...] = ()
    bits: int = 64


class BootLoader(Model):
    """What starts the system. kind: grub2, grub_legacy, systemd_boot, lilo, "" unknown.

    config_path as the system sees it. default_kernel: the path of the kernel that the next boot starts.
    other_systems: titles of the menu's entries that start another operating system.
    """

    kind: str = ""
    config_path: str = ""
    default_kernel: str = ""
    other_systems: tuple[str, ...] = ()


class Application(Model):
    """Something installed that a migration must know of. name: what it is, for a sentence ("Galera cluster").

    detail: the nodes, domain or device that it belongs to, "" when unknown. evidence: the file that told. members:
    of a cluster, 0 when the files do not tell how many.
    """

    kind: ApplicationKind
    name: str
    detail: str = ""
    evidence: str
    members: int = 0


class SwapFile(Model):
    """A file that is a swap area, by its own header. path has no symbolic links in it.

    uuid and label as blkid writes them, "" when it has none. Its content is never copied: the target makes a new,
    empty one.
    """

    path: str
    size_bytes: int
    uuid: str = ""
    label: str = ""
    page_size: int = 4096


class LogicalVolume(Model):
    """A logical volume of a volume group; mount_point "" when it is not mounted.

    segment_types: LVM2's (striped, raid1, thin, …), and linear for one stripe. origin: the name of the volume of which
    it is a snapshot.
    """

    name: str
    size_bytes: int
    used_bytes: int = 0
    free_bytes: int = 0
    mount_point: str = ""
    use: str = "NORMAL"
    file_system: FileSystem | None = None
    uuid: str = ""
    segment_types: tuple[str, ...] = ()
    origin: str = ""


class PhysicalVolume(Model):
    """A physical volume of LVM. volume: the name of the Partition, Disk or RaidArray that holds it, "" when none of
    these does. data_start_bytes: where its first extent begins, 0 when unknown."""

    volume: str
    uuid: str = ""
    size_bytes: int = 0
    data_start_bytes: int = 0


class VolumeGroup(Model):
    """An LVM volume group. components: its physical volumes' device names. uuid "" and extent_bytes 0: nobody said."""

    name: str
    size_bytes: int
    free_bytes: int = 0
    components: tuple[str, ...] = ()
    logical_volumes: tuple[LogicalVolume, ...] = ()
    uuid: str = ""
    extent_bytes: int = 0
    physical_volumes: tuple[PhysicalVolume, ...] = ()


class RaidArray(Model):
    """A running array of Linux software RAID. name: the kernel's (``md0``). label: its name in the superblock
    (``host:0``). level: linear, raid0, raid1, …; metadata: the superblock's version (``1.2``, ``external:imsm``).

    members: the names of the Partitions and Disks that are in it. is_partitioned: it is used like a disk.
    """

    name: str
    size_bytes: int
    level: str
    metadata: str = ""
    uuid: str = ""
    label: str = ""
    members: tuple[str, ...] = ()
    file_system: FileSystem | None = None
    is_partitioned: bool = False


class BtrfsSubvolume(Model):
    """A subvolume or snapshot; ids as `btrfs subvolume list` prints them. name: its path from the top level."""

    id: str
    name: str
    parent_id: str = ""
    uuid: str = ""
    mount_point: str = ""
    is_snapshot: bool = False
    is_read_only: bool = False


class BtrfsVolume(Model):
    """A Btrfs file system over one or more devices. Profiles: single, DUP, RAID1 and so on."""

    uuid: str
    name: str = ""
    label: str = ""
    devices: tuple[str, ...] = ()
    size_bytes: int = 0
    used_bytes: int = 0
    node_size: int = 0
    sector_size: int = 0
    data_profile: str = ""
    system_profile: str = ""
    metadata_profile: str = ""
    global_reserve: str = ""
    default_subvolume_id: str = ""
    default_subvolume_name: str = ""
    default_mount_point: str = ""
    subvolumes: tuple[BtrfsSubvolume, ...] = ()


class SourceInventory(Model):
    """Everything that an agent reports of its server, once after its start and again when it changes.

    fingerprint: hashes of several identity sources (machine id, DMI UUID, MAC set, system disk id), by name;
    a match only proposes that two registrations are the same machine. root_path: --root of a mounted tree,
    "/" for a live server. hypervisor: kvm, vmware, xen, hyperv, virtualbox, parallels, "" for none or unknown.
    swap_files: those in use or in fstab; swap_file_headers: those of them that hold a swap area, which alone are
    left out of a copy and made again. applications: those that a migration must know of. listening_ports: TCP ports
    of a live server, without those that its kernel gives away by itself. volume_groups: of LVM2, as their disks
    describe them, or as an agent of the HTTPS API says. arrays: those that run. btrfs: what is mounted, with its
    subvolumes. raw_devices, has_rsync, has_tc, is_paravirtual, is_oem, platform: what agents of the HTTPS API say
    besides; None and "" mean that nobody said.
    """

    hostname: str
    architecture: str
    firmware: Firmware
    operating_system: OperatingSystem
    kernel_release: str = ""
    kernel_command_line: str = ""
    boot_loader: BootLoader = BootLoader()
    cpu_count: int = 1
    memory_bytes: int = 0
    hypervisor: str = ""
    disks: tuple[Disk, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network_interfaces: tuple[NetworkInterface, ...] = ()
    swap_files: tuple[str, ...] = ()
    swap_file_headers: tuple[SwapFile, ...] = ()
    applications: tuple[Application, ...] = ()
    root_path: str = "/"
    is_live: bool = True
    agent_version: str = ""
    fingerprint: dict[str, str] = {}
    volume_groups: tuple[VolumeGroup, ...] = ()
    btrfs: tuple[BtrfsVolume, ...] = ()
    raw_devices: str = ""
    has_rsync: bool | None = None
    has_tc: bool | None = None
    is_paravirtual: bool | None = None
    is_oem: bool = False
    platform: str = ""
    start_type: str = ""
    listening_ports: tuple[int, ...] = ()
    arrays: tuple[RaidArray, ...] = ()

    @property
    def used_bytes(self) -> int:
        """What is in use on the server's own disks; a file system that is mounted several times counts once."""
        figures = [
            (mount.volume or mount.source or mount.mount_point, mount.used_bytes)
            for mount in self.mounts
            if not mount.is_network
        ]
        for disk in self.disks:
            held = [(disk.name, disk.file_system), *((part.name, part.file_system) for part in disk.partitions)]
            figures += [(name, content.used_bytes) for name, content in held if content is not None]
        used: dict[str, int] = {}
        for name, used_bytes in figures:
            used[name] = max(used.get(name, 0), used_bytes)
        return sum(used.values())
