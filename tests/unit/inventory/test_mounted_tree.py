"""--root mode: a system on image files, mounted through loop devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.source.inventory import collect
from contracts.inventory import SourceInventory

from .conftest import run

Make = Callable[..., Path]
MIB = 1 << 20
UUID = "0f1e2d3c-4444-4555-8666-abcdefabcdef"
SYSTEM_TABLE = """label: dos
label-id: 0xcafe0001
start=2048, size=131072, type=83, bootable
start=133120, size=32768, type=5
start=135168, size=16384, type=82
"""
GRUB = """### BEGIN /etc/grub.d/00_header ###
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="1>0"
fi
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	linux	/boot/vmlinuz-6.1.0-21-amd64 root=UUID=1 ro quiet
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
	menuentry 'Debian, old' --class debian $menuentry_id_option 'gnulinux-old' {
		if [ x$grub_platform = xxen ]; then insmod xzio; fi
		linux	/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1 ro
	}
}
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Windows 10 (on /dev/sda1)' --class windows {
	chainloader +1
}
"""


def write(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def fill_system(root: Path) -> None:
    write(root, "/usr/lib/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n')
    (root / "etc").mkdir()
    # An absolute link: read without care it would lead to this machine's own file.
    (root / "etc/os-release").symlink_to("/usr/lib/os-release")
    write(root, "/etc/debian_version", "12.5\n")
    write(root, "/etc/hostname", "orders\n")
    write(root, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(
        root,
        "/etc/fstab",
        "UUID=1 / ext4 defaults 0 1\n/swap\\040file none swap sw 0 0\n"
        "/accounts.db none swap sw 0 0\n/dev/sda5 none swap sw 0 0\n",
    )
    write(root, "/var/swap area", "")
    run("truncate", "-s", "1M", root / "var/swap area")
    run("mkswap", "-U", UUID, "-L", "swap1", root / "var/swap area")
    (root / "swap file").symlink_to("/var/swap area")
    write(root, "/accounts.db", "named as swap, but no swap area")
    write(root, "/boot/grub/grub.cfg", GRUB)
    for release in ("6.1.0-9-amd64", "6.1.0-21-amd64"):
        write(root, f"/boot/vmlinuz-{release}", "kernel")
        (root / "lib/modules" / release).mkdir(parents=True)
    write(root, "/boot/vmlinuz-7.0-without-modules", "kernel")
    (root / "bin").mkdir()
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + (183).to_bytes(2, "little")
    (root / "bin/sh").write_bytes(header)


@pytest.fixture
def system(image: Make, loop: Make, mounted: Make, tmp_path: Path) -> Path:
    disk, data, pool = image("system.img", 128), image("data.img", 320), image("pool.img", 128)
    run("sfdisk", "-q", disk, text=SYSTEM_TABLE)
    with disk.open("r+b") as file:
        file.write(b"\xeb\x63\x90")  # the first jump of a boot loader's code
    root_device = loop(disk, 2048 * 512, 131072 * 512)
    swap_device = loop(disk, 135168 * 512, 16384 * 512)
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", root_device)
    run("mkswap", "-L", "swap0", swap_device)
    data_device, pool_device = loop(data), loop(pool)
    run("mkfs.xfs", "-q", "-L", "data", data_device)
    run("mkfs.btrfs", "-q", "-L", "pool", pool_device)
    root = mounted(root_device, tmp_path / "root")
    fill_system(root)
    mounted(data_device, root / "data disk")
    mounted(pool_device, root / "pool")
    run("btrfs", "-q", "subvolume", "create", root / "pool/@home")
    mounted(pool_device, root / "home", "-o", "subvol=@home")
    (root / "data disk/orders").mkdir()
    mounted(root / "data disk/orders", root / "srv", "--bind")
    mounted(Path("none"), root / "proc", "-t", "proc")
    return root


@pytest.mark.root
def test_disks_behind_loop_devices_are_told_by_image_with_their_unmounted_partitions(system: Path) -> None:
    found = collect(system)
    by_name = {disk.name: disk for disk in found.disks}
    assert [disk.name for disk in found.disks] == ["system", "data", "pool"]
    disk = by_name["system"]
    assert (disk.is_system, disk.table, disk.identifier, disk.has_boot_code) == (True, "mbr", "cafe0001", True)
    assert [(part.name, part.file_system and part.file_system.kind) for part in disk.partitions] == [
        ("system1", "ext4"),
        ("system2", None),
        ("system5", "swap"),
    ]
    assert disk.partitions[2].file_system is not None
    assert disk.partitions[2].file_system.label == "swap0"
    assert by_name["data"].table == "none"
    assert by_name["data"].file_system is not None
    assert by_name["data"].file_system.used_bytes > 0
    assert not by_name["data"].is_system


@pytest.mark.root
def test_mounts_are_named_as_the_system_sees_them_and_bind_mounts_left_out(system: Path) -> None:
    found = {mount.mount_point: mount for mount in collect(system).mounts}
    assert list(found) == ["/", "/data disk", "/home", "/pool"]
    assert found["/"].volume == "system1"
    assert found["/data disk"].volume == "data"
    assert found["/data disk"].host_path == str(system / "data disk")
    assert (found["/home"].volume, found["/home"].root) == ("pool", "/@home")
    assert found["/"].files > 10


@pytest.mark.root
def test_system_is_described_from_its_own_files(system: Path) -> None:
    found = collect(system, agent_version="1.2.3")
    assert (found.hostname, found.architecture, found.firmware) == ("orders", "aarch64", "BIOS")
    assert (found.operating_system.id, found.operating_system.version) == ("debian", "12.5")
    assert (found.boot_loader.kind, found.boot_loader.config_path) == ("grub2", "/boot/grub/grub.cfg")
    assert found.boot_loader.default_kernel == "/boot/vmlinuz-6.1.0-9-amd64"
    assert found.boot_loader.other_systems == ("Windows 10 (on /dev/sda1)",)
    assert found.kernel_release == "6.1.0-9-amd64"
    assert found.kernel_command_line == "root=UUID=1 ro"
    assert found.swap_files == ("/accounts.db", "/swap file")
    (area,) = found.swap_file_headers
    assert (area.path, area.size_bytes, area.uuid, area.label) == ("/var/swap area", 1 << 20, UUID, "swap1")
    assert (found.is_live, found.root_path, found.agent_version) == (False, str(system), "1.2.3")
    assert found.network_interfaces == ()
    assert set(found.fingerprint) == {"machine_id", "system_disk"}
    assert "0123456789abcdef" not in json.dumps(found.fingerprint)
    assert SourceInventory.model_validate_json(found.model_dump_json()) == found


@pytest.mark.root
def test_image_without_partition_table_is_a_disk_with_a_file_system(
    image: Make, loop: Make, mounted: Make, tmp_path: Path
) -> None:
    path = image("whole.img", 64)
    run("mke2fs", "-q", "-F", "-t", "ext4", path)
    found = collect(mounted(loop(path), tmp_path / "root"))
    assert [(disk.name, disk.table, disk.is_system) for disk in found.disks] == [("whole", "none", True)]
    assert found.mounts[0].volume == "whole"


def test_plain_folder_stands_for_a_disk_that_can_be_planned(tmp_path: Path) -> None:
    fill_system(tmp_path)
    (tmp_path / "big").write_bytes(b"x" * MIB)
    os.link(tmp_path / "big", tmp_path / "again")
    found = collect(tmp_path)
    assert [(disk.name, disk.table, disk.is_system) for disk in found.disks] == [("folder", "none", True)]
    assert found.mounts[0].volume == "folder"
    assert MIB < found.mounts[0].used_bytes < 2 * MIB
    assert found.disks[0].size_bytes == 2 << 30
    assert found.disks[0].file_system is not None
    assert found.disks[0].file_system.uuid == ""


def test_links_in_a_tree_never_lead_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ID=stolen\n")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").symlink_to("../../outside")
    (root / "etc/hostname").symlink_to(outside)
    os.mkfifo(root / "etc/machine-id")
    found = collect(root)
    assert found.operating_system.id == ""
    assert found.hostname == "localhost"
    assert found.fingerprint == {}


def test_running_system_is_described() -> None:
    found = collect()
    assert found.is_live
    assert found.kernel_release == os.uname().release
    assert found.mounts[0].mount_point == "/"
    assert not {mount.kind for mount in found.mounts} & {"proc", "sysfs", "tmpfs", "cgroup", "cgroup2", "devtmpfs"}
    assert found.memory_bytes > 0
    assert found.disks


SHOW_PRIVATE_ROOTS = """
import json, os, sys
from pathlib import Path
from agents.source.bind import private_roots
from agents.source.inventory import collect
roots = private_roots(collect(Path(sys.argv[1])).mounts, parent=Path(sys.argv[2]))
try:
    (roots["/"] / "written").write_text("")
    is_writable = True
except OSError:
    is_writable = False
print(json.dumps({
    "listed": {point: sorted(os.listdir(path)) for point, path in roots.items()},
    "is_writable": is_writable,
    "private": sorted(os.listdir(sys.argv[2])),
}))
"""


@pytest.mark.root
def test_private_roots_show_what_lies_under_mount_points_and_leave_nothing(
    image: Make, loop: Make, mounted: Make, tmp_path: Path
) -> None:
    disk, data = image("disk.img", 32), image("data.img", 32)
    for path in (disk, data):
        run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", path)
    root = mounted(loop(disk), tmp_path / "root")
    write(root, "/data/hidden", "under the mount point")
    mounted(loop(data), root / "data")
    (root / "data/visible").touch()
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "sms-roots-999999999-dead").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SHOW_PRIVATE_ROOTS, str(root), str(parent)], capture_output=True, text=True, check=True
    )
    shown = json.loads(done.stdout)
    assert "visible" in shown["listed"]["/data"]
    assert "data" in shown["listed"]["/"]
    assert not shown["is_writable"]
    assert len(shown["private"]) == 1
    assert list(parent.iterdir()) == []
    assert str(parent) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.root
def test_private_root_reaches_the_covered_file(image: Make, loop: Make, mounted: Make, tmp_path: Path) -> None:
    disk = image("disk.img", 32)
    run("mke2fs", "-q", "-F", "-t", "ext4", disk)
    root = mounted(loop(disk), tmp_path / "root")
    write(root, "/data/hidden", "under the mount point")
    mounted(Path("none"), root / "data", "-t", "tmpfs")
    code = SHOW_PRIVATE_ROOTS.replace('"listed": {', '"hidden": (roots["/"] / "data/hidden").read_text(), "listed": {')
    parent = tmp_path / "parent"
    parent.mkdir()
    done = subprocess.run([sys.executable, "-c", code, str(root), str(parent)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hidden"] == "under the mount point"
