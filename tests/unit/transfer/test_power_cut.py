"""The target loses its power in mid-copy: its file system forgets what it had not written down."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_resume import MIB, Ends
from transfer_kit import differences, snapshot

pytestmark = pytest.mark.root
RATE_MIB_S = 40
HELD_S = 60
# Of EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which are one: not even the journal is written.
SHUTDOWN, WITHOUT_JOURNAL = 0x8004587D, 2
COMMANDS = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q")}


class Disk:
    """A file system on a loop device that can be cut off."""

    def __init__(self, folder: Path, point: Path, kind: str) -> None:
        self.image, self.point = folder / "disk.img", point
        with open(self.image, "wb") as file:
            file.truncate(600 * MIB)
        subprocess.run([*COMMANDS[kind], str(self.image)], check=True, capture_output=True)
        self.mount()

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.point)], check=True)

    def cut(self) -> None:
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", WITHOUT_JOURNAL))
        finally:
            os.close(descriptor)

    def cut_power(self, ends: Ends, after: int) -> subprocess.Popen[str]:
        """A copy whose target loses its power after so many bytes and starts again; the source, which goes on."""
        target = ends.start("target")
        source = ends.start("source")
        ends.wait_sent(source, after)
        # The machine stops at once: a target that lives on for a moment would say that its disk is gone.
        target.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, target.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.cut()
        target.kill()
        target.wait()
        self.unmount()
        self.mount()
        ends.start("target")
        return source

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.point)], check=True)
        # A mount namespace that another test has just made may hold it a moment longer: what is mounted meanwhile would
        # be the same file system, cut off as it is.
        deadline = time.monotonic() + HELD_S
        while subprocess.run(["losetup", "-j", str(self.image)], check=True, capture_output=True).stdout:
            assert time.monotonic() < deadline, "something else holds the file system"
            time.sleep(0.1)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(tmp_path, rate_limit_bit_s=8 * RATE_MIB_S * MIB, applied_survives=False)
    yield ends
    ends.close()


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_of_the_target_costs_what_was_not_on_its_disk(ends: Ends, tmp_path: Path, kind: str) -> None:
    disk = Disk(tmp_path, ends.target, kind)
    try:
        summary = ends.finish(disk.cut_power(ends, 80 * MIB))
        print(kind, "bytes_resent", summary.bytes_resent)  # noqa: T201 - the figure is reported
        # 64 MiB or what two seconds send, whichever is more.
        assert summary.bytes_resent <= max(64, 2 * RATE_MIB_S) * MIB
        hidden = (b"lost+found",)
        assert differences(snapshot(ends.source), snapshot(ends.target, leave_out=hidden)) == []
    finally:
        ends.close()
        disk.unmount()
