"""The kernel's command line on the target: what does not hold there is replaced or left out, in every boot menu."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.references import References, is_device_reference
from agents.target.adaptation.subvolume_options import named_subvolume

SERIAL_CONSOLES: Final = ("console=tty0", "console=ttyS0,115200n8")
# Consoles of other hypervisors, and serial ports that the target does not have.
_FOREIGN_CONSOLE: Final = re.compile(r"console=(?:hvc\d+|xvc\d+|ttyS[1-9]\d*|ttyAMA\d+)(?:,\w+)?")
# dracut waits for each of these, and gives up the boot when it does not come: only where the target has such a thing.
_LOGICAL_VOLUME: Final = ("rd.lvm.lv", "rd_LVM_LV")
_VOLUME_GROUP: Final = ("rd.lvm.vg", "rd_LVM_VG")
_NEEDS: Final = {
    "linux_raid_member": ("rd.md.uuid", "rd_MD_UUID"),
    "crypto_luks": ("rd.luks.uuid", "rd_LUKS_UUID", "luks"),
}
# Of a machine that was started over a network, of Xen's clock, and of a stop for debugging.
_LEFT_OUT: Final = ("BOOTIF", "netroot", "rd.break", "rdbreak", "clocksource=xen", "xencons", "xen_emul_unplug")
_DEVICES: Final = ("root", "resume", "boot")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """How arguments are adapted. extra: arguments that the target needs besides."""

    references: References
    network_map: dict[str, str]
    has_serial_port: bool
    extra: tuple[str, ...] = ()

    def adapted(self, text: str) -> str:
        """The arguments for the target, additions included. Adapting twice is the same as once."""
        kept = self.corrected(text).split()
        added = [each for each in self.additions if each not in kept]
        # The last console is the one that the system's own messages go to.
        if added and self.has_serial_port and SERIAL_CONSOLES[-1] in kept:
            added = [each for each in added if each not in SERIAL_CONSOLES]
        return " ".join([*kept, *added])

    def corrected(self, text: str) -> str:
        """The arguments without what cannot hold on the target; unchanged text when all of them can."""
        words = text.split()
        new = [replaced for word in words if (replaced := self._word(word)) is not None]
        return text if new == words else " ".join(new)

    @property
    def additions(self) -> Sequence[str]:
        """What the target needs."""
        return (*(SERIAL_CONSOLES if self.has_serial_port else ()), *self.extra)

    def _word(self, word: str) -> str | None:
        name, _, value = word.partition("=")
        if word in _LEFT_OUT or name in _LEFT_OUT:
            return None
        if self._waits_for_nothing(name, value):
            return None
        if _FOREIGN_CONSOLE.fullmatch(word):
            return "console=ttyS0,115200n8" if self.has_serial_port else None
        if name in _DEVICES and is_device_reference(value):
            return self._device(name, value)
        if name == "rootflags":
            return self._root_flags(value)
        if name in {"ifname", "macaddr"}:
            return self._with_mapped_addresses(word)
        return word

    def _waits_for_nothing(self, name: str, value: str) -> bool:
        if name in _LOGICAL_VOLUME:
            return self.references.resolve(f"/dev/{value}") is None
        if name in _VOLUME_GROUP:
            return not self.references.has_group(value)
        return any(name in names and not self.references.has_kind(kind) for kind, names in _NEEDS.items())

    def _device(self, name: str, value: str) -> str | None:
        if self.references.resolve(value) is not None:
            return f"{name}={value}"
        point = {"root": "/", "boot": "/boot"}.get(name, "")
        meant = self.references.meant_by(value, point)
        return f"{name}={meant.reference}" if meant is not None else None

    def _root_flags(self, value: str) -> str | None:
        root = self.references.root
        uuid = root.file_system.uuid if root is not None else ""
        options = named_subvolume(value.split(","), self.references, uuid=uuid, mount_point="/")
        return f"rootflags={','.join(options)}" if options else None

    def _with_mapped_addresses(self, word: str) -> str:
        for source, target in self.network_map.items():
            word = re.sub(re.escape(source), target, word, flags=re.IGNORECASE)
        return word
