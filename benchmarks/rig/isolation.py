"""A network of its own, so that counters count one benchmark and nobody else, and mounts that end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ISOLATED = "--isolated"
_MIB = 1 << 20


def enter(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run the module again in network and mount namespaces of its own; needs root. It must then call set_up."""
    command = ["unshare", "--net", "--mount", "--", sys.executable, "-m", module, *arguments, ISOLATED]
    os.execvp(command[0], command)  # noqa: S606 - this process becomes that program; no shell is wanted


def set_up() -> None:
    """Bring loopback up, and give sshd the folder that it insists on, in a /run that nobody else sees.

    Whoever ends the benchmark from then on lets it clean up first.
    """
    signal.signal(signal.SIGTERM, _leave)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    Path("/run/sshd").mkdir(mode=0o755)


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def drop_caches() -> None:
    """Forget every clean page, name and inode; what is to be forgotten must be on disk already."""
    Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


@contextmanager
def new_disk(folder: Path, size_bytes: int, *, inodes: int) -> Iterator[Path]:
    """A new ext4 of its own, as a replica's disk is; it and its image are gone afterwards.

    Not a folder beside the last copy: ext4 passes over inodes that were deleted within the last half minute, which
    took a copy after another one up to nine CPU seconds on 30,000 files.
    """
    image, point = folder / "disk.img", folder / "disk"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(size_bytes // _MIB * _MIB)
    make = ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0", "-N", str(inodes), str(image)]
    subprocess.run(make, check=True)
    attach = ["losetup", "--find", "--show", "--direct-io=on", str(image)]
    device = subprocess.run(attach, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        subprocess.run(["mount", device, str(point)], check=True)
    finally:
        # While it is mounted this only means that the device goes with the mount, however that ends.
        subprocess.run(["losetup", "--detach", device], check=True)
    try:
        point.joinpath("lost+found").rmdir()
        yield point
    finally:
        # Lazily: when a benchmark is ended, a peer may still be writing; the disk goes with its last file.
        subprocess.run(["umount", "--lazy", str(point)], check=True)
        image.unlink()
        point.rmdir()
