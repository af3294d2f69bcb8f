"""Network interfaces with their addresses, from sysfs and one netlink dump."""

from __future__ import annotations

import ipaddress
import socket
import struct
from pathlib import Path
from typing import Final

from agents.source.inventory.block_devices import SYS, read_attribute
from contracts.inventory import NetworkInterface

_RTM_GETADDR: Final = 22
_RTM_NEWADDR: Final = 20
_NLMSG_DONE: Final = 3
_NLM_F_REQUEST_DUMP: Final = 0x301
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _parse_addresses(data: bytes) -> tuple[list[tuple[int, str]], bool]:
    found: list[tuple[int, str]] = []
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if kind == _NLMSG_DONE or length < 16:
            return found, True
        if kind == _RTM_NEWADDR:
            prefix_length, index = data[17], struct.unpack_from("=I", data, 20)[0]
            attributes = _attributes(data[24:length])
            # On a point-to-point link IFA_ADDRESS is the other end.
            raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if raw and len(raw) in (4, 16):
                found.append((index, f"{ipaddress.ip_address(raw)}/{prefix_length}"))
        data = data[(length + 3) & ~3 :]
    return found, False


def _addresses() -> dict[int, list[str]]:
    by_index: dict[int, list[str]] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.settimeout(5)
            netlink.sendall(struct.pack("=IHHIIB7x", 24, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0, socket.AF_UNSPEC))
            is_done = False
            while not is_done:
                found, is_done = _parse_addresses(netlink.recv(1 << 18))
                for index, address in found:
                    by_index.setdefault(index, []).append(address)
    except OSError:
        return by_index
    return by_index


def _interface(folder: Path, addresses: dict[int, list[str]]) -> NetworkInterface:
    index = read_attribute(folder / "ifindex")
    return NetworkInterface(
        name=folder.name,
        mac=read_attribute(folder / "address"),
        addresses=tuple(addresses.get(int(index), ())) if index.isdigit() else (),
        is_physical=(folder / "device").exists(),
    )


def read_network_interfaces() -> tuple[NetworkInterface, ...]:
    """All interfaces of this machine but the loopback, sorted by name."""
    addresses = _addresses()
    folders = sorted((SYS / "class/net").glob("*"), key=lambda folder: folder.name)
    return tuple(_interface(folder, addresses) for folder in folders if folder.is_dir() and folder.name != "lo")
