"""What a program of the copied system can do to the helper: nothing."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from agents.target.adaptation.confinement import PlannedDevice
from agents.target.adaptation.sandbox import Sandbox, SandboxResult
from agents.target.disks.loop import LoopDevice
from agents.target.namespace import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount
from tests.private_namespace import in_private_namespace

pytestmark = pytest.mark.root
MIB = 1 << 20


def make_tree(folder: Path) -> tuple[Path, LoopDevice]:
    """A tiny system with a shell on a file system of its own, mounted as the agent mounts it."""
    image, tree = folder / "image", folder / "tree"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", image], check=True)
    device = LoopDevice(image)
    tree.mkdir()
    mount(str(device.path), str(tree), "ext4", flags=MS_NODEV | MS_NOSUID | MS_NOEXEC)
    for name in ("dev", "proc", "sys", "run", "tmp", "var/tmp", "bin", "etc"):
        (tree / name).mkdir(parents=True)
    shutil.copy2("/bin/busybox" if Path("/bin/busybox").exists() else "/usr/bin/dash", tree / "bin/sh")
    libraries = subprocess.run(["ldd", tree / "bin/sh"], capture_output=True, text=True).stdout
    for program in ("cat", "mknod", "mount", "chmod", "unshare", "id", "ls", "sleep", "head", "readlink"):
        found = shutil.which(program)
        assert found is not None
        shutil.copy2(found, tree / "bin" / program)
        libraries += subprocess.run(["ldd", found], capture_output=True, text=True).stdout
    for word in libraries.split():
        if word.startswith("/") and not (tree / word.lstrip("/")).exists():
            (tree / word.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(word, tree / word.lstrip("/"))
    return tree, device


def shell(tree: Path, device: LoopDevice, script: str, *, timeout_s: float = 30) -> SandboxResult:
    planned = PlannedDevice(name=device.path.name, number=device.device_number, uuid="11-22", label="a/b")
    sandbox = Sandbox(root=tree, devices=[planned], timeout_s=timeout_s)
    return sandbox.run(["/bin/sh", "-c", f"PATH=/bin; {script}"], files={"given": b"from outside"})


@in_private_namespace
def test_program_sees_only_its_tree_and_the_planned_devices(tmp_path: Path) -> None:
    tree, device = make_tree(tmp_path)
    result = shell(tree, device, "cat /tmp/given; ls /dev /dev/disk/by-uuid; readlink /dev/disk/by-uuid/11-22; id -u")
    words = result.output.decode().replace("from outside", "").split()
    assert result.status == 0, result.messages
    assert {"null", "zero", device.path.name, "disk", "11-22", f"../../{device.path.name}", "0"} <= set(words)
    assert "loop-control" not in words
    mounts = shell(tree, device, "cat /proc/self/mounts").output.decode().splitlines()
    assert not any(line.split()[0] == "/dev/vda" or str(tmp_path) in line.split()[1] for line in mounts)
    # Of all processes it sees its own few.
    processes = shell(tree, device, "ls /proc").output.decode().split()
    assert len([name for name in processes if name.isdigit()]) <= 3


@pytest.mark.parametrize(
    "script",
    [
        "echo x > /etc/file",
        "echo x > /dev/LOOP",
        "chmod 600 /dev/LOOP",
        "mknod /dev/mine b 7 0",
        "mknod /tmp/mine b 254 0 && head -c 1 /tmp/mine",
        "mount -t tmpfs none /run",
        "unshare -m ls",
        "echo x > /proc/sys/kernel/domainname",
        "cat /proc/sys/vm/stat_interval > /proc/sys/vm/stat_interval",
        "cat /proc/kcore > /dev/null",
    ],
)
def test_program_cannot_reach_outside(script: str, tmp_path: Path) -> None:
    @in_private_namespace
    def run() -> None:
        tree, device = make_tree(tmp_path)
        result = shell(tree, device, script.replace("LOOP", device.path.name))
        assert result.status != 0, result

    run()


@in_private_namespace
def test_hostile_links_in_the_tree_do_not_move_mounts_into_the_helper(tmp_path: Path) -> None:
    tree, device = make_tree(tmp_path)
    (tree / "run").rmdir()
    (tree / "run").symlink_to("../../../../../../../etc")
    result = shell(tree, device, "ls /etc")
    assert result.status == 0, result.messages
    assert "passwd" not in result.output.decode().split()
    assert Path("/etc/passwd").exists()


@in_private_namespace
def test_program_that_hangs_is_killed_with_everything_it_started(tmp_path: Path) -> None:
    tree, device = make_tree(tmp_path)
    started = time.monotonic()
    result = shell(tree, device, "sleep 98765 & sleep 98765", timeout_s=1)
    assert result.is_timeout
    assert time.monotonic() - started < 10
    time.sleep(0.3)
    assert "98765" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
