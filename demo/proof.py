"""What must hold at the end, found out without the code that did the migration."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from contracts.base import Model
from demo.load_generator import acknowledged_orders
from demo.ssh import Ssh
from demo.system_disks import as_raw, mounted_system
from demo.tree_comparison import Circumstances, TreeComparison, compare_trees

_READ_ORDERS: Final = """
import json, sqlite3
database = sqlite3.connect("file:/data/orders/orders.db?mode=ro", uri=True)
print(json.dumps({"check": database.execute("PRAGMA integrity_check").fetchone()[0],
    "orders": database.execute("SELECT number, token FROM orders").fetchall()}))
"""
_FIND_OURS: Final = (
    "find / /data -xdev ( -iname *sms-agent* -o -name sms-roots-* -o -name .sms-* -o -name *.sms-new ) -print -prune "
    "-o -path /proc -prune -o -path /sys -prune"
)
_STORAGE_UNIT: Final = re.compile(
    r"systemd-fsck|systemd-remount-fs|local-fs|systemd-growfs|grub|\.(mount|swap|automount)$|systemd-makefs"
)
_STORAGE_MESSAGE: Final = re.compile(
    r"EXT4-fs|XFS|BTRFS|fsck|fstab|GRUB|I/O error|Timed out waiting for device|Dependency failed for /", re.IGNORECASE
)


class OrderProof(Model):
    """Acknowledged orders against the target's database. lost: acknowledged, but not there, or another's token."""

    acknowledged: int
    on_target: int
    lost: int
    lost_numbers: tuple[int, ...] = ()
    database_check: str


class JournalProof(Model):
    """errors: of fstab, boot loader, file systems and devices in the target's journal of this boot. other_errors:
    further lines of that severity, for information. failed_units: of any kind."""

    errors: tuple[str, ...]
    other_errors: tuple[str, ...]
    failed_units: tuple[str, ...]


def prove_orders(target: Ssh, book: Path) -> OrderProof:
    """Read the target's database with Python's own SQLite, and look for every acknowledged order."""
    read = json.loads(target.run("python3 -", input_data=_READ_ORDERS.encode()))
    present = dict(read["orders"])
    acknowledged = list(acknowledged_orders(book))
    lost = [order.number for order in acknowledged if present.get(order.number) != order.token]
    return OrderProof(
        acknowledged=len(acknowledged),
        on_target=len(present),
        lost=len(lost),
        lost_numbers=tuple(lost[:50]),
        database_check=read["check"],
    )


def prove_journal(target: Ssh) -> JournalProof:
    """Look through the errors of the target's present boot."""
    shown = target.run("journalctl --boot --priority=err --output=json --no-pager")
    errors: list[str] = []
    other: list[str] = []
    for line in shown.splitlines():
        entry = json.loads(line)
        unit = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "")
        text = f"{unit}: {_message(entry)}"
        is_storage = _STORAGE_UNIT.search(unit) or _STORAGE_MESSAGE.search(_message(entry))
        (errors if is_storage else other).append(text[:300])
    failed = target.run("systemctl list-units --state=failed --no-legend --plain --all").splitlines()
    failed_units = tuple(line.split()[0] for line in failed if line.strip())
    return JournalProof(errors=tuple(errors), other_errors=tuple(other), failed_units=failed_units)


def _message(entry: dict[str, Any]) -> str:
    message = entry.get("MESSAGE") or ""
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)


def leftovers_inside(machine: Ssh, *, name: str, access_key: str) -> tuple[str, ...]:
    """What is left of our agent on a machine: files, processes, units, and its credential in any file of /etc,
    /opt, /root and /var/lib."""
    command = _FIND_OURS.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*")
    found = [f"{name}: file {path}" for path in machine.run(command).splitlines()]
    found += [f"{name}: process {line}" for line in machine.run("pgrep -fl '[s]ms-agent' || true").splitlines()]
    units = machine.run("systemctl list-unit-files --no-legend '*sms*' || true")
    found += [f"{name}: unit {line.split()[0]}" for line in units.splitlines() if line.strip()]
    pattern = f"[{access_key[0]}]{access_key[1:]}"
    holding = machine.run(f"grep -rlI -- '{pattern}' /etc /opt /root /var/lib /srv 2>/dev/null || true")
    return tuple(found + [f"{name}: the access key is in {path}" for path in holding.splitlines()])


def leftovers_on_host(data_folder: Path, kept_images: tuple[Path, ...]) -> tuple[str, ...]:
    """What is left on this host after `sms down`: processes, loop devices, mounts, and temporary parts of targets.

    kept_images: the disk images that the task names as its result.
    """
    return (
        *_processes_of(data_folder),
        *_loop_devices_of(data_folder),
        *_mounts_of(data_folder),
        *_temporary_files_of(data_folder, kept_images),
    )


def running_machines(data_folder: Path) -> tuple[str, ...]:
    """The target machines of a data folder that run."""
    return tuple(text for text in _processes_of(data_folder) if " qemu-system" in text)


def _processes_of(data_folder: Path) -> list[str]:
    mark = f"SMS_INSTALLATION={data_folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(f"host: process {path.parent.name} {(path.parent / 'comm').read_text().strip()}")
        except OSError:
            continue
    return found


def _loop_devices_of(data_folder: Path) -> list[str]:
    shown = subprocess.run(["losetup", "--json", "--list"], capture_output=True, check=True).stdout
    devices = json.loads(shown or b"{}").get("loopdevices", [])
    return [
        f"host: loop device {device['name']} on {device['back-file']}"
        for device in devices
        if str(device["back-file"]).startswith(f"{data_folder}/")
    ]


def _mounts_of(data_folder: Path) -> list[str]:
    mount_points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [f"host: mount {point}" for point in mount_points if point.startswith(f"{data_folder}/")]


def _temporary_files_of(data_folder: Path, kept_images: tuple[Path, ...]) -> list[str]:
    found = []
    for target in (data_folder / "targets").glob("*"):
        for name in ("helper", "layers"):
            found += [f"host: {path}" for path in (target / name).glob("*")]
        images = (path for pattern in ("*.qcow2", "*.raw", "*.img") for path in target.rglob(pattern))
        found += [f"host: {path}" for path in images if path not in kept_images]
    return list(dict.fromkeys(found))


def compare_with_source(
    source_overlays: tuple[Path, Path], target_disks: tuple[Path, Path], folder: Path, circumstances: Circumstances
) -> TreeComparison:
    """Compare both servers' file systems after they were shut down. folder: for raw copies and mount points."""
    folder.mkdir(parents=True, exist_ok=True)
    system = as_raw(source_overlays[0], folder / "source-system.raw")
    data = as_raw(source_overlays[1], folder / "source-data.raw")
    with (
        mounted_system(system, data, folder / "source") as source,
        mounted_system(*target_disks, folder / "target") as target,
    ):
        return compare_trees(source, target, circumstances)
