"""Which helper a plan gets, and that an image is built the same way every time."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from agents.helper_image.archive import Member, archive
from agents.helper_image.kernel_modules import dependencies, with_dependencies
from agents.host.helper_vm.disks import cold_arguments, serial_of
from agents.host.helper_vm.machine import image_folder
from agents.host.helper_vm.need import choose_helper
from agents.host.settings import HostSettings
from agents.target.disks import devices
from contracts.errors import MigrationError
from contracts.messages.agent import AttachedDisk


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(data_folder=tmp_path, bus_url="tls://127.0.0.1:4222")


def test_a_host_that_has_what_the_plan_needs_is_used(settings: HostSettings) -> None:
    assert choose_helper("auto", ("ext4",), settings) == "process"
    assert choose_helper("auto", (), settings) == "process"


def test_what_the_host_lacks_is_done_in_a_machine_of_its_own(settings: HostSettings) -> None:
    assert choose_helper("auto", ("ext4", "no-such-file-system"), settings) == "vm"
    assert choose_helper("vm", (), settings) == "vm"
    with pytest.raises(MigrationError, match="lacks no-such-file-system") as refused:
        choose_helper("process", ("no-such-file-system",), settings)
    assert refused.value.code == "SMS.TARGET.HELPER_NEEDED"


def test_an_image_that_is_not_there_is_named(settings: HostSettings, tmp_path: Path) -> None:
    with pytest.raises(MigrationError) as refused:
        image_folder(settings.model_copy(update={"helper_image": tmp_path / "none"}))
    assert refused.value.code == "SMS.TARGET.HELPER_IMAGE"
    assert str(tmp_path / "none") in refused.value.failure.cause


def test_host_and_agent_give_a_disk_the_same_serial() -> None:
    path = "/data/targets/t1/replica/vda.raw"
    assert serial_of(path) == devices.serial_of(path)
    assert len(serial_of(path)) == 20


def test_the_agent_finds_its_disks_by_serial_whatever_they_are_called(tmp_path: Path) -> None:
    disks = (AttachedDisk(name="vda", path="/h/a.raw"), AttachedDisk(name="vdb", path="/h/b.qcow2", format="qcow2"))
    for name, serial in (("vda", "sms-helper-image"), ("vdc", serial_of("/h/b.qcow2")), ("vdd", serial_of("/h/a.raw"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "serial").write_text(serial)
    found = devices.as_devices(disks, tmp_path)
    assert [(disk.name, disk.path, disk.format) for disk in found] == [
        ("vda", "/dev/vdd", "raw"),
        ("vdb", "/dev/vdc", "raw"),
    ]


def test_a_path_cannot_add_an_option_to_the_machine() -> None:
    disk = AttachedDisk(name="vda", path="/d,readonly=on/a.raw")
    argv = cold_arguments(Path("/image"), None, (disk,))
    assert sum(argument == "-blockdev" for argument in argv) == 4
    assert all(argument.startswith("{") for argument in argv if "/" in argument)


def test_modules_come_after_what_they_need() -> None:
    known = dependencies("k/ext4.ko: k/jbd2.ko k/mbcache.ko\nk/jbd2.ko:\nk/mbcache.ko:\nk/dm-mod.ko:\n")
    assert with_dependencies(("ext4", "dm_mod", "built_in"), known) == (
        "k/mbcache.ko",
        "k/jbd2.ko",
        "k/ext4.ko",
        "k/dm-mod.ko",
    )


def test_the_initramfs_depends_on_its_content_alone(tmp_path: Path) -> None:
    members = [
        Member.program("init", b"#!/bin/sh\n"),
        Member.folder("dev"),
        Member(path="dev/console", mode=stat.S_IFCHR | 0o600, device=(5, 1)),
    ]
    made = archive(members)
    assert made == archive(list(reversed(members)))
    listing = subprocess.run(["cpio", "-tv"], input=made, capture_output=True, check=True).stdout.decode()
    assert [line.split()[-1] for line in listing.splitlines()] == ["dev", "dev/console", "init"]
    assert "5,   1" in listing
    assert "Jan  1  1970" in listing
