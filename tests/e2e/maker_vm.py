"""Runs a shell script in a virtual machine whose kernel has what the host's lacks: device-mapper and md.

The machine is the helper VM's image with another second half: a small archive behind its initramfs replaces the first
program, and what was to start the agent starts the script.
"""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agents.helper_image.archive import Member, archive
from agents.host.acceleration import processor_arguments
from agents.host.helper_vm.disks import IMAGE_SERIAL

_START = Path(__file__).parents[2] / "agents/helper_image/files/start"
_TO_THE_AGENT = "exec switch_root /system /sbin/sms-helper-init"
_TO_THE_SCRIPT = "cp /make /system/make\nexec switch_root /system /make"
_PROLOGUE = """#!/bin/bash
# Nothing of udev runs here, so names of devices are made by the programs themselves.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DM_DISABLE_UDEV=1
trap 'echo "maker: ended with $?"; sync; busybox poweroff -f' EXIT
set -euo pipefail
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/lock /dev/pts
while read -r module; do modprobe -q "$module" || true; done </etc/sms-helper/modules
disk() {
    for folder in /sys/block/vd*; do
        if [ "$(cat "$folder/serial")" = "$1" ]; then echo "/dev/${folder##*/}"; fi
    done
}
"""
_DONE = "maker: ended with 0"


def run_in_guest(script: str, disks: Mapping[str, Path], *, image: Path, folder: Path, timeout_s: float) -> None:
    """Run it as root; `disk NAME` in it gives a disk's device. disks: raw images by name. image: the helper VM's.

    Raises AssertionError with the end of the console when the script fails or takes longer.
    """
    console, initrd = folder / "maker-console.log", folder / "maker-initrd"
    initrd.write_bytes(_padded((image / "initrd").read_bytes()) + _second_half(script))
    argv = ["qemu-system-x86_64", "-machine", "pc", *processor_arguments("tcg", 2)]
    argv += ["-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}"]
    argv += ["-kernel", str(image / "vmlinuz"), "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 loglevel=4"]
    for name, path in disks.items():
        argv += _drive(name, path, "discard=unmap,cache=unsafe")
    argv += _drive(IMAGE_SERIAL, image / "system.squashfs", "readonly=on")
    # What it has said until then tells where it stopped.
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=timeout_s, check=True)
    shown = console.read_text(errors="replace")
    assert _DONE in shown, f"the script failed, or took longer than {timeout_s:g} s:\n{shown[-4000:]}"


def _second_half(script: str) -> bytes:
    start = _START.read_text()
    assert _TO_THE_AGENT in start
    programs = {"init": start.replace(_TO_THE_AGENT, _TO_THE_SCRIPT), "make": _PROLOGUE + script}
    return archive(
        [Member(path=name, mode=stat.S_IFREG | 0o755, content=text.encode()) for name, text in programs.items()]
    )


def _padded(data: bytes) -> bytes:
    # The kernel looks for the next archive at a multiple of four bytes.
    return data + bytes(-len(data) % 4)


def _drive(serial: str, path: Path, options: str) -> list[str]:
    drive = f"file={path},format=raw,if=none,id=drive-{serial},{options}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive=drive-{serial},serial={serial}"]
