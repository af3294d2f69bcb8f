"""Whether this host's kernel has what a plan needs; what it lacks, a helper VM has."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from shutil import which
from typing import Final, Literal

from agents.host.processes import boot_id
from agents.host.records import read_record, write_record
from agents.host.settings import HostSettings
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HELPER_NEEDED

HelperKind = Literal["process", "vm"]
HelperWish = Literal["auto", "process", "vm"]
_DEVICE_MAPPER: Final = Path("/sys/class/misc/device-mapper")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOL_TIMEOUT_S: Final = 30


class KnownAbilities(Model):
    """``host/abilities.json``: what was tried, in this boot of the host."""

    boot_id: str
    has: dict[str, bool]


def choose_helper(wish: HelperWish, needs: Iterable[str], settings: HostSettings) -> HelperKind:
    """The kind of helper for a plan. needs: see `BootHelper`.

    Raises MigrationError SMS.TARGET.HELPER_NEEDED when a process is asked for and cannot do it.
    """
    if wish == "vm":
        return "vm"
    missing = [need for need in needs if not _has(need, settings)]
    if not missing:
        return "process"
    if wish == "process":
        raise MigrationError(TARGET_HELPER_NEEDED, missing=", ".join(missing))
    return "vm"


def _has(need: str, settings: HostSettings) -> bool:
    path = settings.data_folder / "host" / "abilities.json"
    known = read_record(path, KnownAbilities)
    if known is None or known.boot_id != boot_id():
        known = KnownAbilities(boot_id=boot_id(), has={})
    if need not in known.has:
        known = known.model_copy(update={"has": {**known.has, need: _try(need)}})
        write_record(path, known)
    return known.has[need]


def _try(need: str) -> bool:
    """Anything that is not known here is lacking: the helper VM is the larger of the two."""
    match need:
        case "lvm":
            return which("vgcfgrestore", path=_PATH) is not None
        case "device-mapper":
            _load("dm_mod")
            return _DEVICE_MAPPER.exists() and which("dmsetup", path=_PATH) is not None
        case "vsyscall":
            return "[vsyscall]" in Path("/proc/self/maps").read_text(encoding="ascii", errors="replace")
        case "xfs-v4":
            return _mounts_old_xfs()
        case _:
            _load(need)
            return _has_file_system(need)


def _has_file_system(kind: str) -> bool:
    lines = Path("/proc/filesystems").read_text(encoding="ascii").splitlines()
    return any(line.split()[-1:] == [kind] for line in lines)


def _load(module: str) -> None:
    """What is built in needs no loading, so a failure says nothing."""
    subprocess.run(["modprobe", "-q", "--", module], check=False, timeout=_TOOL_TIMEOUT_S, capture_output=True)


def _mounts_old_xfs() -> bool:
    """XFS without checksums is an option of the kernel that nothing tells but a mount."""
    with tempfile.TemporaryDirectory(prefix="sms-xfs-") as folder:
        image, mount_point = Path(folder, "image"), Path(folder, "mount")
        mount_point.mkdir()
        with image.open("wb") as file:
            file.truncate(32 << 20)
        make = ["mkfs.xfs", "-q", "-m", "crc=0,reflink=0", "-n", "ftype=0", "--unsupported", str(image)]
        mount = ["unshare", "--mount", "--propagation", "private", "--", "mount", "-o", "loop,ro", str(image)]
        tried = (make, [*mount, str(mount_point)])
        return all(
            subprocess.run(command, check=False, timeout=_TOOL_TIMEOUT_S, capture_output=True).returncode == 0
            for command in tried
        )
