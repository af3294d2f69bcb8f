"""/etc/network/interfaces: static stanzas of real cards become DHCP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.tree import Tree, encode

MAIN: Final = "/etc/network/interfaces"
FOLDER: Final = "/etc/network/interfaces.d"
_STARTS_STANZA: Final = frozenset({"iface", "auto", "mapping", "source", "source-directory", "template"})
_STATIC_OPTIONS: Final = frozenset(
    ("address", "netmask", "gateway", "network", "broadcast", "pointopoint", "dns-nameservers", "dns-search", "scope")
)
_METHODS: Final = {"inet": "dhcp", "inet6": "auto"}


def interface_files(tree: Tree) -> list[str]:
    """The files that ifup reads."""
    return [path for path in (MAIN, *(f"{FOLDER}/{name}" for name in tree.names(FOLDER))) if tree.is_file(path)]


def plan_interfaces(tree: Tree, names: set[str], replaced: Mapping[str, str]) -> StepResult:
    """names: the source's real cards. replaced: texts that an earlier change gave files, by path."""
    changes: list[Change] = []
    for path in interface_files(tree):
        text = replaced.get(path, tree.text(path) or "")
        new = with_dhcp(text, names)
        if new != text:
            changes.append(WriteFile(path=path, content=encode(new), reason="addresses come from the target's network"))
    return StepResult(changes=tuple(changes))


def with_dhcp(text: str, names: set[str]) -> str:
    """The text with static stanzas of these cards turned into DHCP; what no longer holds becomes a comment."""
    lines = []
    is_static = False
    for line in text.splitlines(keepends=True):
        words = line.split()
        if words and (words[0] in _STARTS_STANZA or words[0].startswith("allow-")):
            is_static = words[0] == "iface" and len(words) >= 4 and words[1] in names and words[3] == "static"
            lines.append(_dynamic_head(line, words[2]) if is_static else line)
        elif is_static and words and words[0] in _STATIC_OPTIONS:
            lines.append(f"# {line}")
        else:
            lines.append(line)
    return "".join(lines)


def _dynamic_head(line: str, family: str) -> str:
    head, _, tail = line.rpartition("static")
    return f"{head}{_METHODS.get(family, 'static')}{tail}"


def is_configured_by_interfaces(tree: Tree) -> bool:
    """Whether ifupdown brings up anything but the loopback."""
    for path in interface_files(tree):
        for line in (tree.text(path) or "").splitlines():
            words = line.split()
            if words[:1] == ["iface"] and len(words) >= 4 and words[1] != "lo":
                return True
    return False
