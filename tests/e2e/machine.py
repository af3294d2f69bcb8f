"""A server in QEMU whose console a test reads and types into."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from agents.host.acceleration import processor_arguments
from contracts.messages.agent import AttachedDisk
from tests.e2e.adaptation_source import TARGET_MAC


class Machine:
    """A target in QEMU. The console is a file; a command typed into it comes from a pipe."""

    def __init__(self, folder: Path, disks: list[AttachedDisk], *, is_uefi: bool = False) -> None:
        self.console = folder / "console.log"
        drives = [argument for disk in disks for argument in ("-drive", f"file={disk.path},format=qcow2,if=virtio")]
        with self.console.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *("qemu-system-x86_64", *processor_arguments("tcg", 2), "-m", "768"),
                    *("-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", *drives),
                    *("-nic", f"user,model=virtio-net-pci,mac={TARGET_MAC}"),
                    *(uefi_firmware(folder) if is_uefi else ()),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
            )

    def wait_for(self, text: str, *, timeout_s: float = 150) -> str:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            shown = self.console.read_text(errors="replace")
            if text in shown:
                return shown
            time.sleep(0.2)
        pytest.fail(f"the console never showed {text!r}; its end:\n{self.console.read_text(errors='replace')[-3000:]}")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()


def uefi_firmware(folder: Path) -> list[str]:
    """A machine that was never started: its firmware has no boot entries."""
    variables = folder / "variables.fd"
    shutil.copyfile("/usr/share/OVMF/OVMF_VARS_4M.fd", variables)
    code = "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,file={variables}"]
