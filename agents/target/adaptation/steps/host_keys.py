"""New SSH host keys: the copied ones go, and the first start makes others.

Red Hat's and SUSE's systems make missing keys whenever sshd starts. Debian's and Ubuntu's never do, so they get a hook
for their first start.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, RemoveFile, WriteFile
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode

FOLDER: Final = "/etc/ssh"
_REASON: Final = "SSH host keys of its own"
_SERVER: Final = "/usr/sbin/sshd"
_GENERATORS: Final = tuple(
    f"{folder}/{name}"
    for folder in ("/usr/lib/systemd/system", "/lib/systemd/system")
    for name in ("sshd-keygen.service", "sshd-keygen@.service", "sshdgenkeys.service")
)
_GENERATOR_PROGRAM: Final = "/usr/sbin/sshd-gen-keys-start"
_SCRIPTS: Final = ("/etc/init.d/sshd", "/etc/rc.d/init.d/sshd", "/etc/init.d/ssh")
_UNIT: Final = "/etc/systemd/system/sms-host-keys.service"
_WANTED: Final = "/etc/systemd/system/multi-user.target.wants/sms-host-keys.service"
_UNIT_TEXT: Final = f"""\
[Unit]
Description=SSH host keys of this machine's own
Before=ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
ExecStartPost=/bin/rm -f {_WANTED} {_UNIT}
"""
_JOB: Final = "/etc/init/sms-host-keys.conf"
_JOB_TEXT: Final = f"""\
description "SSH host keys of this machine's own"
start on starting ssh
task
exec /usr/bin/ssh-keygen -A
post-stop exec rm -f {_JOB}
"""
# Debian's init script reads this file before it looks for the keys. Its ssh-keygen may be too old for -A.
_SETTINGS: Final = "/etc/default/ssh"
_SETTINGS_LINE: Final = f'[ -s {FOLDER}/ssh_host_rsa_key ] || ssh-keygen -q -t rsa -N "" -f {FOLDER}/ssh_host_rsa_key\n'


def plan_host_keys(tree: Tree, system: SystemFacts) -> list[Change]:
    """Every host key goes; who makes new ones is seen to, where there is a server."""
    changes: list[Change] = [
        RemoveFile(path=f"{FOLDER}/{name}", reason=_REASON)
        for name in tree.names(FOLDER)
        if fnmatchcase(name, "ssh_host_*key") or fnmatchcase(name, "ssh_host_*key.pub")
    ]
    if tree.is_program(_SERVER) and not _makes_keys(tree):
        changes += _hook(tree, system)
    return changes


def _makes_keys(tree: Tree) -> bool:
    if any(tree.is_file(path) for path in (*_GENERATORS, _GENERATOR_PROGRAM)):
        return True
    return any("ssh-keygen" in text or "sshd-keygen" in text for text in (tree.text(path) or "" for path in _SCRIPTS))


def _hook(tree: Tree, system: SystemFacts) -> list[Change]:
    if system.has_systemd:
        return [
            WriteFile(path=_UNIT, content=_UNIT_TEXT.encode(), reason=_REASON),
            MakeLink(path=_WANTED, target=_UNIT, reason=_REASON),
        ]
    if tree.is_file("/etc/init/ssh.conf"):
        return [WriteFile(path=_JOB, content=_JOB_TEXT.encode(), reason=_REASON)]
    text = tree.text(_SETTINGS) or ""
    if _SETTINGS_LINE in text:
        return []
    return [WriteFile(path=_SETTINGS, content=encode(text + _SETTINGS_LINE), reason=_REASON)]
