"""Processors, memory and the hypervisor of the machine that the agent runs on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from agents.source.inventory.block_devices import SYS, read_attribute

_VENDORS: Final = (
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("openstack", "kvm"),
    ("amazon ec2", "kvm"),
    ("google", "kvm"),
    ("alibaba", "kvm"),
    ("vmware", "vmware"),
    ("xen", "xen"),
    ("microsoft corporation virtual machine", "hyperv"),
    ("innotek", "virtualbox"),
    ("parallels", "parallels"),
)


def processor_count() -> int:
    """Processors that are online."""
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """MemTotal."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", read_attribute(Path("/proc/meminfo")), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def hypervisor() -> str:
    """kvm, vmware, xen, hyperv, virtualbox, parallels; "" on physical machines and unknown ones."""
    if read_attribute(SYS / "hypervisor/type") == "xen":
        return "xen"
    folder = SYS / "class/dmi/id"
    described = " ".join(
        read_attribute(folder / name) for name in ("sys_vendor", "product_name", "bios_vendor")
    ).lower()
    return next((kind for word, kind in _VENDORS if word in described), "")
