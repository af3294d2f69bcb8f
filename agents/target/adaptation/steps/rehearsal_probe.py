"""The probe of a rehearsal: one script that tells by a virtio-serial port what has come up.

It is planned for throw-away layers only (agents/target/layer.py): neither a replica nor a launched target has it.
"""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import Change, MakeLink, StepResult, WriteFile
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree

PORT_NAME: Final = "org.sms.rehearsal"
_REASON: Final = "the rehearsed system reports on itself"
_SCRIPT: Final = "/etc/sms-rehearsal/probe"
_UNIT: Final = "/etc/systemd/system/sms-rehearsal-probe.service"
_WANTED: Final = "/etc/systemd/system/multi-user.target.wants/sms-rehearsal-probe.service"
_INIT_SCRIPT: Final = "/etc/init.d/sms-rehearsal-probe"

# Old systems have no tool that writes JSON; sed has been everywhere for as long as sh. Ten reports, as services go on
# starting for a while after their manager calls them started.
_PROBE: Final = f"""\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
modprobe -q virtio_pci 2>/dev/null
modprobe -q virtio_console 2>/dev/null
find_port() {{
    for name in /sys/class/virtio-ports/*/name; do
        if [ "$(cat "$name" 2>/dev/null)" = {PORT_NAME} ]; then
            name=${{name%/name}}
            port=/dev/${{name##*/}}
            [ -c "$port" ] && return 0
        fi
    done
    return 1
}}
strings() {{
    sed -e 's/[\\\\"]/\\\\&/g' -e 's/[[:cntrl:]]/ /g' -e 's/.*/"&",/'
    echo '""'
}}
failed_units() {{
    systemctl list-units --failed --all --plain --no-legend --no-pager --full 2>/dev/null
}}
report() {{
    printf '{{"failed_units":['; failed_units | strings
    printf '],"mounts":['; strings </proc/self/mounts
    printf '],"fstab":['; strings </etc/fstab
    printf '],"tcp":['; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | strings
    printf '],"addresses":['; ip -o addr show scope global 2>/dev/null | strings
    printf '],"is_last":%s}}' "$1"
}}
tries=0
until find_port; do
    tries=$((tries + 1))
    [ "$tries" -gt 60 ] && exit 1
    sleep 1
done
for is_last in false false false false false false false false false true; do
    {{ report "$is_last" | tr '\\n' ' '; echo; }} >"$port"
    sleep 3
done
"""
_UNIT_TEXT: Final = f"""\
[Unit]
Description=Report of a rehearsal
After=multi-user.target

[Service]
ExecStart=/bin/sh {_SCRIPT}
"""
_INIT_TEXT: Final = f"""\
#!/bin/sh
### BEGIN INIT INFO
# Provides: sms-rehearsal-probe
# Required-Start: $all
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop:
# Short-Description: Report of a rehearsal
### END INIT INFO
[ "$1" = start ] && /bin/sh {_SCRIPT} &
exit 0
"""


def plan_rehearsal_probe(tree: Tree, system: SystemFacts) -> StepResult:
    """A unit where systemd runs, else a script of System V that the run levels of a server start last."""
    changes: list[Change] = [WriteFile(path=_SCRIPT, content=_PROBE.encode(), reason=_REASON, mode=0o755)]
    if system.has_systemd:
        changes.append(WriteFile(path=_UNIT, content=_UNIT_TEXT.encode(), reason=_REASON))
        changes.append(MakeLink(path=_WANTED, target=_UNIT, reason=_REASON))
        return StepResult(changes=tuple(changes))
    changes.append(WriteFile(path=_INIT_SCRIPT, content=_INIT_TEXT.encode(), reason=_REASON, mode=0o755))
    folder = "/etc/rc.d" if tree.is_directory("/etc/rc.d/rc3.d") else "/etc"
    links = (f"{folder}/rc{level}.d" for level in range(2, 6))
    changes += [
        MakeLink(path=f"{link}/S99sms-rehearsal-probe", target=_INIT_SCRIPT, reason=_REASON)
        for link in links
        if tree.is_directory(link)
    ]
    return StepResult(changes=tuple(changes))
