"""Whether KVM works here: decided by booting a kernel, once per boot of the host.

/dev/kvm may exist and a machine hang all the same, after its boot loader; so nothing less than a kernel that has
come as far as looking for its root file system counts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Literal

from agents.host.processes import boot_id
from agents.host.records import read_record, write_record
from agents.host.settings import HostSettings
from contracts.base import Model

Accelerator = Literal["kvm", "tcg"]
_REACHED_ROOT: Final = b"Unable to mount root fs"


class ProbeResult(Model):
    """``host/acceleration.json``."""

    boot_id: str
    accelerator: Accelerator
    reason: str


def processor_arguments(accelerator: Accelerator, count: int) -> list[str]:
    """QEMU's arguments for so many virtual processors."""
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(count)]
    # In packages of their own, whose time stamp counters Linux does not take for synchronized. Those of one package it
    # does (6.12, not 6.1), and rewrites the clock that each timer interrupt reads late in its start: where TCG runs a
    # processor in each thread, one of them now and then ran into the half-written instruction ("Oops: int3").
    # Without the instructions that fill and copy memory by the byte: TCG does one byte at a time, and a guest on a busy
    # host stood for minutes in clear_page_erms, on both processors.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm", "-smp", f"{count},sockets={count}"]


def choose_accelerator(settings: HostSettings) -> Accelerator:
    """The probe's answer, kept for as long as this boot lasts."""
    path = settings.data_folder / "host" / "acceleration.json"
    known = read_record(path, ProbeResult)
    if known is not None and known.boot_id == boot_id():
        return known.accelerator
    reason = _why_not_kvm(settings)
    result = ProbeResult(boot_id=boot_id(), accelerator="tcg" if reason else "kvm", reason=reason)
    write_record(path, result)
    return result.accelerator


def _why_not_kvm(settings: HostSettings) -> str:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm cannot be opened"
    kernel = settings.boot_probe_kernel or _host_kernel()
    if kernel is None:
        return "there is no kernel in /boot to try it with"
    return "" if _boots_with_kvm(kernel, timeout_s=settings.boot_probe_timeout_s) else f"{kernel} did not boot with it"


def _host_kernel() -> Path | None:
    own = Path("/boot") / f"vmlinuz-{os.uname().release}"
    return own if own.exists() else max(Path("/boot").glob("vmlinuz-*"), default=None)


def _boots_with_kvm(kernel: Path, *, timeout_s: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="sms-probe-") as folder:
        console = Path(folder) / "console.log"
        argv = ["qemu-system-x86_64", "-machine", "pc", *processor_arguments("kvm", 2), "-m", "256"]
        argv += ["-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}"]
        argv += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + timeout_s
            while time.monotonic() < deadline:
                ended = process.poll() is not None
                if console.exists() and _REACHED_ROOT in console.read_bytes():
                    return True
                if ended:
                    return False
                time.sleep(0.1)
            return False
        finally:
            process.kill()
            process.wait()
