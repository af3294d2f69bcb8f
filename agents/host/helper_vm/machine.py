"""The machine of a helper VM: its command line, its start, and its end in the order in which nothing is lost."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.host.acceleration import choose_accelerator, processor_arguments
from agents.host.helper_vm.disks import cold_arguments
from agents.host.helper_vm.metadata import ADDRESS
from agents.host.processes import ProcessIdentity, is_alive, start_session
from agents.host.settings import HostSettings
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HELPER_IMAGE
from contracts.messages.agent import AttachedDisk

BUS_ADDRESS: Final = "169.254.169.253"
GUEST_ADDRESS: Final = "169.254.0.15"
_NETWORK: Final = "net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.100,dns=169.254.0.3,ipv6=off"
_KERNEL_ARGUMENTS: Final = "console=ttyS0 panic=-1 vsyscall=emulate selinux=0 loglevel=4"
IMAGE_FILES: Final = ("vmlinuz", "initrd", "system.squashfs")
_END_S: Final = 90.0


def image_folder(settings: HostSettings) -> Path:
    """Where the helper VM's image is. Raises MigrationError SMS.TARGET.HELPER_IMAGE."""
    folder = settings.helper_image
    if folder is None or not all((folder / name).is_file() for name in IMAGE_FILES):
        raise MigrationError(TARGET_HELPER_IMAGE, path=folder or "(not set)")
    # The link may lead to a newer image tomorrow; this machine keeps what it has begun with.
    return folder.resolve()


def start_machine(
    home: Path, settings: HostSettings, *, volume: Path | None, disks: Sequence[AttachedDisk], port: int
) -> ProcessIdentity:
    """Start QEMU in a session of its own. home: the folder of the VM, with the metadata that it may ask for. port: on
    which sources reach the guest; 0 for none.

    Raises MigrationError SMS.TARGET.HELPER_IMAGE; OSError when QEMU cannot be started.
    """
    image = image_folder(settings)
    for name in ("monitor.sock", "console.sock"):
        (home / name).unlink(missing_ok=True)
    argv = ["qemu-system-x86_64", "-name", f"sms-helper-{home.parent.parent.name}", "-machine", "pc,graphics=off"]
    argv += processor_arguments(choose_accelerator(settings), settings.helper_cpu_count)
    argv += ["-m", str(settings.helper_memory_bytes >> 20)]
    argv += ["-nodefaults", "-display", "none", "-vga", "none", "-rtc", "base=utc", "-no-reboot"]
    argv += ["-device", "virtio-rng-pci"]
    # The log is the serial console's; what the host has to say to the helper goes in by the socket.
    argv += ["-chardev", "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on"]
    argv += ["-serial", "chardev:console", "-qmp", "unix:monitor.sock,server=on,wait=off"]
    argv += ["-pidfile", str(home / "qemu.pid")]
    argv += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", _KERNEL_ARGUMENTS]
    argv += cold_arguments(image / "system.squashfs", volume, disks)
    argv += _network_arguments(home, settings, port=port)
    return start_session(argv, log=home / "qemu.log", folder=home)


def end_machine(home: Path, process: ProcessIdentity | None) -> None:
    """Ask the guest to end, and wait until it has written everything out; what still runs is the caller's to kill."""
    if not is_alive(process):
        return
    with suppress(OSError), _console(home / "console.sock") as console:
        console.sendall(b"poweroff\n")
        deadline = time.monotonic() + _END_S
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.1)


def free_port(address: str) -> int:
    """A port on which nobody listens now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def bus_server_name(settings: HostSettings) -> str:
    """The name that the bus's certificate is checked against: the guest knows the bus by another address."""
    return bus_servers(settings)[0].rpartition(":")[0].strip("[]")


def bus_servers(settings: HostSettings) -> list[str]:
    """HOST:PORT of each server of the bus."""
    urls = (settings.helper_bus_url or settings.bus_url).split(",")
    return [url.strip().rpartition("://")[2] for url in urls]


def bus_port(settings: HostSettings) -> int:
    """The port under which the guest sees the bus."""
    return int(bus_servers(settings)[0].rpartition(":")[2])


def _network_arguments(home: Path, settings: HostSettings, *, port: int) -> list[str]:
    metadata = _program("agents.host.helper_vm.metadata", str(home / "metadata.json"))
    relay = _program("agents.host.helper_vm.relay", ",".join(bus_servers(settings)))
    forwards = f"guestfwd=tcp:{ADDRESS}:80-cmd:{metadata}"
    forwards += f",guestfwd=tcp:{BUS_ADDRESS}:{bus_port(settings)}-cmd:{relay}"
    if port:
        forwards += f",hostfwd=tcp:{settings.helper_listen_address}:{port}-{GUEST_ADDRESS}:{port}"
    # restrict: not one packet goes anywhere else, whatever runs in the guest.
    netdev = f"user,id=net0,restrict=on,{_NETWORK},{forwards}"
    return ["-netdev", netdev, "-device", "virtio-net-pci,netdev=net0,romfile="]


def _program(module: str, argument: str) -> str:
    # QEMU reads a doubled comma in an option's value as one; then the words are split as a shell would.
    return shlex.join([sys.executable, "-m", module, argument]).replace(",", ",,")


def _console(path: Path) -> socket.socket:
    console = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A socket's path holds 107 characters at most; the way through a descriptor of its folder is always short.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        console.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        console.close()
        raise
    finally:
        os.close(folder)
    return console
