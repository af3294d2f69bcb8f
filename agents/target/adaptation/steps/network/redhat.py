"""Red Hat's /etc/sysconfig/network-scripts: fixed addresses of plain cards become DHCP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.assignments import assignments, commented_assignments, edited_assignments
from agents.target.adaptation.inputs import failed
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_COMPLEX

FOLDER: Final = "/etc/sysconfig/network-scripts"
GLOBAL: Final = "/etc/sysconfig/network"
_REASON: Final = "addresses come from the target's network"
_STATIC: Final = ("IPADDR", "NETMASK", "PREFIX", "GATEWAY", "DNS", "DOMAIN", "NETWORK", "BROADCAST", "IPV6ADDR")
_STATIC_6: Final = ("IPV6_DEFAULTGW", "IPV6ADDR_SECONDARIES")
# Members of these have no addresses of their own.
_MEMBER_OF: Final = ("MASTER", "BRIDGE", "TEAM_MASTER", "BONDING_MASTER", "OVS_BRIDGE")
_METHODS: Final = frozenset({"static", "none", ""})


def card_files(tree: Tree) -> list[str]:
    """The paths of the files that configure cards; what package managers and editors leave beside them is not read."""
    names = [name for name in tree.names(FOLDER) if name.startswith("ifcfg-") and name != "ifcfg-lo"]
    return [f"{FOLDER}/{name}" for name in names if not name.endswith(("~", ".bak", ".orig", ".rpmnew", ".rpmsave"))]


def plan_redhat(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """names: the source's real cards. replaced: texts that an earlier change gave files, by path."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    for path in card_files(tree):
        text = replaced.get(path, tree.text(path) or "")
        values = assignments(text)
        if not _has_addresses(values):
            continue
        device = values.get("DEVICE", path.rpartition("ifcfg-")[2])
        if device not in names or any(values.get(each) for each in _MEMBER_OF):
            checks.append(failed(NET_COMPLEX, "W", path=path, what=f"addresses of {device}"))
            continue
        changes.append(WriteFile(path=path, content=encode(with_dhcp(text)), reason=_REASON))
    changes += _without_gateway(tree)
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _has_addresses(values: Mapping[str, str]) -> bool:
    return any(name.startswith(("IPADDR", "IPV6ADDR")) for name in values) and (
        values.get("BOOTPROTO", "").lower() in _METHODS
    )


def with_dhcp(text: str) -> str:
    """The text with BOOTPROTO=dhcp and the addresses as comments."""
    commented = commented_assignments(text, lambda name: name.startswith(_STATIC) or name in _STATIC_6)
    new = edited_assignments(commented, lambda name, _: "dhcp" if name == "BOOTPROTO" else None)
    if "BOOTPROTO" in assignments(new):
        return new
    return f"{new}{'' if not new or new.endswith(chr(10)) else chr(10)}BOOTPROTO=dhcp\n"


def _without_gateway(tree: Tree) -> list[Change]:
    """A default route for all cards would go before the one that DHCP gives."""
    text = tree.text(GLOBAL) or ""
    new = commented_assignments(text, lambda name: name in {"GATEWAY", "GATEWAYDEV", "IPV6_DEFAULTGW"})
    return [WriteFile(path=GLOBAL, content=encode(new), reason=_REASON)] if new != text else []
