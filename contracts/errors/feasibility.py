"""What a feasibility check can find, and what the feasibility service refuses."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

_CHECK_AGAIN: Final = "Then check again with `sms server check ID`."

WINDOWS_UNSUPPORTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.WINDOWS_UNSUPPORTED",
    cause="The server runs {system}; this version migrates Linux.",
    remedy="Use another way for this server, or a later version of SMS.",
)
OS_UNKNOWN: Final = ErrorCode(
    code="SMS.FEASIBILITY.OS_UNKNOWN",
    cause="No file of the system tells which one it is (os-release and the release files are missing or empty).",
    remedy=f"Restore /etc/os-release; with --root, check that DIR is the root of a system. {_CHECK_AGAIN}",
)
OS_NOT_LISTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.OS_NOT_LISTED",
    cause="{system} (version {version}) is not in the compatibility table; the nearest row is {nearest}.",
    remedy="The migration may well work: rehearse it before the cutover. To refuse such systems set "
    "SMS_FEASIBILITY_IS_STRICT=true, to allow them set it to false.",
)
OS_BITS: Final = ErrorCode(
    code="SMS.FEASIBILITY.OS_BITS",
    cause="The system's programs are {bits}-bit; {needed_bits}-bit is needed.",
    remedy="Move the applications to a 64-bit system.",
)
OS_ONLY_KVM: Final = ErrorCode(
    code="SMS.FEASIBILITY.OS_ONLY_KVM",
    cause="{row} is supported on KVM machines only; this one runs on {hypervisor}.",
    remedy=f"Update the system to its next minor release. {_CHECK_AGAIN}",
)
SEVERAL_SYSTEMS: Final = ErrorCode(
    code="SMS.FEASIBILITY.SEVERAL_SYSTEMS",
    cause="{count} operating systems are on the server, 1 is allowed; besides the running one: {others}.",
    remedy="Remove the other system's partitions and menu entries if they are no longer needed "
    f"(`update-grub` or `grub2-mkconfig`). {_CHECK_AGAIN}",
)
ARCHITECTURE: Final = ErrorCode(
    code="SMS.FEASIBILITY.ARCHITECTURE",
    cause="The architecture is {architecture}; {needed} is needed.",
    remedy="Only x86-64 servers can be migrated.",
)
NO_KERNEL: Final = ErrorCode(
    code="SMS.FEASIBILITY.NO_KERNEL",
    cause="0 kernels with their modules were found below {boot}; at least 1 is needed.",
    remedy=f"Install a kernel package; with --root, mount the system's /boot below DIR. {_CHECK_AGAIN}",
)
UEFI_UNSUPPORTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.UEFI_UNSUPPORTED",
    cause="The server boots by {firmware}; targets of this installation boot by {supported}.",
    remedy="Migrate to a provider whose targets boot by UEFI and set SMS_FEASIBILITY_SUPPORTS_UEFI=true.",
)
UEFI_NOT_FOR_OS: Final = ErrorCode(
    code="SMS.FEASIBILITY.UEFI_NOT_FOR_OS",
    cause="The server boots by UEFI; the table's row {row} says {listed} for UEFI.",
    remedy="Update the system to a release that is listed with UEFI, or rehearse the migration before the cutover.",
)
ESP_NOT_MOUNTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.ESP_NOT_MOUNTED",
    cause="The server boots by UEFI; 0 of its mounts are the EFI system partition (looked for at {looked_for}), 1 is "
    "needed.",
    remedy=f"Mount it, as a rule with `mount /boot/efi`, and leave it mounted while the copy runs. {_CHECK_AGAIN}",
)
BOOTLOADER_UNKNOWN: Final = ErrorCode(
    code="SMS.FEASIBILITY.BOOTLOADER_UNKNOWN",
    cause="The boot loader is {found}; {needed} can be adapted.",
    remedy="Install GRUB 2 on the source (grub-pc or grub2) and write its configuration; with --root, mount the "
    f"system's /boot below DIR. {_CHECK_AGAIN}",
)
NO_BOOT_CODE: Final = ErrorCode(
    code="SMS.FEASIBILITY.NO_BOOT_CODE",
    cause="The first sector of the system disk {disk} holds no boot code, although the server boots by BIOS.",
    remedy="The target gets boot code of its own. Check how this server is started (network, another disk, the "
    "hypervisor): what is set there does not come along.",
)
SYSTEM_DISK_UNKNOWN: Final = ErrorCode(
    code="SMS.FEASIBILITY.SYSTEM_DISK_UNKNOWN",
    cause="{count} disks hold the root file system ({source}); 1 is needed.",
    remedy="Run the agent as root and look at `lsblk`: the root file system must be on a disk that the agent can read.",
)
SYSTEM_NOT_ON_FIRST_DISK: Final = ErrorCode(
    code="SMS.FEASIBILITY.SYSTEM_NOT_ON_FIRST_DISK",
    cause="{mount_point} is on disk {disk}; the first disk is {first_disk}.",
    remedy=f"Make the system disk the first one in the hypervisor or firmware, restart the server. {_CHECK_AGAIN}",
)
MBR_LIMIT: Final = ErrorCode(
    code="SMS.FEASIBILITY.MBR_LIMIT",
    cause="Disk {disk} has {size_bytes} bytes and an MBR partition table, which reaches {limit_bytes} bytes.",
    remedy=f"Convert the disk to GPT (for a BIOS system disk with a BIOS boot partition). {_CHECK_AGAIN}",
)
EXTERNAL_STORAGE: Final = ErrorCode(
    code="SMS.FEASIBILITY.EXTERNAL_STORAGE",
    cause="{count} external or removable disks are attached and are not migrated: {disks} (mounted: {mount_points}).",
    remedy="Copy what is needed from them by other means, or onto an internal disk before the migration.",
)
SYSTEM_ON_EXTERNAL_STORAGE: Final = ErrorCode(
    code="SMS.FEASIBILITY.SYSTEM_ON_EXTERNAL_STORAGE",
    cause="{mount_point} of the system is on the external disk {disk} ({transport}); it must be on an internal one.",
    remedy=f"Move the system to an internal disk. {_CHECK_AGAIN}",
)
LVM_UNSUPPORTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.LVM_UNSUPPORTED",
    cause="{count} mounts lie on volume groups that cannot be made again ({places}): the group's description could not "
    "be read, a physical volume of it is missing or on no partition, disk or array, or two groups have its name.",
    remedy=f"See what `vgs` and `pvs -a` say and repair the group, or unmount what need not move. {_CHECK_AGAIN}",
)
LVM_CHANGED: Final = ErrorCode(
    code="SMS.FEASIBILITY.LVM_CHANGED",
    cause="{count} logical volumes do not arrive as they are: {places}.",
    remedy="Nothing has to be done: the target's provider keeps its disks safe. Copy what only a snapshot holds.",
)
LVM_THIN: Final = ErrorCode(
    code="SMS.FEASIBILITY.LVM_THIN",
    cause="{count} volumes are thin volumes or thin pools of LVM ({places}); 0 are allowed.",
    remedy=f"Copy the thin volumes to ordinary ones and remove the pool. {_CHECK_AGAIN}",
)
RAID_UNSUPPORTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.RAID_UNSUPPORTED",
    cause="{count} mounts lie on arrays with partitions in them or of unknown members ({places}); 0 are allowed.",
    remedy=f"Move the file systems off these arrays, or unmount what need not move. {_CHECK_AGAIN}",
)
RAID_BECOMES_PLAIN: Final = ErrorCode(
    code="SMS.FEASIBILITY.RAID_BECOMES_PLAIN",
    cause="{count} RAID arrays become plain partitions or disks of the target: {places}.",
    remedy="Nothing has to be done: the target's provider keeps its disks safe. Make an array there if one is wanted.",
)
MAPPER_UNSUPPORTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.MAPPER_UNSUPPORTED",
    cause="{count} mounts lie on mapped devices ({places}); this version migrates plain partitions and disks.",
    remedy="Mount the file systems from their partitions, or wait for a version that supports it.",
)
ENCRYPTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.ENCRYPTED",
    cause="{count} volumes or folders are encrypted ({places}); 0 are allowed.",
    remedy=f"Decrypt them, or move their contents to volumes that are not encrypted. {_CHECK_AGAIN}",
)
FILE_SYSTEM: Final = ErrorCode(
    code="SMS.FEASIBILITY.FILE_SYSTEM",
    cause="{count} mounted file systems cannot be migrated: {places}; allowed are {allowed}.",
    remedy=f"Move the data to an allowed file system, or unmount what the target does not need. {_CHECK_AGAIN}",
)
NOT_MOUNTED: Final = ErrorCode(
    code="SMS.FEASIBILITY.NOT_MOUNTED",
    cause="{count} file systems are not mounted, and so their files are not migrated: {places}.",
    remedy="Mount what has to come along, then check again with `sms server check ID`.",
)
BTRFS_ON_LVM: Final = ErrorCode(
    code="SMS.FEASIBILITY.BTRFS_ON_LVM",
    cause="{count} Btrfs file systems lie on LVM ({places}); 0 are allowed.",
    remedy=f"Move them to partitions. {_CHECK_AGAIN}",
)
BTRFS_RELEASE: Final = ErrorCode(
    code="SMS.FEASIBILITY.BTRFS_RELEASE",
    cause="{count} Btrfs file systems ({places}) are on {row}, from which Btrfs cannot be migrated.",
    remedy=f"Update the system to its next service pack. {_CHECK_AGAIN}",
)
BTRFS_SEVERAL_DISKS: Final = ErrorCode(
    code="SMS.FEASIBILITY.BTRFS_SEVERAL_DISKS",
    cause="{count} Btrfs file systems span several devices ({places}); each must lie on 1.",
    remedy=f"Shrink each to one device with `btrfs device remove`. {_CHECK_AGAIN}",
)
HIBERNATED: Final = ErrorCode(
    code="SMS.FEASIBILITY.HIBERNATED",
    cause="{places} holds a hibernated system; its memory is not migrated.",
    remedy="Start that system and shut it down cleanly before the migration.",
)
ROOT_SPACE: Final = ErrorCode(
    code="SMS.FEASIBILITY.ROOT_SPACE",
    cause="The root file system has {free_bytes} bytes free; {needed_bytes} are needed.",
    remedy=f"Delete or move files. {_CHECK_AGAIN}",
)
NETWORK_STORAGE: Final = ErrorCode(
    code="SMS.FEASIBILITY.NETWORK_STORAGE",
    cause="{count} network file systems are mounted and are not migrated: {places}.",
    remedy="Make sure that the target can reach them: their lines in fstab come along.",
)
WINDOWS_SPACE: Final = ErrorCode(
    code="SMS.FEASIBILITY.WINDOWS_SPACE",
    cause="{count} partitions have too little free space: {places}. Partitions of {large_bytes} bytes and more need "
    "{needed_large_bytes} bytes free, smaller ones {needed_small_bytes}.",
    remedy=f"Delete or move files, or enlarge the partition. {_CHECK_AGAIN}",
)
DYNAMIC_DISKS: Final = ErrorCode(
    code="SMS.FEASIBILITY.DYNAMIC_DISKS",
    cause="{count} disks are dynamic disks ({disks}); on the target they are basic disks.",
    remedy="Volumes that span or mirror several dynamic disks become plain partitions: check the space of each.",
)
CLUSTER_DATABASE: Final = ErrorCode(
    code="SMS.FEASIBILITY.CLUSTER_DATABASE",
    cause="{count} databases of several nodes run on the server ({places}); 0 are allowed.",
    remedy="Move them by their own replication: add the new server as a node, then remove this one. "
    f"Take the database out of the cluster's configuration here. {_CHECK_AGAIN}",
)
CLUSTER_DATABASE_POSSIBLE: Final = ErrorCode(
    code="SMS.FEASIBILITY.CLUSTER_DATABASE_POSSIBLE",
    cause="{count} databases may be part of a cluster, whose number of nodes no file tells: {places}.",
    remedy="One that has this node only can be migrated: stop it for the last sync round. One with more nodes moves by "
    "its own replication.",
)
DIRECTORY_SERVICE: Final = ErrorCode(
    code="SMS.FEASIBILITY.DIRECTORY_SERVICE",
    cause="{count} directory services are on the server ({places}); 0 are allowed.",
    remedy="Make a new domain controller on the target side, move the roles to it, take this one out of the domain.",
)
DOMAIN_MEMBER: Final = ErrorCode(
    code="SMS.FEASIBILITY.DOMAIN_MEMBER",
    cause="The server is a member of {count} domains: {places}.",
    remedy="After the cutover join the target to the domain again; have an account of its administrator ready.",
)
HARDWARE_BOUND: Final = ErrorCode(
    code="SMS.FEASIBILITY.HARDWARE_BOUND",
    cause="{count} applications are bound to this machine's hardware ({places}); 0 are allowed.",
    remedy="Ask the maker for a licence that does not need the device or the network card, remove what binds it here. "
    f"{_CHECK_AGAIN}",
)
NOT_CHECKED: Final = ErrorCode(
    code="SMS.FEASIBILITY.NOT_CHECKED",
    http_status=404,
    exit_code=3,
    cause="Server {server_id} is not known, or has not been checked yet.",
    remedy="List the servers with `sms server list`; an agent that has just registered is checked within seconds.",
)
