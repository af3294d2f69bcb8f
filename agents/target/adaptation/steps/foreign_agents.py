"""S06: services of the platform that the system comes from stay off; nothing is uninstalled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, RemoveFile, StepResult, WriteFile
from agents.target.adaptation.inputs import failed, passed
from agents.target.adaptation.platform_agents import PLATFORM_AGENTS, PlatformAgent
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import AGENT_LEFT

_OWN_UNITS: Final = "/etc/systemd/system"
_UNIT_FOLDERS: Final = (
    *(_OWN_UNITS, "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"),
)
_MASK: Final = "/dev/null"
# Of a unit that is kept in /etc, where the link would have to take its place: a condition that never holds.
_DROP_IN: Final = "sms-adapt.conf"
_NEVER: Final = b"# The platform that this service belongs to was left behind.\n[Unit]\nConditionPathExists=!/\n"
_SCRIPTS: Final = ("/etc/init.d", "/etc/rc.d/init.d")
_JOBS: Final = "/etc/init"
_RUN_LEVELS: Final = tuple(f"{folder}/rc{level}.d" for folder in ("/etc", "/etc/rc.d") for level in "S0123456")
_START_LINK: Final = re.compile(r"S(\d\d)(.+)")
_OWN_RULES: Final = "/etc/udev/rules.d"
_PACKAGED_RULES: Final = ("/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_COMMENT: Final = "# not migrated: "


def plan_foreign_agents(tree: Tree, system: SystemFacts) -> StepResult:
    """Mask units, override Upstart jobs, turn start links into stop links, comment lines of cron tables."""
    changes: list[Change] = []
    found: list[str] = []
    for agent in PLATFORM_AGENTS:
        planned = switched_off(tree, agent, system)
        if planned or _units(tree, agent, system):
            found.append(agent.platform)
        changes += planned
    return StepResult(changes=tuple(changes), facts={"foreign_agents": ", ".join(found)} if found else {})


def switched_off(tree: Tree, agent: PlatformAgent, system: SystemFacts) -> list[Change]:
    """What keeps an agent from starting; nothing when it is not there or is off already."""
    reason = f"service of {agent.platform}"
    units = _units(tree, agent, system)
    changes = [_masked(tree, unit, reason) for unit in units if not _is_off(tree, unit)]
    for job in agent.jobs:
        if tree.is_file(f"{_JOBS}/{job}.conf") and not _is_manual(tree, job):
            override = f"{_JOBS}/{job}.override"
            text = tree.text(override) or ""
            separator = "" if not text or text.endswith("\n") else "\n"
            changes.append(WriteFile(path=override, content=encode(f"{text}{separator}manual\n"), reason=reason))
    if not system.has_systemd:
        for folder, name in _start_links(tree, agent):
            changes += _as_stop_link(tree, folder, name, reason)
    for path in agent.cron_files:
        lines = (tree.text(path) or "").splitlines(keepends=True)
        new = "".join(f"{_COMMENT}{line}" if _is_cron_line(line) else line for line in lines)
        if new != "".join(lines):
            changes.append(WriteFile(path=path, content=encode(new), reason=reason))
    for name in agent.udev_rules:
        changes += _without_rules(tree, name, reason)
    return changes


def _without_rules(tree: Tree, name: str, reason: str) -> list[Change]:
    """A file in /etc goes before the package's of the same name; in /etc itself the lines become comments."""
    own = f"{_OWN_RULES}/{name}"
    if tree.link_target(own) == _MASK:
        return []
    text = tree.text(own)
    if text is None:
        is_there = any(tree.is_file(f"{folder}/{name}") for folder in _PACKAGED_RULES)
        return [MakeLink(path=own, target=_MASK, reason=reason)] if is_there else []
    new = "".join(f"{_COMMENT}{line}" if _is_cron_line(line) else line for line in text.splitlines(keepends=True))
    return [WriteFile(path=own, content=encode(new), reason=reason)] if new != text else []


def _units(tree: Tree, agent: PlatformAgent, system: SystemFacts) -> list[str]:
    """The agent's units that are installed; systemd makes one of each init script, too."""
    if not system.has_systemd:
        return []
    names = {
        name
        for folder in _UNIT_FOLDERS
        for name in tree.names(folder)
        if any(fnmatchcase(name, pattern) for pattern in agent.units)
    }
    names |= {f"{job}.service" for job in agent.jobs if any(tree.is_file(f"{each}/{job}") for each in _SCRIPTS)}
    return sorted(names)


def _masked(tree: Tree, unit: str, reason: str) -> Change:
    path = f"{_OWN_UNITS}/{unit}"
    if tree.link_target(path) is None and tree.is_file(path):
        return WriteFile(path=f"{path}.d/{_DROP_IN}", content=_NEVER, reason=reason)
    return MakeLink(path=path, target=_MASK, reason=reason)


def _is_off(tree: Tree, unit: str) -> bool:
    path = f"{_OWN_UNITS}/{unit}"
    return tree.link_target(path) == _MASK or tree.read(f"{path}.d/{_DROP_IN}") == _NEVER


def _is_manual(tree: Tree, job: str) -> bool:
    text = tree.text(f"{_JOBS}/{job}.override") or ""
    return any(line.strip() == "manual" for line in text.splitlines())


def _start_links(tree: Tree, agent: PlatformAgent) -> Iterator[tuple[str, str]]:
    seen = set()
    for folder in _RUN_LEVELS:
        # /etc/rcN.d may be a link into /etc/rc.d: every link counts once.
        real_folder = tree.real_path(folder)
        for name in tree.names(real_folder):
            match = _START_LINK.fullmatch(name)
            if match is not None and match.group(2) in agent.jobs and (real_folder, name) not in seen:
                seen.add((real_folder, name))
                yield real_folder, name


def _as_stop_link(tree: Tree, folder: str, name: str, reason: str) -> list[Change]:
    """As ``update-rc.d NAME disable`` does: S20 becomes K80, so that no tool takes the script for a new one."""
    target = tree.link_target(f"{folder}/{name}")
    changes: list[Change] = [RemoveFile(path=f"{folder}/{name}", reason=reason)]
    if target is not None:
        stopped = f"K{(100 - int(name[1:3])) % 100:02}{name[3:]}"
        changes.append(MakeLink(path=f"{folder}/{stopped}", target=target, reason=reason))
    return changes


def _is_cron_line(line: str) -> bool:
    body = line.strip()
    return bool(body) and not body.startswith("#")


def foreign_agent_checks(tree: Tree, system: SystemFacts) -> tuple[AdaptationCheck, ...]:
    """AGENT_LEFT: a warning, since such a service does not find its platform and at worst fails."""
    left = [
        failed(AGENT_LEFT, "W", path=change.path, platform=agent.platform)
        for agent in PLATFORM_AGENTS
        for change in switched_off(tree, agent, system)
        if isinstance(change, WriteFile | MakeLink | RemoveFile)
    ]
    return tuple(left) or (passed(AGENT_LEFT, "W"),)
