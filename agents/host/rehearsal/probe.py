"""What the probe of a rehearsed system says: lines of JSON through a virtio-serial port, from a hostile writer."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from contracts.base import Model

PORT_NAME: Final = "org.sms.rehearsal"
_LIMIT_BYTES: Final = 4 << 20
_READ_BYTES: Final = 64 << 10
_LISTENS: Final = "0A"
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_NETWORK_KINDS: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "9p", "lustre")
)
# Not file systems of a disk: a line for one of them says nothing about the migration.
_NO_DISK: Final = frozenset(("swap", "none", "tmpfs", "proc", "sysfs", "devpts", "debugfs", "devtmpfs", "cgroup"))


class ProbeReport(Model):
    """The lines of what the probe has read: of `systemctl`, /proc/self/mounts, /etc/fstab, /proc/net/tcp, `ip`."""

    failed_units: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    fstab: tuple[str, ...] = ()
    tcp: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    is_last: bool = False

    def units(self) -> tuple[str, ...]:
        """Failed units but mounts, which are judged by fstab."""
        named = (line.replace("●", " ").split() for line in self.failed_units)
        names = (words[0][:100] for words in named if words)
        return tuple(sorted(name for name in names if not name.endswith((".mount", ".automount", ".swap"))))

    def mount_points(self) -> tuple[str, ...]:
        """Where something is mounted."""
        return tuple(sorted({_plain(words[1]) for line in self.mounts if len(words := line.split(" ")) > 2}))

    def wanted_mounts(self) -> dict[str, bool]:
        """Mount points of fstab that a boot mounts from disks, and whether the boot may do without (nofail)."""
        found: dict[str, bool] = {}
        for line in self.fstab:
            words = line.split()
            if len(words) < 3 or words[0].startswith("#") or not words[1].startswith("/"):
                continue
            options = words[3].split(",") if len(words) > 3 else []
            if words[2] in _NO_DISK | _NETWORK_KINDS or {"noauto", "_netdev", "bind"} & set(options):
                continue
            found[_plain(words[1]).rstrip("/") or "/"] = "nofail" in options
        return found

    def ports(self) -> tuple[int, ...]:
        """TCP ports on which something listens."""
        rows = (line.split() for line in self.tcp)
        found = {row[1].rpartition(":")[2] for row in rows if len(row) > 3 and row[3] == _LISTENS}
        return tuple(sorted(int(port, 16) for port in found if re.fullmatch(r"[0-9A-Fa-f]{4}", port)))

    def ip_addresses(self) -> tuple[str, ...]:
        """Global addresses with their prefix, of all interfaces."""
        words = (line.split() for line in self.addresses)
        return tuple(row[3][:64] for row in words if len(row) > 3 and row[2] in {"inet", "inet6"})


class ProbePort:
    """The host's end of the port: a socket that QEMU serves. At most 4 MiB are ever kept of what the guest sends."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._received = b""
        self._total_bytes = 0

    def connect(self, path: Path) -> bool:
        """Whether QEMU has opened its end; to be repeated until it has."""
        if self._socket is not None:
            return True
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A socket's path holds 107 characters at most; the way through a descriptor of its folder is always short.
        try:
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                found.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
        except OSError:
            found.close()
            return False
        found.settimeout(0)
        self._socket = found
        return True

    def newest(self) -> ProbeReport | None:
        """The last whole report that has come since the last call; None for none, or for one that is no report."""
        while self._socket is not None and self._total_bytes < _LIMIT_BYTES:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                self.close()
                break
            if not data:
                self.close()
                break
            self._received += data
            self._total_bytes += len(data)
        *lines, self._received = self._received.split(b"\n")
        reports = [report for line in lines if (report := _parsed(line)) is not None]
        return reports[-1] if reports else None

    def close(self) -> None:
        """May be repeated."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _parsed(line: bytes) -> ProbeReport | None:
    try:
        return ProbeReport.model_validate_json(line.decode("utf-8", errors="replace"))
    except ValidationError:
        return None


def _plain(text: str) -> str:
    """/proc/mounts and fstab write blanks and backslashes as octal escapes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
