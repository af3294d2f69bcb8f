"""All changes for the network cards together: names first, since firewalls, routes and services hang on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.steps.network import redhat, suse
from agents.target.adaptation.steps.network.addresses import (
    RULES,
    address_files,
    addresses_replaced,
    physical_interfaces,
)
from agents.target.adaptation.steps.network.interfaces import is_configured_by_interfaces, plan_interfaces
from agents.target.adaptation.steps.network.keyfiles import (
    FOLDER as KEYFILES,
)
from agents.target.adaptation.steps.network.keyfiles import (
    ignored_keyfiles,
    needs_profile,
    own_profile,
    plan_keyfiles,
)
from agents.target.adaptation.steps.network.netplan import plan_netplan
from agents.target.adaptation.steps.network.networkd import plan_networkd
from agents.target.adaptation.steps.network.resolver import resolver_checks
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_MODE, NET_NONE, NET_ORDER, NET_STALE_MAC
from contracts.inventory import NetworkInterface

_DEFAULT_LINK: Final = ("/lib/systemd/network/99-default.link", "/usr/lib/systemd/network/99-default.link")
_LINK: Final = "/etc/systemd/network/00-sms-{index}.link"
_KERNEL_NAME: Final = re.compile(r"eth\d+")
CLASSIC_NAMES: Final = ("net.ifnames=0", "biosdevname=0")
_PLANS: Final = (plan_interfaces, plan_netplan, plan_networkd, plan_keyfiles, redhat.plan_redhat, suse.plan_suse)


def plan_network(tree: Tree, inputs: Inputs) -> StepResult:
    """Names, then addresses of the cards, then where the system gets its own addresses from."""
    cards = physical_interfaces(tree, inputs)
    checks: list[AdaptationCheck] = []
    changes: list[Change] = [*_pins(tree, inputs, cards)]
    replaced = addresses_replaced(tree, cards, inputs.facts.network_map)
    # The source's address is its own for as long as both run.
    if inputs.facts.network_mode == "dhcp" or inputs.facts.identity == "new":
        names = {card.name for card in cards}
        for plan in _PLANS:
            result = plan(tree, names, replaced)
            changes += result.changes
            checks += result.checks
        if needs_profile(tree) and not _has_profiles(tree):
            changes.append(own_profile())
    done = {change.path for change in changes if isinstance(change, WriteFile)}
    changes += [
        WriteFile(path=path, content=encode(text), reason="addresses of network cards")
        for path, text in replaced.items()
        if path not in done
    ]
    needs = {"network_order": ", ".join(card.name for card in cards)} if _go_by_order(tree, cards) else {}
    return StepResult(changes=tuple(changes), checks=tuple(checks), needs=needs)


def _has_profiles(tree: Tree) -> bool:
    return bool(tree.names(KEYFILES) or redhat.card_files(tree))


def extra_kernel_arguments(tree: Tree, inputs: Inputs) -> tuple[str, ...]:
    """Cards that are called eth0 and so on keep such names by arguments: udev refuses to give them."""
    cards = physical_interfaces(tree, inputs)
    is_classic = bool(cards) and all(_KERNEL_NAME.fullmatch(card.name) for card in cards)
    if not is_classic or not _has_links(tree):
        return ()
    given = inputs.inventory.kernel_command_line.split()
    return tuple(each for each in CLASSIC_NAMES if each not in given)


def _has_links(tree: Tree) -> bool:
    """Whether udev names cards by .link files: systemd 209 and later."""
    return any(tree.is_file(path) for path in _DEFAULT_LINK)


def _go_by_order(tree: Tree, cards: Sequence[NetworkInterface]) -> bool:
    """Several cards with the kernel's own names, which follow the order in which the machine has them.

    Red Hat's network scripts give names by HWADDR, and older udev by rules.
    """
    names = [card for card in cards if _KERNEL_NAME.fullmatch(card.name)]
    has_rules = tree.is_file(RULES) and not _has_links(tree)
    by_scripts = [path for path in redhat.card_files(tree) if assignments(tree.text(path) or "").get("HWADDR")]
    return len(names) > 1 and not has_rules and len(by_scripts) < len(names)


def _pins(tree: Tree, inputs: Inputs, cards: Sequence[NetworkInterface]) -> list[Change]:
    """Files that give the target's cards the source's names; the first match in file order wins."""
    if not _has_links(tree):
        return []
    mapped = {source.lower(): target.lower() for source, target in inputs.facts.network_map.items()}
    pins: list[Change] = []
    for index, card in enumerate(cards):
        mac = mapped.get(card.mac.lower(), "")
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


def network_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """Warnings all, since a target without network still boots."""
    cards = physical_interfaces(tree, inputs)
    checks = []
    kept = {target.lower() for target in inputs.facts.network_map.values()}
    for path in address_files(tree):
        lines = [line for line in (tree.text(path) or "").lower().splitlines() if not line.lstrip().startswith("#")]
        stale = [
            card.mac
            for card in cards
            if card.mac and card.mac.lower() not in kept and any(card.mac.lower() in line for line in lines)
        ]
        checks += [failed(NET_STALE_MAC, "W", path=path, mac=mac) for mac in stale]
    if not _is_configured(tree):
        checks.append(failed(NET_NONE, "W", names=", ".join(card.name for card in cards) or "of the target"))
    if _go_by_order(tree, cards):
        checks.append(failed(NET_ORDER, "W", names=", ".join(card.name for card in cards)))
    checks += [failed(NET_MODE, "W", path=path) for path in ignored_keyfiles(tree)]
    checks += resolver_checks(tree, inputs)
    return tuple(checks) or (passed(NET_NONE, "W"), passed(NET_STALE_MAC, "W"))


def _is_configured(tree: Tree) -> bool:
    has_files = any(
        name.endswith(ending)
        for folder, ending in (("/etc/netplan", ".yaml"), ("/etc/systemd/network", ".network"))
        for name in tree.names(folder)
    )
    # NetworkManager makes a profile by itself for a card that has none.
    has_manager = tree.is_program("/usr/sbin/NetworkManager")
    has_scripts = bool(redhat.card_files(tree) or suse.card_files(tree))
    return has_files or has_manager or has_scripts or is_configured_by_interfaces(tree)
