"""The agent's way into a server in QEMU that has nothing but a console: a disk of its own, and commands typed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from agents.bundle import build_agent
from contracts.messages.agent import AttachedDisk
from tests.e2e.command_line import Installation
from tests.e2e.machine import Machine

HOST: Final = "10.0.2.2"  # how a guest sees this host through QEMU's user network
# Where the files lie while the agent is installed: no part of what is migrated.
FOLDER: Final = "/root/in"
_SIZE_BYTES: Final = 128 << 20


def disk_with_agent(sms: Installation, folder: Path) -> AttachedDisk:
    """The agent, its CA, its key, and the command that installs it."""
    content, image = folder / "agent-disk", folder / "agent.qcow2"
    content.mkdir()
    shutil.copyfile(build_agent(), content / "sms-agent")
    (content / "sms-agent").chmod(0o755)
    status, credential = sms.ask("status"), sms.ask("credential", "create")
    shutil.copyfile(status["ca_file"], content / "ca.pem")
    (content / "secret").write_text(credential["secret_key"])
    (content / "secret").chmod(0o600)
    words = [f"./sms-agent install --bus {status['bus_url']} --access-key {credential['access_key']}"]
    words += ["--secret-key-file secret --ca ca.pem && echo IN''STALLED"]
    (content / "install").write_text(" ".join(words))
    raw = folder / "agent.raw"
    with raw.open("wb") as file:
        file.truncate(_SIZE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-d", str(content), str(raw)], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image)], check=True)
    return AttachedDisk(name="agent", path=str(image), format="qcow2")


def install_agent(source: Machine, device: str) -> None:
    """Log in on the console and install from that disk. device: its name in the server, ``vdc``."""
    source.wait_for("source login:", timeout_s=400)
    source.type("root")
    source.wait_for(":~#")
    source.type(f"mkdir /run/in && mount -o ro /dev/{device} /run/in && cp -a /run/in {FOLDER} && umount /run/in")
    source.type(f"cd {FOLDER} && TMPDIR={FOLDER} sh ./install; cd; rm -rf {FOLDER}")
    source.wait_for("INSTALLED", timeout_s=200)
