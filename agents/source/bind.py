"""A private view of every mounted file system, in which nothing is mounted over its folders."""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from contracts.inventory import Mount
from contracts.layout import CopyVolume

_CLONE_NEWNS: Final = 0x00020000
_MS_RDONLY: Final = 0x1
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_NOEXEC: Final = 0x8
_MS_REMOUNT: Final = 0x20
_MS_NOATIME: Final = 0x400
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 0x2
_UMOUNT_NOFOLLOW: Final = 0x8
_FOLDER_NAME: Final = "sms-roots-"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), str(target))


def _unmount(target: Path) -> None:
    _libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW)


_home: list[int] = []


def home_namespace() -> int | None:
    """The mount namespace that this process was started in, as a descriptor; None while it is still there."""
    return _home[0] if _home else None


def _leave_shared_namespace() -> None:
    if len(os.listdir("/proc/self/task")) > 1:
        # Only the calling thread would change its namespace; the others would go on looking at covered folders.
        raise RuntimeError("private roots must be made before any thread is started")
    _home[:] = [os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)]
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount("none", Path("/"), "", _MS_REC | _MS_PRIVATE)


def _remove_folders_of_dead_agents(parent: Path) -> None:
    for folder in parent.glob(f"{_FOLDER_NAME}*"):
        found = re.match(rf"{_FOLDER_NAME}(\d+)-", folder.name)
        if found and not Path("/proc", found.group(1)).exists():
            with suppress(OSError):
                folder.rmdir()


def _clean_up(process: int, mounted: list[Path], folder: Path) -> None:
    if os.getpid() != process:
        return
    for target in reversed(mounted):
        _unmount(target)
    with suppress(OSError):
        folder.rmdir()


def private_roots(mounts: Iterable[Mount], *, parent: Path | None = None) -> dict[str, Path]:
    """Bind every local mount read-only below a folder that only this process sees; returns it by mount_point.

    A bind does not take along what is mounted further below, so a walk in it meets what lies under mount points
    and crosses into nothing else (Btrfs subvolumes excepted). Network mounts are left out. The process gets a
    mount namespace of its own, once: call this before any thread starts, and before what the agent mounts itself.
    Nothing is written to the source's file systems but one empty folder in parent (default /run), removed at
    exit. Raises OSError when a mount is refused (it needs root), RuntimeError when threads are running.
    """
    parent = parent or (Path("/run") if Path("/run").is_dir() else Path(tempfile.gettempdir()))
    _remove_folders_of_dead_agents(parent)
    _leave_shared_namespace()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_NAME}{os.getpid()}-", dir=parent))
    mounted = [folder]
    atexit.register(_clean_up, os.getpid(), mounted, folder)
    _mount("sms-roots", folder, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "mode=0700,size=1m")
    roots: dict[str, Path] = {}
    for number, mount in enumerate(mount for mount in mounts if not mount.is_network):
        target = folder / str(number)
        target.mkdir()
        _mount(mount.host_path, target, "", _MS_BIND)
        mounted.append(target)
        restricted = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOATIME
        _mount("none", target, "", _MS_BIND | _MS_REMOUNT | restricted)
        roots[mount.mount_point] = target
    return roots


def view_of(volume: CopyVolume, roots: Mapping[str, Path]) -> Path | None:
    """Where a volume is seen by `private_roots`: a subvolume that nothing mounts in the innermost mount around it."""
    point = PurePosixPath(volume.mount_point)
    places = (point, *point.parents) if volume.is_nested else (point,)
    around = next((each for each in places if str(each) in roots), None)
    return roots[str(around)] / point.relative_to(around) if around is not None else None
