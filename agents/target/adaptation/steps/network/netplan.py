"""Netplan: files with fixed addresses make room for one that asks for an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.inputs import failed
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import NET_COMPLEX

FOLDER: Final = "/etc/netplan"
OWN: Final = f"{FOLDER}/99-sms-adapt.yaml"
_COMPLEX: Final = re.compile(r"^\s+(bonds|bridges|vlans|tunnels|wifis|vrfs|modems):", re.MULTILINE)
_ADDRESSES: Final = re.compile(r"^\s+addresses:", re.MULTILINE)
_RENDERER: Final = re.compile(r"^\s+renderer:\s*(\w+)", re.MULTILINE)


def plan_netplan(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """Lists of several files are joined by netplan, so an address cannot be taken back by a later file: the files
    that give one are turned into comments as a whole. Files with bonds and the like are left to a person."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    renderer = ""
    for name in tree.names(FOLDER):
        path = f"{FOLDER}/{name}"
        text = replaced.get(path, tree.text(path) or "")
        if not name.endswith(".yaml") or path == OWN or not _ADDRESSES.search(text):
            continue
        complex_part = _COMPLEX.search(text)
        if complex_part:
            checks.append(failed(NET_COMPLEX, "W", path=path, what=complex_part.group(1)))
            continue
        found = _RENDERER.search(text)
        renderer = found.group(1) if found else renderer
        commented = "".join(f"# {line}" for line in text.splitlines(keepends=True))
        changes.append(WriteFile(path=path, content=encode(commented), reason="addresses of the source's network"))
    if changes and names:
        content = _own_file(sorted(names), renderer)
        changes.append(WriteFile(path=OWN, content=content, mode=0o600, reason="addresses of the target's network"))
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _own_file(names: list[str], renderer: str) -> bytes:
    lines = ["network:", "  version: 2", *([f"  renderer: {renderer}"] if renderer else []), "  ethernets:"]
    for name in names:
        lines += [f"    {name}:", "      dhcp4: true", "      optional: true"]
    return ("\n".join(lines) + "\n").encode()
