"""The source server as a running machine in QEMU, over the cached image, which it never writes to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from agents.host.acceleration import Accelerator, processor_arguments
from demo.source_image import SourceImage
from demo.ssh import RemoteCommandError, Ssh

SSH_PORT: Final = 22
ORDER_PORT: Final = 8080


class SourceMachine:
    """Boots with `start`. folder: for overlays, console log and sockets; it is the caller's to remove."""

    def __init__(self, image: SourceImage, folder: Path, *, accelerator: Accelerator) -> None:
        self.folder = folder
        self.console = folder / "console.log"
        self.order_port, ssh_port = _free_port(), _free_port()
        self.ssh = Ssh(image, ssh_port)
        self._image = image
        self._accelerator = accelerator
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def overlays(self) -> tuple[Path, Path]:
        """The disks as the machine sees them (qcow2 over the cached image): system, data."""
        return self.folder / "system.qcow2", self.folder / "data.qcow2"

    def start(self) -> None:
        """Power it on; disks that exist from an earlier run are used again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for overlay, base in zip(self.overlays, (self._image.system_disk, self._image.data_disk), strict=True):
            if not overlay.exists():
                create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(overlay)]
                subprocess.run(create, check=True)
        self.console.unlink(missing_ok=True)
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_for_login(self, *, timeout_s: float = 240) -> None:
        """Wait for SSH. Raises TimeoutError with the last lines of the console, RuntimeError when QEMU has ended."""
        deadline = time.monotonic() + timeout_s
        while b"login:" not in self._console_text():
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"QEMU has ended: {(self.folder / 'qemu.log').read_text(errors='replace')[-800:]}")
            if time.monotonic() > deadline:
                tail = self._console_text()[-1500:].decode(errors="replace")
                raise TimeoutError(f"the source did not reach its login within {timeout_s:g} s:\n{tail}")
            time.sleep(0.2)
        self.ssh.wait(timeout_s=max(deadline - time.monotonic(), 20))

    def power_off(self, *, timeout_s: float = 90) -> None:
        """Shut the system down in order; after the timeout the plug is pulled. Its disks stay."""
        if self._process is not None and self._process.poll() is None:
            try:
                self.ssh.run("systemctl poweroff", timeout_s=20)
                self._process.wait(timeout_s)
            except (RemoteCommandError, subprocess.TimeoutExpired):
                pass
        self.kill()

    def kill(self) -> None:
        """Pull the plug."""
        self.ssh.close()
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _console_text(self) -> bytes:
        return self.console.read_bytes() if self.console.exists() else b""

    def _arguments(self) -> list[str]:
        argv = ["qemu-system-x86_64", "-name", "sms-demo-source", "-machine", "pc"]
        argv += [
            *processor_arguments(self._accelerator, 2),
            "-m",
            "1024",
            "-nodefaults",
            "-display",
            "none",
            "-rtc",
            "base=utc",
        ]
        argv += ["-device", "virtio-rng-pci", "-serial", f"file:{self.console}"]
        for overlay in self.overlays:
            argv += ["-drive", f"file={overlay},format=qcow2,if=virtio,cache=writeback,discard=unmap"]
        forwards = ((self.ssh.port, SSH_PORT), (self.order_port, ORDER_PORT))
        network = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards)
        return [*argv, "-netdev", f"user,id=net0{network}", "-device", "virtio-net-pci,netdev=net0,romfile="]


def choose_accelerator(image: SourceImage, folder: Path, *, timeout_s: float = 20) -> tuple[Accelerator, str]:
    """kvm if a kernel boots with it, else tcg; and why not kvm. /dev/kvm may exist and a machine hang all the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm cannot be opened"
    console = folder / "probe.log"
    argv = ["qemu-system-x86_64", "-machine", "pc", *processor_arguments("kvm", 2), "-m", "256"]
    argv += [
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        f"file:{console}",
        "-kernel",
        str(image.kernel),
    ]
    argv += ["-append", "console=ttyS0 panic=-1"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            has_ended = process.poll() is not None
            if console.exists() and re.search(rb"Unable to mount root fs", console.read_bytes()):
                return "kvm", ""
            if has_ended:
                return "tcg", "QEMU cannot use /dev/kvm"
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    return "tcg", f"no kernel booted with /dev/kvm within {timeout_s:g} s"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
