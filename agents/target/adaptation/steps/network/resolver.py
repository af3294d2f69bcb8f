"""/etc/resolv.conf: name servers of the source's network that DHCP cannot replace."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.files import read_metadata
from agents.target.adaptation.inputs import Inputs, failed
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_RESOLVER

PATH: Final = "/etc/resolv.conf"


def resolver_checks(tree: Tree, inputs: Inputs) -> list[AdaptationCheck]:
    """A file that may not be changed (chattr +i) was meant to stay, so it stays, and a person is told."""
    if inputs.facts.network_mode != "dhcp" or tree.link_target(PATH) is not None or not tree.is_file(PATH):
        return []
    lines = [line.split() for line in (tree.text(PATH) or "").splitlines()]
    servers = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    if not read_metadata(tree, PATH).is_immutable or not servers:
        return []
    return [failed(NET_RESOLVER, "W", path=PATH, servers=", ".join(servers))]
