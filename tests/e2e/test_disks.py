"""Target disks on real loop devices: identifiers, features, mounts, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agents.source.inventory.superblocks import recognise
from agents.source.inventory.volume_reader import open_volume
from agents.target.disks import PreparedDisks
from agents.target.disks.format import make_file_system
from agents.target.disks.table import write_table
from agents.target.namespace import enter_private_mount_namespace
from contracts.errors import MigrationError
from contracts.inventory import Disk, FileSystem, Mount, OperatingSystem, Partition, SourceInventory
from contracts.layout import TargetDisk, TargetLayout, TargetPartition
from contracts.messages.agent import AttachedDisk
from services.task.domain.layout import plan_layout
from tests.private_namespace import in_private_namespace

pytestmark = pytest.mark.root
MIB = 1 << 20
UUID = "6d2f1c3e-1111-4222-8333-123456789abc"
SOURCES = {
    "ext2": ["mke2fs", "-q", "-t", "ext2", "-L", "name"],
    "ext3 of an old system": ["mke2fs", "-q", "-t", "ext3", "-I", "128", "-O", "^metadata_csum,^64bit", "-b", "1024"],
    "ext4 of Debian 12": ["mke2fs", "-q", "-t", "ext4", "-m", "1"],
    "ext4 of an old system": ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum,^64bit,uninit_bg", "-i", "8192"],
    "xfs of Debian 12": ["mkfs.xfs", "-q", "-L", "name"],
    "xfs of EL 7": ["mkfs.xfs", "-q", "-m", "crc=1,finobt=0,reflink=0,bigtime=0,inobtcount=0", "-i", "sparse=0"],
    "btrfs of Debian 12": ["mkfs.btrfs", "-q", "-L", "name"],
    "btrfs of an old system": ["mkfs.btrfs", "-q", "-O", "^no-holes", "-R", "^free-space-tree", "-n", "4096"],
    "swap": ["mkswap", "-q", "-L", "name"],
}


def image(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def superblock(path: Path) -> FileSystem:
    with open_volume(path) as volume:
        found = recognise(volume)
    assert found is not None
    return found


def comparable(file_system: FileSystem) -> dict[str, object]:
    """Without what the device or the moment decides, and what a file system gets by being one of several."""
    values = file_system.model_dump()
    parameters = dict(values["parameters"])
    for name in (
        "device_uuid",
        "meta_uuid",
        "log_blocks",
        "allocation_groups",
        "flex_group_blocks",
        "check_interval_s",
    ):
        parameters.pop(name, None)
    return values | {"features": set(values["features"]), "parameters": parameters}


@pytest.mark.parametrize("name", SOURCES)
def test_file_system_is_made_with_the_sources_identifiers_and_features(name: str, tmp_path: Path) -> None:
    source = image(tmp_path / "source", 512 * MIB)
    option = {"xfs": ["-m", f"uuid={UUID}"]}.get(name.split()[0], ["-U", UUID])
    subprocess.run([*SOURCES[name], *option, str(source)], check=True)
    wanted = superblock(source)
    target = image(tmp_path / "target", 512 * MIB)
    make_file_system(target, wanted, name="vda1", size_bytes=512 * MIB)
    assert comparable(superblock(target)) == comparable(wanted)


def test_feature_that_the_helper_does_not_know_is_refused(tmp_path: Path) -> None:
    file_system = FileSystem(kind="ext4", uuid=UUID, features=("has_journal", "from_the_future"))
    with pytest.raises(MigrationError) as raised:
        make_file_system(image(tmp_path / "target", 64 * MIB), file_system, name="vda1", size_bytes=64 * MIB)
    assert raised.value.code == "SMS.DISK.FILE_SYSTEM_UNSUPPORTED"


def layout() -> TargetLayout:
    def file_system(kind: str, digit: str) -> FileSystem:
        return FileSystem(kind=kind, uuid=UUID[:-1] + digit)

    disk = Disk(
        name="sda",
        device="/dev/sda",
        size_bytes=900 * MIB,
        table="mbr",
        identifier="0badcafe",
        partitions=tuple(
            Partition(
                number=number,
                name=f"sda{number}",
                start_bytes=start_mib * MIB,
                size_bytes=size_mib * MIB,
                type_id="83",
                file_system=file_system(kind, str(number)),
            )
            for number, start_mib, size_mib, kind in ((1, 1, 200, "ext4"), (2, 201, 320, "xfs"), (3, 530, 200, "btrfs"))
        ),
    )
    points = {"/": ("ext4", "sda1"), "/srv": ("xfs", "sda2"), "/srv/my data": ("btrfs", "sda3")}
    mounts = tuple(
        Mount(mount_point=point, host_path=point, kind=kind, volume=volume) for point, (kind, volume) in points.items()
    )
    return plan_layout(
        SourceInventory(
            hostname="source",
            architecture="x86_64",
            firmware="BIOS",
            operating_system=OperatingSystem(),
            disks=(disk,),
            mounts=mounts,
        )
    )


@in_private_namespace
def test_volumes_are_mounted_apart_for_the_copy_and_together_for_the_adaptation(tmp_path: Path) -> None:
    plan = layout()
    attached = [AttachedDisk(name="vda", path=str(image(tmp_path / "vda", plan.disks[0].size_bytes)))]
    disks = PreparedDisks(tmp_path / "work")
    disks.attach(attached)
    disks.partition_and_format(plan)
    folders = disks.mount_volumes(plan)
    for index, folder in folders.items():
        (folder / f"file-{index}").write_text("content")
    assert [os.stat(folder).st_dev for folder in folders.values()] == list(
        dict.fromkeys(os.stat(folder).st_dev for folder in folders.values())
    )
    disks.release()
    unwritten = PreparedDisks(tmp_path / "unwritten", is_read_only=True)
    unwritten.attach(attached)
    assert not (unwritten.mount_tree(plan) / "srv").exists(), "its mount point was left out"
    unwritten.detach()
    disks.attach(attached)  # again: nothing happens
    tree = disks.mount_tree(plan)
    assert (tree / "srv/my data/file-2").read_text() == "content"
    assert (tree / "file-0").read_text() == "content"
    flags = os.statvfs(tree / "srv").f_flag
    assert flags & os.ST_NOSUID
    assert flags & os.ST_NODEV
    assert flags & os.ST_NOEXEC
    disks.detach()
    disks.detach()
    assert not (tmp_path / "work").exists()
    assert str(tmp_path) not in subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout


@in_private_namespace
def test_every_layer_of_several_disks_is_reached_while_all_are_attached(tmp_path: Path) -> None:
    disks = PreparedDisks(tmp_path / "work")
    attached = []
    for name in ("vda", "vdb", "vdc"):
        raw = image(tmp_path / f"{name}.raw", 8 * MIB)
        raw.write_bytes(name.encode().ljust(8 * MIB, b"\0"))
        layer = tmp_path / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(layer)], check=True)
        attached.append(AttachedDisk(name=name, path=str(layer), format="qcow2"))
        disks.attach(attached)
    for disk in attached:
        with disks.raw_path(disk.name).open("rb") as file:
            assert file.read(3) == disk.name.encode()
    disks.detach()
    assert not (tmp_path / "work").exists()


@in_private_namespace
def test_mount_point_that_is_a_link_out_of_the_tree_stays_inside(tmp_path: Path) -> None:
    plan = layout()
    disks = PreparedDisks(tmp_path / "work")
    disks.attach([AttachedDisk(name="vda", path=str(image(tmp_path / "vda", plan.disks[0].size_bytes)))])
    disks.partition_and_format(plan)
    root = disks.mount_volumes(plan)[0]
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "srv").symlink_to(f"../../../../../../../{outside}")
    (root / str(outside).lstrip("/")).mkdir(parents=True)
    disks.unmount()
    tree = disks.mount_tree(plan)
    assert os.stat(outside).st_dev == os.stat(tmp_path).st_dev
    assert os.path.ismount(tree / str(outside).lstrip("/"))
    disks.detach()


def test_gpt_keeps_identifiers_names_and_attributes(tmp_path: Path) -> None:
    part = TargetPartition(
        number=3,
        start_bytes=MIB,
        size_bytes=10 * MIB,
        type_id="0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        part_uuid="11111111-2222-4333-8444-555555555555",
        label='odd "name", size=1',
        attributes=1 << 2 | 1 << 60,
    )
    identifier = "AAAAAAAA-2222-4333-8444-555555555555"
    disk = TargetDisk(name="vda", size_bytes=32 * MIB, table="gpt", identifier=identifier, partitions=(part,))
    path = image(tmp_path / "vda", disk.size_bytes)
    write_table(path, disk)
    shown = subprocess.run(["sfdisk", "--json", str(path)], capture_output=True, text=True, check=True).stdout
    assert identifier in shown
    assert "LegacyBIOSBootable" in shown
    assert "GUID:60" in shown


def test_nothing_is_left_when_the_agent_is_killed(tmp_path: Path) -> None:
    plan = layout()
    raw = image(tmp_path / "vda", plan.disks[0].size_bytes)
    layer = tmp_path / "layer.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(layer)], check=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        in_child(tmp_path, plan, layer, writing)
    os.close(writing)
    process, *loops = os.read(reading, 1000).decode().split()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    # Also a process that is not quite dead counts: one that hung while its mounts were undone blocked every sync.
    left = [Path(f"/sys/block/{loop}/loop/backing_file") for loop in loops] + [Path(f"/proc/{process}")]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(path.exists() for path in left):
        time.sleep(0.1)
    assert [str(path) for path in left if path.exists()] == []


def in_child(folder: Path, plan: TargetLayout, layer: Path, writing: int) -> None:
    try:
        enter_private_mount_namespace()
        disks = PreparedDisks(folder / "work")
        disks.attach([AttachedDisk(name="vda", path=str(layer), format="qcow2")])
        disks.partition_and_format(plan)
        disks.mount_volumes(plan)
        for index in range(3):
            (folder / f"work/volumes/{index}/unwritten").write_bytes(bytes(8 << 20))
        daemon = disks.exports["vda"].process_id
        loops = " ".join(device.path.name for device, *_ in disks.devices(plan))
        os.write(writing, f"{daemon} {loops}".encode())
        time.sleep(60)
    finally:
        os._exit(1)
