"""What a user may say about a new task and its target, checked and put into the words of the layout. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.task_settings import TASK_SETTING_INVALID
from contracts.inventory import SourceInventory
from contracts.task_settings import TaskAttributes, WishedDisk

_NAME: Final = re.compile(r"[\u3400-\u9fffA-Za-z0-9_-]{1,255}")
_NUMBERED: Final = re.compile(r"disk ?(\d{1,3})", re.IGNORECASE)
PRIORITIES: Final = {0: "low", 1: "standard", 2: "high"}


def checked_name(name: str) -> str:
    """Raises MigrationError SMS.TASK.SETTING_INVALID."""
    if not _NAME.fullmatch(name):
        raise MigrationError(
            TASK_SETTING_INVALID,
            setting="name",
            value=name[:80] or '""',
            reason="it has other characters, or none, or more than 255",
            expected="Chinese characters, letters, digits, - and _",
        )
    return name


def checked_priority(priority: int) -> int:
    """Raises MigrationError SMS.TASK.SETTING_INVALID."""
    if priority not in PRIORITIES:
        raise MigrationError(
            TASK_SETTING_INVALID,
            setting="priority",
            value=priority,
            reason="there is none of this number",
            expected=", ".join(f"{number} ({word})" for number, word in PRIORITIES.items()),
        )
    return priority


def changed_attributes(present: TaskAttributes, wanted: TaskAttributes) -> TaskAttributes:
    """The attributes with those that are not at their default."""
    return present.model_copy(update=wanted.model_dump(exclude_defaults=True))


def layout_options(wished: Sequence[WishedDisk], inventory: SourceInventory) -> dict[str, str]:
    """Sizes of disks and partitions as the layout's options. What has the source's size is no wish.

    A name that the source does not have is kept: the layout refuses it and lists those that there are.
    """
    sizes = {disk.name: disk.size_bytes for disk in inventory.disks}
    sizes |= {partition.name: partition.size_bytes for disk in inventory.disks for partition in disk.partitions}
    options: dict[str, str] = {}
    for disk in wished:
        name = _source_name(disk.name, inventory)
        if disk.size_bytes and disk.size_bytes != sizes.get(name):
            options[f"disk.{name}.size"] = str(disk.size_bytes)
        for volume in disk.volumes:
            partition = volume.name.removeprefix("/dev/")
            if volume.size_bytes and volume.size_bytes != sizes.get(partition):
                options[f"partition.{partition}.size"] = str(volume.size_bytes)
    return options


def _source_name(name: str, inventory: SourceInventory) -> str:
    numbered = _NUMBERED.fullmatch(name.strip())
    if numbered and int(numbered[1]) < len(inventory.disks):
        return inventory.disks[int(numbered[1])].name
    return name.removeprefix("/dev/")
