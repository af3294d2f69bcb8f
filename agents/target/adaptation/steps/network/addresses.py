"""Where configuration files name network cards by their hardware addresses, which are new on the target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.tree import Tree
from contracts.inventory import NetworkInterface

RULES: Final = "/etc/udev/rules.d/70-persistent-net.rules"
# Folder and ending of the files' names.
_FOLDERS: Final = (
    ("/etc/network", "interfaces"),
    ("/etc/network/interfaces.d", ""),
    ("/etc/netplan", ".yaml"),
    ("/etc/systemd/network", ""),
    ("/etc/NetworkManager/system-connections", ""),
    ("/etc/sysconfig/network-scripts", ""),
    ("/etc/sysconfig/network", ""),
    ("/etc/udev/rules.d", "net.rules"),
    ("/etc/udev/rules.d", "net-names.rules"),
)
_OUR_LINKS: Final = "/etc/systemd/network/00-sms-"
# A name that can only be a real card's: in a stanza of ifupdown, as a key of netplan, in a match of networkd.
_CARD: Final = r"(eth\d+|en[opsx][a-z0-9]+)"
_CARD_NAME: Final = re.compile(rf"^iface\s+{_CARD}\s+inet|^\s+{_CARD}:\s*$|^Name={_CARD}\s*$")
_CARD_FILE: Final = re.compile(rf".*/ifcfg-{_CARD}")
# Lines that only tie a profile to an address; without them it goes by the card's name.
_TIE: Final = re.compile(r"\s*(HWADDR|mac-address|hwaddress)\s*[=\s]")


def physical_interfaces(tree: Tree, inputs: Inputs) -> list[NetworkInterface]:
    """The source's real cards, in its order; of a mounted system, whose cards nobody sees, those that it names."""
    cards = [each for each in inputs.inventory.network_interfaces if each.is_physical and each.name != "lo"]
    if cards or inputs.inventory.is_live:
        return cards
    texts = [tree.text(path) or "" for path in address_files(tree)]
    found = [_CARD_NAME.match(line) for text in texts for line in text.splitlines()]
    found += [_CARD_FILE.fullmatch(path) for path in address_files(tree)]
    names = {match.group(match.lastindex or 0) for match in found if match}
    return [NetworkInterface(name=name) for name in sorted(names)]


def address_files(tree: Tree) -> list[str]:
    """Every file that may name a card by its address."""
    found = [f"{folder}/{name}" for folder, ending in _FOLDERS for name in tree.names(folder) if name.endswith(ending)]
    return [path for path in dict.fromkeys(found) if tree.is_file(path) and not path.startswith(_OUR_LINKS)]


def addresses_replaced(tree: Tree, cards: Sequence[NetworkInterface], network_map: dict[str, str]) -> dict[str, str]:
    """New texts of the files, by path: mapped addresses are replaced, all at once so that two may change places.

    A single card that has no mapped address loses its ties, so that it keeps its name on any machine.
    """
    mapped = {source.lower(): target.lower() for source, target in network_map.items()}
    alone = cards[0].mac.lower() if len(cards) == 1 and cards[0].mac.lower() not in mapped else ""
    replaced = {}
    for path in address_files(tree):
        text = tree.text(path) or ""
        new = _mapped(text, mapped)
        if alone:
            new = _untied(new, alone, is_rules=path.endswith(".rules"))
        if new != text:
            replaced[path] = new
    return replaced


def _mapped(text: str, mapped: dict[str, str]) -> str:
    if not mapped:
        return text
    # In one pass: one after another, swapped addresses would become the same.
    addresses = "|".join(re.escape(each) for each in mapped)
    pattern = re.compile(rf"(?<![0-9A-Fa-f:])(?:{addresses})(?![0-9A-Fa-f:])", re.IGNORECASE)

    def target_of(match: re.Match[str]) -> str:
        target = mapped[match.group().lower()]
        # udev compares addresses as they are written, which is in lower case.
        return target.upper() if match.group() != match.group().lower() else target

    return pattern.sub(target_of, text)


def _untied(text: str, address: str, *, is_rules: bool) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        is_tie = is_rules or _TIE.match(line) is not None
        is_out = is_tie and address in line.lower() and not line.lstrip().startswith("#")
        lines.append(f"# {line}" if is_out else line)
    return "".join(lines)
