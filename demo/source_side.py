"""The source's part of the story: boots the server, its customers, and puts the agent on it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from demo.load_generator import LoadGenerator
from demo.machine import SourceMachine, choose_accelerator
from demo.source_image import source_image
from demo.ssh import Ssh

# How the guest sees this host through QEMU's user network.
HOST_AS_SEEN_BY_GUESTS: Final = "10.0.2.2"
_ORDERS_BEFORE_ANYTHING: Final = 50
_STOPPED_AT: Final = "/run/order-service-stopped-at"
STOP_ORDER_SERVICE: Final = f"systemctl stop order-service.service && date +%s.%N >{_STOPPED_AT}"
"""What a cutover is to do on the server before its last round."""


class SourceSide:
    """folder: for overlays, console log and the book of orders."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.image = source_image()
        self.accelerator, self.why_no_kvm = choose_accelerator(self.image, folder)
        self.machine = SourceMachine(self.image, folder, accelerator=self.accelerator)
        self.book = folder / "acknowledged-orders.jsonl"
        self.book.touch()
        self.customers = LoadGenerator(self.machine.order_port, self.book)

    def boot(self) -> None:
        """Power on, log in, and let customers order."""
        self.machine.start()
        self.machine.wait_for_login()
        self.customers.start()
        self.customers.wait_for(_ORDERS_BEFORE_ANYTHING, timeout_s=90)

    def install_agent(self, program: Path, *, bus_url: str, access_key: str, secret_key: str, ca: Path) -> None:
        """See install_on."""
        install_on(self.machine.ssh, program, bus_url=bus_url, access_key=access_key, secret_key=secret_key, ca=ca)

    def uninstall_agent(self) -> None:
        """Remove the agent from the server."""
        self.machine.ssh.run("/opt/sms-agent/sms-agent uninstall")

    def order_service_stopped_at(self) -> float:
        """The server's own time when STOP_ORDER_SERVICE had run: what it changed later may be newer than the last
        round."""
        return float(self.machine.ssh.run(f"cat {_STOPPED_AT}"))

    def end(self) -> None:
        """Stop everything; the disks stay for the comparison."""
        self.customers.stop()
        self.machine.power_off()


def install_on(ssh: Ssh, program: Path, *, bus_url: str, access_key: str, secret_key: str, ca: Path) -> None:
    """Bring the one file to a server and install it there; what was brought is removed again."""
    folder = ssh.run("mktemp -d /root/sms-agent-XXXXXX").strip()
    try:
        ssh.send_file(program, f"{folder}/sms-agent", mode="0700")
        ssh.send(secret_key.encode(), f"{folder}/secret-key", mode="0600")
        ssh.send_file(ca, f"{folder}/ca.pem")
        words = [f"{folder}/sms-agent", "install", "--bus", bus_url, "--access-key", access_key]
        words += ["--secret-key-file", f"{folder}/secret-key", "--ca", f"{folder}/ca.pem"]
        ssh.run(f"TMPDIR={folder} {shlex.join(words)}")
    finally:
        ssh.run(f"rm -rf {folder}")
