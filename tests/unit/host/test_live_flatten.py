"""A running machine moves from its layer to raw files: whoever is killed at whichever moment, nothing is lost.

The machine finds no boot loader and waits for ever; what its guest would write, QEMU's monitor writes in its place.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.host.census import release, take_census
from agents.host.flatten import flatten, flatten_progress
from agents.host.folders import TargetFolder
from agents.host.layers import create_launch_layer, layer_disks
from agents.host.live_flatten import monitor_path
from agents.host.machine import is_running, launch, load_machine, stop_machine
from agents.host.machine_disks import attached_nodes
from agents.host.points import take_point
from agents.host.qmp import Monitor
from agents.host.replica import create_disks
from agents.host.settings import HostSettings
from contracts.errors import MigrationError
from contracts.messages.host import LaunchHostMachine
from contracts.messages.target_provisioner import DiskRequest

pytestmark = [pytest.mark.root, pytest.mark.boot]
REPOSITORY = Path(__file__).parent.parent.parent.parent
MIB = 1 << 20
# Of the 27 commands of a whole move, for two disks: before the first, between nodes and mirrors, between the mirrors,
# when they are ready, between the moves, before and between the closing of the old images, before the last.
KILLS = (1, 6, 7, 8, 13, 16, 18, 21, 23, 27)

# Ends itself in place of the wanted command to the monitor.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from agents.host.flatten import flatten
from agents.host.folders import TargetFolder
from agents.host.qmp import Monitor
real, left = Monitor.execute, [int(sys.argv[2])]
def execute(self, command, arguments=None):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, command, arguments)
Monitor.execute = execute
flatten(TargetFolder.of(Path(sys.argv[1]), "t1"), "l1")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[TargetFolder]:
    """A target with two disks and a machine that runs from a layer over its point."""
    target = TargetFolder.of(tmp_path, "t1")
    create_disks(target, (DiskRequest(name="vda", size_bytes=4 * MIB), DiskRequest(name="vdb", size_bytes=MIB)))
    write_raw(target.replica / "vda.raw", 1, at=0)
    take_point(target, "p1")
    layer = create_launch_layer(target, layer_id="l1", point_id="p1")
    argv = ["qemu-io", "-f", "qcow2", "-c", "write -P 2 65536 65536", layer_disks(target, layer)[0].path]
    subprocess.run(argv, check=True, capture_output=True)
    start_machine(target)
    yield target
    release(target, only_temporary=False)


def start_machine(target: TargetFolder) -> None:
    request = LaunchHostMachine(target_id="t1", layer_id="l1", cpu_count=1, memory_bytes=64 * MIB, is_isolated=True)
    settings = HostSettings(
        data_folder=target.path.parent.parent,
        bus_url="",
        boot_probe_kernel=Path("/nonexistent"),
        boot_probe_timeout_s=1,
    )
    launch(target, request, settings)
    deadline = time.monotonic() + 10
    while not monitor_path(target, "l1").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def write_raw(path: Path, byte: int, *, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]) * 65536)


def guest_writes(target: TargetFolder, byte: int, *, at: int) -> None:
    device = "/machine/peripheral/virtio0/virtio-backend"
    line = f'qemu-io -d {device} "write -P {byte} {at} 65536"'
    with Monitor(monitor_path(target, "l1")) as monitor:
        assert monitor.execute("human-monitor-command", {"command-line": line}) == "", "it speaks only of an error"


def pid_of(target: TargetFolder) -> int:
    record = load_machine(target, "l1")
    assert record is not None
    assert record.process is not None
    return record.process.pid


def open_files(pid: int) -> set[str]:
    return {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.exists()}


def blocks(path: str | Path) -> list[int]:
    return list(Path(path).read_bytes()[::65536])[:6]


def test_the_machine_runs_on_from_raw_files_alone(folder: TargetFolder) -> None:
    pid = pid_of(folder)
    disks = flatten(folder, "l1")
    assert pid_of(folder) == pid
    assert is_running(folder, "l1")
    with Monitor(monitor_path(folder, "l1")) as monitor:
        assert [str(node.path) for _, node in sorted(attached_nodes(monitor).items())] == [disk.path for disk in disks]
        assert monitor.execute("query-jobs") == []
    assert not [path for path in open_files(pid) if path.endswith((".qcow2", "replica/vda.raw"))]
    release(folder, only_temporary=True)
    guest_writes(folder, 3, at=2 * 65536)
    assert blocks(disks[0].path) == [1, 2, 3, 0, 0, 0]
    assert Path(disks[0].path).stat().st_blocks * 512 < 2 * MIB, "holes stay holes"
    assert take_census(folder.path.parent.parent).temporary == ()


@pytest.mark.parametrize("killed_at", KILLS)
def test_a_kill_of_the_host_agent_at_any_command_is_made_good(folder: TargetFolder, killed_at: int) -> None:
    pid = pid_of(folder)
    argv = [sys.executable, "-c", KILLED_AT, str(folder.path.parent.parent), str(killed_at)]
    ended = subprocess.run(argv, cwd=REPOSITORY, check=False)
    assert ended.returncode == -signal.SIGKILL
    guest_writes(folder, 4, at=3 * 65536)
    disks = flatten(folder, "l1")
    assert (pid_of(folder), is_running(folder, "l1")) == (pid, True)
    release(folder, only_temporary=True)
    assert blocks(disks[0].path) == [1, 2, 0, 4, 0, 0]
    guest_writes(folder, 5, at=0)
    assert blocks(disks[0].path) == [5, 2, 0, 4, 0, 0]


@pytest.mark.parametrize("killed_at", [8, 16, 20])
def test_a_machine_that_dies_on_the_way_has_lost_nothing(folder: TargetFolder, killed_at: int) -> None:
    argv = [sys.executable, "-c", KILLED_AT, str(folder.path.parent.parent), str(killed_at)]
    subprocess.run(argv, cwd=REPOSITORY, check=False)
    guest_writes(folder, 4, at=3 * 65536)
    os.kill(pid_of(folder), signal.SIGKILL)
    disks = flatten(folder, "l1")
    assert not is_running(folder, "l1")
    assert blocks(disks[0].path) == [1, 2, 0, 4, 0, 0]


def test_a_machine_started_again_after_half_of_it_goes_on_where_it_was(folder: TargetFolder) -> None:
    argv = [sys.executable, "-c", KILLED_AT, str(folder.path.parent.parent), "16"]
    subprocess.run(argv, cwd=REPOSITORY, check=False)
    guest_writes(folder, 4, at=3 * 65536)
    stop_machine(folder, "l1", timeout_s=0)
    start_machine(folder)
    guest_writes(folder, 6, at=4 * 65536)
    disks = flatten(folder, "l1")
    assert is_running(folder, "l1")
    assert blocks(disks[0].path) == [1, 2, 0, 4, 6, 0]


def test_a_copy_that_fails_leaves_the_machine_on_its_layer_and_can_be_tried_again(folder: TargetFolder) -> None:
    folder.flattened.mkdir()
    (folder.flattened / "vda.raw").mkdir()
    with pytest.raises((MigrationError, OSError)):
        flatten(folder, "l1")
    assert is_running(folder, "l1")
    guest_writes(folder, 4, at=3 * 65536)
    (folder.flattened / "vda.raw").rmdir()
    assert blocks(flatten(folder, "l1")[0].path) == [1, 2, 0, 4, 0, 0]


def test_progress_is_told_of_running_and_of_stopped_machines(folder: TargetFolder) -> None:
    assert flatten_progress(folder, "l1").total_bytes == 0
    argv = [sys.executable, "-c", KILLED_AT, str(folder.path.parent.parent), "13"]
    subprocess.run(argv, cwd=REPOSITORY, check=False)
    shown = flatten_progress(folder, "l1")
    assert shown.total_bytes > 0
    assert shown.done_bytes <= shown.total_bytes
    stop_machine(folder, "l1", timeout_s=0)
    assert flatten_progress(folder, "l1").total_bytes > 0
