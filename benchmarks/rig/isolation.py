"""A network of its own with nothing but loopback, so that its counters count one benchmark and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ISOLATED = "--isolated"


def enter(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run the module again in network and mount namespaces of its own; needs root. It must then call set_up."""
    command = ["unshare", "--net", "--mount", "--", sys.executable, "-m", module, *arguments, ISOLATED]
    os.execvp(command[0], command)  # noqa: S606 - this process becomes that program; no shell is wanted


def set_up() -> None:
    """Bring loopback up, and give sshd the folder that it insists on, in a /run that nobody else sees."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    Path("/run/sshd").mkdir(mode=0o755)


def loopback_bytes() -> int:
    """Bytes that went over loopback so far: both directions, acknowledgements and all headers included."""
    for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[0])
    raise RuntimeError("there is no loopback interface")


def drop_caches() -> None:
    """Forget every clean page, name and inode; what is to be forgotten must be on disk already."""
    Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
