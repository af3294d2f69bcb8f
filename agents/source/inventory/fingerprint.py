"""Hashes of what identifies a machine; the values themselves never leave it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from agents.source.inventory.block_devices import SYS, read_attribute
from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import NetworkInterface


def hashed(name: str, value: str) -> str:
    """The hash of a value of one source."""
    # The name goes in, so that equal values of two sources do not look alike.
    return hashlib.sha256(f"sms:{name}:{value.strip().lower()}".encode()).hexdigest()


def fingerprint_of(
    tree: SystemTree, *, interfaces: Iterable[NetworkInterface], system_disk: str, is_same_machine: bool
) -> dict[str, str]:
    """SHA-256 by source: machine_id, dmi_uuid, mac_set, system_disk; sources without a value are left out.

    is_same_machine: the tree is a system of the machine that the agent runs on, so its hardware counts.
    """
    values = {"machine_id": tree.read_text("/etc/machine-id"), "system_disk": system_disk}
    if is_same_machine:
        macs = sorted(card.mac for card in interfaces if card.is_physical and card.mac.strip("0:"))
        values["dmi_uuid"] = read_attribute(SYS / "class/dmi/id/product_uuid")
        values["mac_set"] = ",".join(macs)
    return {name: hashed(name, value) for name, value in sorted(values.items()) if value.strip()}
