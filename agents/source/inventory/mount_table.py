"""/proc/self/mountinfo: which mounts belong to the system, and which of them hold data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

NETWORK_KINDS: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "lustre",
        "glusterfs",
        "9p",
        "beegfs",
        "gpfs",
        "orangefs",
    }
)
NETWORK_FUSE_KINDS: Final = frozenset(
    {
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.davfs",
        "fuse.juicefs",
        "fuse.curlftpfs",
    }
)
# A read-only image that lies as a file in another file system (snap packages, inserted media).
_IMAGE_KINDS: Final = frozenset({"squashfs", "iso9660", "udf", "erofs"})
# No block device of their own behind the anonymous device number, and data all the same.
_ANONYMOUS_DATA_KINDS: Final = frozenset({"btrfs", "zfs", "bcachefs", "ecryptfs"})
_LOOP_MAJOR: Final = 7
# The agent's own private binds (agents/source/bind.py) show in its mount table when it collects again.
_OWN_BINDS: Final = "/sms-roots-"


@dataclass(frozen=True, kw_only=True)
class MountEntry:
    """One line of mountinfo, unescaped. device: "major:minor"; options: of the mount, then of its file system."""

    device: str
    root: str
    mount_point: str
    kind: str
    source: str
    options: tuple[str, ...]

    @property
    def is_network(self) -> bool:
        """Whether what is mounted lives on another machine."""
        return self.kind in NETWORK_KINDS or self.kind in NETWORK_FUSE_KINDS

    @property
    def major(self) -> int:
        """Major device number; 0 for file systems without a block device of their own."""
        return int(self.device.partition(":")[0])


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)


def parse_mount_table(text: str) -> list[MountEntry]:
    """All mounts in the order of the file; lines that cannot be read are left out."""
    entries = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if not separator or len(fields) < 6 or len(tail) < 3:
            continue
        options = dict.fromkeys(fields[5].split(",") + tail[2].split(","))
        entries.append(
            MountEntry(
                device=fields[2],
                root=_unescape(fields[3]),
                mount_point=_unescape(fields[4]),
                kind=tail[0],
                source=_unescape(tail[1]),
                options=tuple(options),
            )
        )
    return entries


def _holds_data(entry: MountEntry, *, is_live: bool) -> bool:
    if entry.is_network:
        return True
    if entry.kind in _IMAGE_KINDS:
        return False
    if entry.major == 0:
        return entry.kind in _ANONYMOUS_DATA_KINDS
    # What a running system mounts from an image file of its own is copied with that file.
    return not (is_live and entry.major == _LOOP_MAJOR)


def below(entries: list[MountEntry], root: PurePosixPath) -> list[MountEntry]:
    """The mounts at or below a folder, the last one where several lie on one mount point."""
    by_point: dict[str, MountEntry] = {}
    for entry in entries:
        if PurePosixPath(entry.mount_point).is_relative_to(root) and _OWN_BINDS not in entry.mount_point:
            by_point.pop(entry.mount_point, None)
            by_point[entry.mount_point] = entry
    return list(by_point.values())


def containing(entries: list[MountEntry], folder: PurePosixPath) -> MountEntry | None:
    """The mount that a folder lies in."""
    candidates = [entry for entry in entries if folder.is_relative_to(entry.mount_point)]
    return max(reversed(candidates), key=lambda entry: len(PurePosixPath(entry.mount_point).parts), default=None)


def data_mounts(entries: list[MountEntry], root: PurePosixPath) -> list[MountEntry]:
    """The mounts of a system that hold data of their own or come over a network, parents first.

    Pseudo file systems are left out, and so are bind mounts: of several mounts of one subtree the one with the
    shortest path stays, and a subtree of a device that is mounted as a whole is left out (a Btrfs subvolume has
    to be told apart by the caller, it is kept here).
    """
    is_live = root == PurePosixPath("/")
    found = [
        entry
        for entry in below(entries, root)
        if _holds_data(entry, is_live=is_live) or PurePosixPath(entry.mount_point) == root
    ]
    found.sort(key=lambda entry: (len(PurePosixPath(entry.mount_point).parts), entry.mount_point))
    whole = {entry.device for entry in found if entry.root == "/"}
    kept: list[MountEntry] = []
    seen: set[tuple[str, str]] = set()
    for entry in found:
        is_bind = entry.device in whole and entry.root != "/" and entry.kind != "btrfs"
        is_root = PurePosixPath(entry.mount_point) == root
        if (entry.device, entry.root) in seen or (is_bind and not is_root):
            continue
        seen.add((entry.device, entry.root))
        kept.append(entry)
    return kept
