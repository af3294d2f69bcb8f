"""The boot configuration data (BCD): which Windows the boot manager starts, and what else it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents.source.inventory.windows.hive import Hive, Key, Value
from contracts.inventory import BootLoader

_BOOT_MANAGER: Final = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
_DEFAULT: Final = "23000003"
_DISPLAY_ORDER: Final = "24000001"
_PATH: Final = "12000002"
_TITLE: Final = "12000004"
_SYSTEM_FOLDER: Final = "22000002"
_SYSTEM_DEVICE: Final = "21000001"


@dataclass(frozen=True, kw_only=True)
class BootStore:
    """loader: path of the program that the default entry starts, below its volume (winload.exe, winload.efi)."""

    loader: str
    system_folder: str
    others: tuple[str, ...]

    @property
    def starts_by_uefi(self) -> bool:
        """Only UEFI's boot manager can start a loader of this kind."""
        return self.loader.lower().endswith(".efi")

    def as_boot_loader(self, config_path: str) -> BootLoader:
        """For the inventory."""
        return BootLoader(
            kind="bootmgr", config_path=config_path, default_kernel=self.loader, other_systems=self.others
        )


def read_boot_store(hive: Hive) -> BootStore:
    """Raises HiveError. A store without a default entry tells nothing."""
    objects = hive.root.find("Objects")
    manager = objects.find(_BOOT_MANAGER) if objects else None
    if objects is None or manager is None:
        return BootStore(loader="", system_folder="", others=())
    default = objects.find(_text(manager, _DEFAULT))
    order = _element(manager, _DISPLAY_ORDER)
    offered = [objects.find(name) for name in (order.texts() if order else ())]
    # An entry for the same system, such as its safe mode, is no further system.
    mine = _system(default) if default else None
    others = [entry for entry in offered if entry is not None and _system(entry) != mine]
    return BootStore(
        loader=_text(default, _PATH) if default else "",
        system_folder=_text(default, _SYSTEM_FOLDER) if default else "",
        others=tuple(dict.fromkeys(_text(entry, _TITLE) or entry.name for entry in others)),
    )


def _system(entry: Key) -> tuple[bytes, str]:
    device = _element(entry, _SYSTEM_DEVICE)
    return (device.data() if device else b"", _text(entry, _SYSTEM_FOLDER).lower())


def _element(entry: Key, kind: str) -> Value | None:
    found = entry.find(f"Elements\\{kind}")
    return found.value("Element") if found else None


def _text(entry: Key, kind: str) -> str:
    found = _element(entry, kind)
    return found.text() if found else ""
