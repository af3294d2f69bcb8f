"""Which cards there are, and all changes for them together."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.steps.network.interfaces import is_configured_by_interfaces, plan_interfaces
from agents.target.adaptation.steps.network.keyfiles import plan_keyfiles
from agents.target.adaptation.steps.network.netplan import plan_netplan
from agents.target.adaptation.steps.network.networkd import plan_networkd
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_NONE, NET_STALE_MAC
from contracts.inventory import NetworkInterface

_DEFAULT_LINK: Final = ("/lib/systemd/network/99-default.link", "/usr/lib/systemd/network/99-default.link")
_LINK: Final = "/etc/systemd/network/00-sms-{index}.link"
_KERNEL_NAME: Final = re.compile(r"eth\d+")
CLASSIC_NAMES: Final = ("net.ifnames=0", "biosdevname=0")
# A name that can only be a real card's: in a stanza of ifupdown, as a key of netplan, in a match of networkd.
_CARD: Final = r"(eth\d+|en[opsx][a-z0-9]+)"
_CARD_NAME: Final = re.compile(rf"^iface\s+{_CARD}\s+inet|^\s+{_CARD}:\s*$|^Name={_CARD}\s*$")
# Where files name a card by its address.
_FOLDERS: Final = {
    "/etc/network": "interfaces",
    "/etc/network/interfaces.d": "",
    "/etc/netplan": ".yaml",
    "/etc/systemd/network": "",
    "/etc/NetworkManager/system-connections": "",
    "/etc/udev/rules.d": "70-persistent-net.rules",
}


def physical_interfaces(tree: Tree, inputs: Inputs) -> list[NetworkInterface]:
    """The source's real cards, in its order; of a mounted system, whose cards nobody sees, those that it names."""
    cards = [each for each in inputs.inventory.network_interfaces if each.is_physical and each.name != "lo"]
    if cards or inputs.inventory.is_live:
        return cards
    texts = [tree.text(path) or "" for path in _files(tree)]
    found = (_CARD_NAME.match(line) for text in texts for line in text.splitlines())
    names = {match.group(match.lastindex or 0) for match in found if match}
    return [NetworkInterface(name=name) for name in sorted(names)]


def plan_network(tree: Tree, inputs: Inputs) -> StepResult:
    """Names first, since firewalls, routes and services hang on them; then addresses."""
    cards = physical_interfaces(tree, inputs)
    checks: list[AdaptationCheck] = []
    changes: list[Change] = [*_pins(tree, inputs, cards)]
    replaced = _addresses_replaced(tree, inputs.facts.network_map)
    if inputs.facts.network_mode == "dhcp":
        names = {card.name for card in cards}
        for plan in (plan_interfaces, plan_netplan, plan_networkd, plan_keyfiles):
            result = plan(tree, names, replaced)
            changes += result.changes
            checks += result.checks
    done = {change.path for change in changes if isinstance(change, WriteFile)}
    changes += [
        WriteFile(path=path, content=encode(text), reason="addresses of network cards")
        for path, text in replaced.items()
        if path not in done
    ]
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def extra_kernel_arguments(tree: Tree, inputs: Inputs) -> tuple[str, ...]:
    """A single card that is called eth0 keeps its name by an argument: udev refuses to give that name."""
    cards = physical_interfaces(tree, inputs)
    is_classic = len(cards) == 1 and _KERNEL_NAME.fullmatch(cards[0].name) is not None
    if not is_classic or not any(tree.is_file(path) for path in _DEFAULT_LINK):
        return ()
    given = inputs.inventory.kernel_command_line.split()
    return tuple(each for each in CLASSIC_NAMES if each not in given)


def _pins(tree: Tree, inputs: Inputs, cards: list[NetworkInterface]) -> list[Change]:
    """Files that give the target's cards the source's names; the first match in file order wins."""
    if not any(tree.is_file(path) for path in _DEFAULT_LINK):
        return []
    pins: list[Change] = []
    for index, card in enumerate(cards):
        mac = _mapped(inputs.facts.network_map, card.mac)
        if _KERNEL_NAME.fullmatch(card.name):
            continue
        if mac:
            match = f"MACAddress={mac}"
        elif len(cards) == 1:
            # Only real cards have a path on a bus; bridges and container ends are of type ether too.
            match = "Type=ether\nPath=pci-*"
        else:
            continue
        content = f"[Match]\n{match}\n\n[Link]\nName={card.name}\n"
        path = _LINK.format(index=index)
        pins.append(WriteFile(path=path, content=content.encode(), reason="name of a network card", after=card.name))
    return pins


def _mapped(network_map: dict[str, str], mac: str) -> str:
    return next((target.lower() for source, target in network_map.items() if mac and source.lower() == mac.lower()), "")


def _files(tree: Tree) -> list[str]:
    found = []
    for folder, ending in _FOLDERS.items():
        found += [f"{folder}/{name}" for name in tree.names(folder) if name.endswith(ending)]
    return [path for path in found if tree.is_file(path) and not path.startswith("/etc/systemd/network/00-sms-")]


def _addresses_replaced(tree: Tree, network_map: dict[str, str]) -> dict[str, str]:
    """New texts of the files that name a card by its address, by path."""
    replaced = {}
    for path in _files(tree):
        text = new = tree.text(path) or ""
        for source, target in sorted(network_map.items()):
            new = re.sub(rf"\b{re.escape(source)}\b", target, new, flags=re.IGNORECASE)
        if new != text:
            replaced[path] = new
    return replaced


def network_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """NET_NONE and NET_STALE_MAC, warnings both: a target without network still boots."""
    cards = physical_interfaces(tree, inputs)
    checks = []
    kept = {target.lower() for target in inputs.facts.network_map.values()}
    for path in _files(tree):
        text = (tree.text(path) or "").lower()
        stale = [card.mac for card in cards if card.mac and card.mac.lower() in text and card.mac.lower() not in kept]
        checks += [failed(NET_STALE_MAC, "W", path=path, mac=mac) for mac in stale]
    if not _is_configured(tree):
        checks.append(failed(NET_NONE, "W", names=", ".join(card.name for card in cards) or "of the target"))
    return tuple(checks) or (passed(NET_NONE, "W"), passed(NET_STALE_MAC, "W"))


def _is_configured(tree: Tree) -> bool:
    has_files = any(
        name.endswith(ending)
        for folder, ending in (("/etc/netplan", ".yaml"), ("/etc/systemd/network", ".network"))
        for name in tree.names(folder)
    )
    # NetworkManager makes a profile by itself for a card that has none.
    has_manager = tree.is_program("/usr/sbin/NetworkManager")
    return has_files or has_manager or is_configured_by_interfaces(tree)
