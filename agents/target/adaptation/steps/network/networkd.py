"""systemd-networkd: fixed addresses of real cards become DHCP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.sections import edit_sections, section_values, with_added
from agents.target.adaptation.tree import Tree, encode

FOLDER: Final = "/etc/systemd/network"
_STATIC: Final = frozenset({"Address", "Gateway", "DNS", "Domains"})


def plan_networkd(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """Only files of plain cards: members of bonds and bridges have no addresses of their own."""
    changes: list[Change] = []
    for name in tree.names(FOLDER):
        path = f"{FOLDER}/{name}"
        text = replaced.get(path, tree.text(path) or "")
        if name.endswith(".network") and _is_of(text, names):
            new = with_dhcp(text)
            if new != text:
                reason = "addresses come from the target's network"
                changes.append(WriteFile(path=path, content=encode(new), reason=reason))
    return StepResult(changes=tuple(changes))


def _is_of(text: str, names: set[str]) -> bool:
    values = section_values(text)
    matched = values.get(("Match", "Name"), "").split()
    return ("Match", "MACAddress") in values or any(each in names or each.endswith("*") for each in matched)


def with_dhcp(text: str) -> str:
    """The text with addresses and routes as comments and DHCP on, if it gives any address at all."""
    values = section_values(text)
    if ("Network", "Address") not in values and ("Address", "Address") not in values:
        return text

    def edit(section: str, key: str, value: str) -> str | None:
        if section in {"Address", "Route"} or (section == "Network" and key in _STATIC):
            return f"# {key}={value}"
        return "DHCP=yes" if (section, key) == ("Network", "DHCP") else None

    new = edit_sections(text, edit)
    return new if ("Network", "DHCP") in values else with_added(new, "Network", "DHCP=yes")
