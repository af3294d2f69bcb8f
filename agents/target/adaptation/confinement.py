"""The sandbox's inside: namespaces, a private /dev, few capabilities, and then the program."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.target.adaptation.seccomp import drop_capabilities, install_filter
from agents.target.namespace import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
    unmount,
    unshare,
)

_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own
    "TMPDIR": "/var/tmp",  # noqa: S108 - the sandbox's own
    "SYSTEMD_OFFLINE": "1",
    "GRUB_DISABLE_OS_PROBER": "true",
    "DEBIAN_FRONTEND": "noninteractive",
}
# CHOWN, DAC_READ_SEARCH, FOWNER, FSETID, SYS_CHROOT, MKNOD. Not DAC_OVERRIDE: nodes of mode 0400 stay unwritable.
_KEPT_CAPABILITIES: Final = frozenset({0, 2, 3, 4, 18, 27})
_CHARACTER_DEVICES: Final = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
_TTY_NUMBER: Final = os.makedev(5, 0)
_PR_SET_PDEATHSIG: Final = 1
_TEMPORARY: Final = MS_NODEV | MS_NOSUID


@dataclass(frozen=True, kw_only=True)
class PlannedDevice:
    """A block device that programs may read: its node's name, and what the links by-… and mapper call it."""

    name: str
    number: int
    uuid: str = ""
    label: str = ""
    part_uuid: str = ""
    mapper_name: str = ""


def confine_and_execute(
    command: Sequence[str],
    *,
    root: str,
    devices: Sequence[PlannedDevice],
    files: Mapping[str, bytes],
    environment: Mapping[str, str],
) -> None:
    """Replace the calling (just forked) process by the confined program; returns only by raising OSError."""
    os.setsid()
    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
    inner = os.fork()
    if inner:
        # This process stands for the program: it dies with it, and kills it by dying (PDEATHSIG below).
        status = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        os._exit(status if status >= 0 else 128 - status)
    die_with_parent()
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    _make_root(root)
    _make_devices(devices)
    for name, content in files.items():
        Path("/tmp", name).write_bytes(content)  # noqa: S108 - the sandbox's own
    _make_read_only()
    drop_capabilities(_KEPT_CAPABILITIES)
    install_filter()
    os.chdir("/")
    os.execve(command[0], list(command), _ENVIRONMENT | dict(environment))  # noqa: S606 - no shell is wanted


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that forked it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _make_root(root: str) -> None:
    """The tree becomes this namespace's root, and nothing of the helper stays mounted."""
    mount(root, root, flags=MS_BIND | MS_REC)
    os.chdir(root)
    pivot_root(".", ".")
    unmount(".", flags=MNT_DETACH)
    os.chdir("/")
    # Only from here on are paths looked up: the tree's own symbolic links cannot point to the helper's files.
    # Read-only, or uid 0 could write to /proc/sys without any capability: core_pattern runs programs as the helper.
    mount("proc", "/proc", "proc", flags=MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    mount("sysfs", "/sys", "sysfs", flags=MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    with contextlib.suppress(OSError):
        # Some helpers start by UEFI; targets by BIOS must not be set up for it.
        if os.path.isdir("/sys/firmware/efi"):
            mount("tmpfs", "/sys/firmware/efi", "tmpfs", flags=_TEMPORARY | MS_RDONLY)
    for path in ("/run", "/tmp", "/var/tmp"):  # noqa: S108 - the sandbox's own
        mount("tmpfs", path, "tmpfs", flags=_TEMPORARY, options="mode=1777,size=75%")


def _make_devices(devices: Sequence[PlannedDevice]) -> None:
    mount("tmpfs", "/dev", "tmpfs", flags=MS_NOSUID | MS_NOEXEC, options="mode=755,size=1m")
    os.umask(0)
    for name, minor in _CHARACTER_DEVICES.items():
        os.mknod(f"/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(1, minor))
    os.mknod("/dev/tty", stat.S_IFCHR | 0o666, _TTY_NUMBER)
    for link, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        os.symlink(f"/proc/self/fd{target}", f"/dev/{link}")
    os.umask(0o022)
    for device in devices:
        os.mknod(f"/dev/{device.name}", stat.S_IFBLK | 0o400, device.number)
        for folder, value in (("uuid", device.uuid), ("label", device.label), ("partuuid", device.part_uuid)):
            _link(f"/dev/disk/by-{folder}", value, f"../../{device.name}")
        _link("/dev/mapper", device.mapper_name, f"../{device.name}")


def _link(folder: str, name: str, target: str) -> None:
    """A udev link; a name with a slash (labels may have one) is left out."""
    if not name or "/" in name or name in {".", ".."}:
        return
    os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink(target, f"{folder}/{name}")


def _make_read_only() -> None:
    """Programs may be executed from the tree, which the helper mounted without that right; nothing is written."""
    tree = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        path = os.fsdecode(fields[4].decode("unicode_escape").encode("latin-1"))
        kind = fields[fields.index(b"-") + 1]
        if kind not in {b"proc", b"sysfs", b"tmpfs"}:
            mount("none", path, flags=tree)
    mount("none", "/dev", flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC)
