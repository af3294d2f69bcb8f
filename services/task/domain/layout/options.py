"""What the user may change of a layout: ``disk.<name>.size`` and ``partition.<name>.size``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.layout import OPTION_INVALID
from contracts.inventory import SourceInventory

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB

_UNITS: Final = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB}
_SIZE: Final = re.compile(r"(\d{1,15})\s*([KMGT]?)(?:iB|B)?", re.IGNORECASE)
_OPTION: Final = re.compile(r"(disk|partition)\.(.+)\.size")


class LayoutOptions(Model):
    """Sizes by name: disk_size_bytes by the target's or the source's (``vda``, ``sda``), partition_size_bytes
    by the source's (``sda1``).

    seed: text from which identifiers are derived that the source does not have (the task's id).
    is_data_only: the source need not boot, so nothing is added for a boot loader.
    """

    disk_size_bytes: Mapping[str, int] = {}
    partition_size_bytes: Mapping[str, int] = {}
    seed: str = ""
    is_data_only: bool = False

    @classmethod
    def from_pairs(cls, pairs: Mapping[str, str], inventory: SourceInventory, *, seed: str) -> LayoutOptions:
        """Read ``--option`` pairs; pairs that are not about the layout are ignored.

        Raises MigrationError SMS.LAYOUT.OPTION_INVALID for a bad size or a name that the source does not have.
        """
        disks = {disk.name for disk in inventory.disks}
        disks |= {target_disk_name(index) for index in range(len(inventory.disks) + len(inventory.mounts))}
        partitions = {partition.name for disk in inventory.disks for partition in disk.partitions}
        sizes: dict[str, dict[str, int]] = {"disk": {}, "partition": {}}
        for option, value in sorted(pairs.items()):
            match = _OPTION.fullmatch(option)
            if match is None:
                continue
            kind, name = match.groups()
            known = disks if kind == "disk" else partitions
            listed = ", ".join(sorted(disks | partitions))
            if name not in known:
                reason = f"the source has no {kind} of this name"
                raise MigrationError(OPTION_INVALID, option=option, value=value, reason=reason, known=listed)
            size_bytes = parse_size(value)
            if size_bytes is None:
                raise MigrationError(OPTION_INVALID, option=option, value=value, reason="not a size", known=listed)
            sizes[kind][name] = size_bytes
        return cls(disk_size_bytes=sizes["disk"], partition_size_bytes=sizes["partition"], seed=seed)


def target_disk_name(index: int) -> str:
    """The name of the target's disk number index, from 0: vda, …, vdz, vdaa."""
    letters = ""
    number = index + 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"vd{letters}"


def parse_size(text: str) -> int | None:
    """Bytes of ``40GiB``, ``40G``, ``512 MiB`` or ``1048576``; units are powers of 1024. None for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    size_bytes = int(match.group(1)) * _UNITS[match.group(2).upper()]
    return size_bytes or None
