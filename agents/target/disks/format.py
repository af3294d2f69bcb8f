"""Make file systems with the source's identifiers and feature sets, never with the helper's defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agents.target.disks.programs import run_program
from contracts.errors import MigrationError
from contracts.errors.disks import FILE_SYSTEM_UNSUPPORTED
from contracts.inventory import FileSystem

# For file systems that nobody described: what GRUB 0.97 and the kernels of its time read too (decisions/0040).
_GENERIC_EXT: Final = {
    "ext2": ("ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file"),
    "ext3": ("has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file"),
    "ext4": (
        *("has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "flex_bg"),
        *("sparse_super", "large_file", "huge_file", "uninit_bg", "dir_nlink", "extra_isize"),
    ),
}
_BLOCKS_OF_32_BITS: Final = 1 << 32
# Bits of a superblock that tell of its state, or that mke2fs sets by itself where they are needed.
_EXT_NOT_CHOSEN: Final = frozenset({"needs_recovery", "orphan_present", "journal_dev", "read-only", "shared_blocks"})
_EXT_KNOWN: Final = frozenset(
    (
        *("64bit", "bigalloc", "casefold", "dir_index", "dir_nlink", "dir_prealloc"),
        *("ea_inode", "encrypt", "ext_attr", "extent", "extra_isize", "fast_commit"),
        *("filetype", "flex_bg", "has_journal", "huge_file", "inline_data", "large_dir"),
        *("large_file", "meta_bg", "metadata_csum", "metadata_csum_seed", "mmp", "orphan_file"),
        *("project", "quota", "resize_inode", "sparse_super", "sparse_super2", "stable_inodes"),
        *("uninit_bg", "verity"),
    )
)
_XFS_META: Final = ("crc", "finobt", "rmapbt", "reflink", "bigtime", "inobtcount")
_XFS_MINIMUM_BYTES: Final = 300 * 1024 * 1024
_FAT32_LEAST_CLUSTERS: Final = 65_525
_FAT32_RESERVED_SECTORS: Final = 32
_BTRFS_FEATURES: Final = ("mixed-bg", "extref", "raid56", "skinny-metadata", "no-holes", "zoned", "block-group-tree")
_BTRFS_GENERIC: Final = ("extref", "skinny-metadata", "no-holes", "free-space-tree")


def make_file_system(device: Path, file_system: FileSystem, *, name: str, size_bytes: int) -> None:
    """Format the device. name: what errors call it (``vda1``).

    Raises MigrationError SMS.DISK.FILE_SYSTEM_UNSUPPORTED for a kind or feature that the helper cannot make.
    """
    if file_system.kind in _GENERIC_EXT:
        # Without its own configuration file mke2fs uses built-in defaults, the same in every helper.
        command = ext_command(device, file_system, name, size_bytes)
        run_program(command, disk=name, environment={"MKE2FS_CONFIG": "/dev/null"})
        _tune_ext(device, file_system, name)
    elif file_system.kind == "xfs":
        run_program(xfs_command(device, file_system, size_bytes), disk=name)
    elif file_system.kind == "btrfs":
        run_program(btrfs_command(device, file_system), disk=name)
    elif file_system.kind == "vfat":
        run_program(vfat_command(device, file_system), disk=name)
    elif file_system.kind == "swap":
        run_program(
            ["mkswap", *_option("-U", file_system.uuid), *_option("-L", file_system.label), str(device)], disk=name
        )
    else:
        raise MigrationError(FILE_SYSTEM_UNSUPPORTED, kind=file_system.kind, features="-", disk=name)


def ext_command(device: Path, file_system: FileSystem, name: str, size_bytes: int) -> list[str]:
    """mke2fs's arguments."""
    parameters = file_system.parameters
    features = [each for each in file_system.features if each not in _EXT_NOT_CHOSEN]
    unknown = sorted(set(features) - _EXT_KNOWN)
    if unknown:
        raise MigrationError(FILE_SYSTEM_UNSUPPORTED, kind=file_system.kind, features=",".join(unknown), disk=name)
    block_size = file_system.block_size or 4096
    chosen = features or list(_GENERIC_EXT[file_system.kind])
    if not features and file_system.kind == "ext4" and size_bytes // block_size >= _BLOCKS_OF_32_BITS:
        chosen.append("64bit")
    extended = ["lazy_itable_init=1", "lazy_journal_init=1"]
    extended += [f"hash_seed={parameters['hash_seed']}"] if "hash_seed" in parameters else []
    extended += [f"stride={parameters['stride']}"] if "stride" in parameters else []
    extended += [f"stripe_width={parameters['stripe_width']}"] if "stripe_width" in parameters else []
    return [
        *("mke2fs", "-q", "-F", "-t", file_system.kind, "-O", ",".join(["none", *chosen])),
        *("-b", str(block_size), "-I", parameters.get("inode_size", "256")),
        *("-i", str(max(1024, int(parameters.get("bytes_per_inode", "16384"))))),
        *("-m", _reserved_percent(file_system), "-E", ",".join(extended)),
        *_option("-U", file_system.uuid),
        *_option("-L", file_system.label),
        str(device),
    ]


def _reserved_percent(file_system: FileSystem) -> str:
    if "reserved_blocks" not in file_system.parameters or not file_system.size_bytes:
        return "5" if not file_system.features else "0"
    # Half a block more, since mke2fs rounds down what it computes from the percentage.
    reserved = (int(file_system.parameters["reserved_blocks"]) + 0.5) * file_system.block_size
    return f"{min(50.0, 100 * reserved / file_system.size_bytes):.8f}"


def _tune_ext(device: Path, file_system: FileSystem, name: str) -> None:
    parameters = file_system.parameters
    arguments = ["-c", parameters.get("max_mount_count", "-1"), "-i", f"{parameters.get('check_interval_s', '0')}s"]
    arguments += _option("-e", parameters.get("errors_behavior", ""))
    arguments += _option("-o", parameters.get("default_mount_options", ""))
    run_program(["tune2fs", *arguments, str(device)], disk=name)


def xfs_command(device: Path, file_system: FileSystem, size_bytes: int) -> list[str]:
    """mkfs.xfs's arguments; without known features those that GRUB 2.04 and Linux 4.19 can read."""
    on = file_system.features or ("crc", "finobt", "sparse", "reflink", "ftype")
    parameters = file_system.parameters
    meta = [f"{each}={_bit(each in on)}" for each in _XFS_META]
    inode = [f"size={parameters.get('inode_size', '512')}", f"sparse={_bit('sparse' in on)}"]
    inode += [f"nrext64={_bit('nrext64' in on)}"]
    naming = [] if "crc" in on else [f"ftype={_bit('ftype' in on)}"]
    naming += [f"size={parameters['directory_block_size']}"] if "directory_block_size" in parameters else []
    command = ["mkfs.xfs", "-q", "-f", "-K", "-m", ",".join([*meta, f"uuid={file_system.uuid}"])]
    command += ["-i", ",".join(inode), "-b", f"size={file_system.block_size or 4096}"]
    command += ["-n", ",".join(naming)] if naming else []
    command += ["-s", f"size={parameters['sector_size']}"] if "sector_size" in parameters else []
    command += _option("-L", file_system.label)
    if size_bytes < _XFS_MINIMUM_BYTES:
        command.append("--unsupported")
    return [*command, str(device)]


def btrfs_command(device: Path, file_system: FileSystem) -> list[str]:
    """mkfs.btrfs's arguments: one device; the free space tree is a -R feature for older tools."""
    on = file_system.features or _BTRFS_GENERIC
    parameters = file_system.parameters
    known = [each if each in on else f"^{each}" for each in _BTRFS_FEATURES if each in on or each in _BTRFS_GENERIC]
    free_space_tree = "free-space-tree" if "free-space-tree" in on else "^free-space-tree"
    command = ["mkfs.btrfs", "-q", "-f", "-K", "-O", ",".join(known), "-R", free_space_tree]
    command += _option("-n", parameters.get("node_size", ""))
    command += _option("-s", parameters.get("sector_size", ""))
    command += _option("--csum", parameters.get("checksum", ""))
    command += _option("-U", file_system.uuid) + _option("-L", file_system.label)
    return [*command, "-d", "single", "-m", "dup", str(device)]


def vfat_command(device: Path, file_system: FileSystem) -> list[str]:
    """mkfs.vfat's arguments: the volume id is what UUID= means, FAT type and cluster size are kept where they can."""
    parameters = file_system.parameters
    sector_size = int(parameters.get("sector_size", "512"))
    cluster_size, bits = int(parameters.get("cluster_size", "0")), parameters.get("fat_bits", "")
    if bits == "32":
        # mtools takes a FAT of fewer clusters for a FAT16, as the specification says, and can write nothing into it.
        most = _largest_fat32_cluster(file_system.size_bytes, sector_size)
        cluster_size, bits = (min(cluster_size, most), "32") if most else (0, "16")
    command = ["mkfs.vfat", "-S", str(sector_size)]
    command += _option("-F", bits)
    command += _option("-i", file_system.uuid.replace("-", ""))
    command += _option("-n", file_system.label)
    if cluster_size:
        command += ["-s", str(max(1, cluster_size // sector_size))]
    return [*command, str(device)]


def _largest_fat32_cluster(size_bytes: int, sector_size: int) -> int:
    """Of the sizes that are a power of two, the largest that gives a FAT32 enough clusters; 0 when none does."""
    room = size_bytes - _FAT32_RESERVED_SECTORS * sector_size
    # Each cluster also takes four bytes of each of the two tables.
    fitting = [size for size in (sector_size << n for n in range(8)) if room // (size + 8) >= _FAT32_LEAST_CLUSTERS]
    return max(fitting, default=0)


def _option(name: str, value: str) -> list[str]:
    return [name, value] if value else []


def _bit(is_on: bool) -> int:  # noqa: FBT001 - one flag turned into a digit
    return 1 if is_on else 0
