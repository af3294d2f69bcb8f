"""SUSE's /etc/sysconfig/network, of ifup and of wicked: fixed addresses of plain cards become DHCP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.assignments import assignments, commented_assignments, edited_assignments
from agents.target.adaptation.inputs import failed
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_COMPLEX

FOLDER: Final = "/etc/sysconfig/network"
CONFIG: Final = f"{FOLDER}/config"
_ROUTES: Final = f"{FOLDER}/routes"
_REASON: Final = "addresses come from the target's network"
_STATIC: Final = ("IPADDR", "NETMASK", "PREFIXLEN", "BROADCAST", "NETWORK", "REMOTE_IPADDR", "GATEWAY")
_METHODS: Final = frozenset({"static", "none", ""})
# A file with one of these is of a card that is built from others.
_BUILT: Final = ("BONDING_MASTER", "BRIDGE", "ETHERDEVICE", "TEAM_RUNNER", "TUNNEL")


def card_files(tree: Tree) -> list[str]:
    """The paths of the files that configure cards."""
    names = [name for name in tree.names(FOLDER) if name.startswith("ifcfg-")]
    return [f"{FOLDER}/{name}" for name in names if name != "ifcfg-lo" and not name.endswith(("~", ".template"))]


def plan_suse(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """names: the source's real cards. replaced: texts that an earlier change gave files, by path."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    is_dynamic = False
    for path in card_files(tree):
        text = replaced.get(path, tree.text(path) or "")
        values = assignments(text)
        name = path.rpartition("ifcfg-")[2]
        if not _has_addresses(values):
            is_dynamic = is_dynamic or values.get("BOOTPROTO", "").startswith("dhcp")
            continue
        if name not in names or any(values.get(each) for each in _BUILT):
            checks.append(failed(NET_COMPLEX, "W", path=path, what=f"addresses of {name}"))
            continue
        changes.append(WriteFile(path=path, content=encode(with_dhcp(text)), reason=_REASON))
        changes += _without_routes(tree, f"{FOLDER}/ifroute-{name}")
    if changes or is_dynamic:
        changes += [*_without_routes(tree, _ROUTES), *_without_name_servers(tree)]
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _has_addresses(values: Mapping[str, str]) -> bool:
    has_address = any(name.startswith("IPADDR") and value for name, value in values.items())
    return has_address and values.get("BOOTPROTO", "").lower() in _METHODS


def with_dhcp(text: str) -> str:
    """The text with BOOTPROTO='dhcp' and the addresses as comments."""
    commented = commented_assignments(text, lambda name: name.startswith(_STATIC))
    new = edited_assignments(commented, lambda name, _: "dhcp" if name == "BOOTPROTO" else None)
    if "BOOTPROTO" in assignments(new):
        return new
    return f"{new}{'' if not new or new.endswith(chr(10)) else chr(10)}BOOTPROTO='dhcp'\n"


def _without_routes(tree: Tree, path: str) -> list[Change]:
    """Routes by gateways of the source's network as comments; routes to a card alone stay."""
    text = tree.text(path) or ""
    lines = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        is_old = len(words) >= 2 and not line.lstrip().startswith("#") and words[1] != "-"
        lines.append(f"# {line}" if is_old else line)
    new = "".join(lines)
    return [WriteFile(path=path, content=encode(new), reason=_REASON)] if new != text else []


def _without_name_servers(tree: Tree) -> list[Change]:
    text = tree.text(CONFIG) or ""
    new = edited_assignments(text, lambda name, value: "" if name == "NETCONFIG_DNS_STATIC_SERVERS" and value else None)
    return [WriteFile(path=CONFIG, content=encode(new), reason=_REASON)] if new != text else []
