"""Write a partition table with the source's identifiers, read it back and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from agents.target.disks.programs import run_program
from contracts.errors import MigrationError
from contracts.errors.disks import TABLE_DIFFERS
from contracts.layout import TargetDisk, TargetPartition

_SECTOR_BYTES: Final = 512
_LABELS: Final = {"mbr": "dos", "gpt": "gpt"}
# GPT attribute bits 0 to 2 have names for sfdisk, 48 and above are given by number.
_ATTRIBUTE_NAMES: Final = {0: "RequiredPartition", 1: "NoBlockIOProtocol", 2: "LegacyBIOSBootable"}


def write_table(path: Path, disk: TargetDisk) -> None:
    """Partition the disk or image at path. Old signatures on it and on its partitions are wiped.

    Raises MigrationError SMS.DISK.TABLE_DIFFERS when what is read back is not what was planned.
    """
    command = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "always"]
    run_program([*command, "--wipe-partitions", "always", str(path)], disk=disk.name, input_text=table_script(disk))
    check_table(path, disk)


def table_script(disk: TargetDisk) -> str:
    """The plan in sfdisk's words, in sectors of 512 bytes."""
    identifier = f"0x{disk.identifier}" if disk.table == "mbr" else disk.identifier
    head = [f"label: {_LABELS[disk.table]}", f"label-id: {identifier}", "unit: sectors", "sector-size: 512", ""]
    ordered = sorted(disk.partitions, key=lambda partition: (partition.kind == "logical", partition.number))
    return "\n".join([*head, *(_line(disk, partition) for partition in ordered)]) + "\n"


def _line(disk: TargetDisk, partition: TargetPartition) -> str:
    fields = [
        f"start={partition.start_bytes // _SECTOR_BYTES}",
        f"size={partition.size_bytes // _SECTOR_BYTES}",
        f"type={partition.type_id}",
    ]
    if disk.table == "gpt":
        fields += [f"uuid={partition.part_uuid}"] if partition.part_uuid else []
        fields += [f'name="{_quoted(partition.label)}"'] if partition.label else []
        fields += [f'attrs="{_attributes(partition.attributes)}"'] if partition.attributes else []
    elif partition.is_active:
        fields.append("bootable")
    return f"{partition.number} : {', '.join(fields)}"


def _quoted(label: str) -> str:
    """A label is the source's text: whatever would end the field or the line is written as \\xHH."""
    return "".join(each if each.isalnum() or each in " ._-" else _escaped(each) for each in label)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def _attributes(bits: int) -> str:
    return ",".join(_ATTRIBUTE_NAMES.get(bit, f"GUID:{bit}") for bit in range(64) if bits >> bit & 1)


def check_table(path: Path, disk: TargetDisk) -> None:
    """Compare the table on the disk with the plan. Raises MigrationError SMS.DISK.TABLE_DIFFERS."""
    table = json.loads(run_program(["sfdisk", "--json", str(path)], disk=disk.name))["partitiontable"]
    prefix = str(path)
    separator = "p" if prefix[-1].isdigit() else ""
    found = {
        (
            int(each["node"].removeprefix(prefix).removeprefix(separator)),
            each["start"] * _SECTOR_BYTES,
            each["size"] * _SECTOR_BYTES,
            each["type"].upper().zfill(2),
            bool(each.get("bootable", False)),
            each.get("uuid", "").lower(),
        )
        for each in table.get("partitions", [])
    }
    is_gpt = disk.table == "gpt"
    planned = {
        (
            each.number,
            each.start_bytes,
            each.size_bytes,
            each.type_id.upper().zfill(2),
            each.is_active and not is_gpt,
            each.part_uuid.lower() if is_gpt else "",
        )
        for each in disk.partitions
    }
    identifier = table.get("id", "").lower().removeprefix("0x")
    if found != planned or identifier != disk.identifier.lower().removeprefix("0x"):
        raise MigrationError(
            TABLE_DIFFERS,
            disk=disk.name,
            found=f"{identifier} {sorted(found - planned)}",
            planned=f"{disk.identifier} {sorted(planned - found)}",
        )
