"""NetworkManager's keyfiles: ethernet profiles with fixed addresses become automatic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.sections import edit_sections, section_values
from agents.target.adaptation.tree import Tree, encode

FOLDER: Final = "/etc/NetworkManager/system-connections"
_STATIC: Final = ("address", "gateway", "dns", "route")
# Packages for servers switch off the profiles that NetworkManager makes by itself.
_SETTINGS: Final = ("/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d")
_PROGRAM: Final = "/usr/sbin/NetworkManager"
_OWN: Final = f"{FOLDER}/sms-adapt.nmconnection"


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


def needs_profile(tree: Tree) -> bool:
    """Whether NetworkManager is there and would leave a card without a profile alone."""
    texts = [tree.text(f"{folder}/{name}") or "" for folder in _SETTINGS for name in tree.names(folder)]
    return tree.is_program(_PROGRAM) and any(
        section_values(text).get(("main", "no-auto-default")) == "*" for text in texts
    )


def own_profile() -> WriteFile:
    """A profile for any card. Its identifier is always the same: no value of the file is made by chance."""
    identifier = uuid5(NAMESPACE_DNS, "sms-adapt.invalid")
    text = (
        f"[connection]\nid=sms-adapt\nuuid={identifier}\ntype=ethernet\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    )
    return WriteFile(path=_OWN, content=text.encode(), mode=0o600, reason="addresses of the target's network")


def ignored_keyfiles(tree: Tree) -> list[str]:
    """Profiles that NetworkManager passes over, since others than root could read or have written them."""
    ignored = []
    for name in tree.names(FOLDER):
        status = tree.status(f"{FOLDER}/{name}")
        if name.endswith(".nmconnection") and status is not None and (status.st_mode & 0o077 or status.st_uid):
            ignored.append(f"{FOLDER}/{name}")
    return ignored


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
