"""NetworkManager's keyfiles: ethernet profiles with fixed addresses become automatic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.steps.network.sections import edit_sections, section_values
from agents.target.adaptation.tree import Tree, encode

FOLDER: Final = "/etc/NetworkManager/system-connections"
_STATIC: Final = ("address", "gateway", "dns", "route")


def plan_keyfiles(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """names is not needed: the profile's type tells. Mode 0600 is kept; others NetworkManager ignores."""
    del names
    changes: list[Change] = []
    for name in tree.names(FOLDER):
        path = f"{FOLDER}/{name}"
        text = replaced.get(path, tree.text(path) or "")
        if section_values(text).get(("connection", "type")) in {"ethernet", "802-3-ethernet"}:
            new = with_automatic(text)
            if new != text:
                reason = "addresses come from the target's network"
                changes.append(WriteFile(path=path, content=encode(new), reason=reason))
    return StepResult(changes=tuple(changes))


def with_automatic(text: str) -> str:
    """The text with ``method=manual`` as auto and its addresses as comments."""
    values = section_values(text)

    def edit(section: str, key: str, value: str) -> str | None:
        if section not in {"ipv4", "ipv6"} or values.get((section, "method")) != "manual":
            return None
        if key == "method":
            return "method=auto"
        return f"# {key}={value}" if key.startswith(_STATIC) else None

    return edit_sections(text, edit)
