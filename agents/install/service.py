"""The agent's service: a systemd unit, or a SysV script where there is no systemd."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, Protocol

from agents.install.files import write_whole
from agents.install.own_paths import (
    CONFIGURATION,
    PROGRAM,
    SYSTEMD_UNIT,
    SYSV_LINKS,
    SYSV_LOG,
    SYSV_SCRIPT,
    UNPACK_FOLDER,
)
from contracts.errors import MigrationError
from contracts.errors.agent_install import INSTALL_FAILED

# Where the kernel groups sessions, and no control group divides the processors, nice values count within one session;
# the session has a value of its own. Only here is it certain that the session is nobody else's.
_GIVE_WAY: Final = "{ echo 19 >/proc/self/autogroup; } 2>/dev/null"
_UNIT: Final = f"""\
[Unit]
Description=Agent of the Server Migration Service
After=network-online.target
Wants=network-online.target
# However long the bus is away, the agent comes back.
StartLimitIntervalSec=0

[Service]
Environment=TMPDIR={UNPACK_FOLDER}
# An agent that was killed has left what it had unpacked.
ExecStartPre=/bin/sh -c 'rm -rf {UNPACK_FOLDER}/*'
ExecStart=/bin/sh -c '{_GIVE_WAY}; exec {PROGRAM} run --config {CONFIGURATION}'
Restart=always
RestartSec=2
UMask=0077
# The server's own work goes first.
CPUWeight=5
IOWeight=10

[Install]
WantedBy=multi-user.target
"""

# For an agent in the middle of a copy to note what it has sent; systemd gives it 90 s.
_STOP_S: Final = 20

# kill -s: dash, which is Debian's sh, takes no "--" after a signal's name or number.
_SCRIPT: Final = f"""\
#!/bin/sh
# chkconfig: 2345 90 10
# description: Agent of the Server Migration Service
### BEGIN INIT INFO
# Provides:          sms-agent
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Agent of the Server Migration Service
### END INIT INFO
pid_file=/var/run/sms-agent.pid

is_running() {{ [ -s "$pid_file" ] && kill -s 0 -- "-$(cat "$pid_file")" 2>/dev/null; }}

start() {{
    is_running && return 0
    umask 077
    setsid sh -c 'echo $$ >'"$pid_file"'; {_GIVE_WAY}; while :; do
        rm -rf {UNPACK_FOLDER}/*
        TMPDIR={UNPACK_FOLDER} {PROGRAM} run --config {CONFIGURATION}
        sleep 2
    done' >>{SYSV_LOG} 2>&1 </dev/null &
}}

# Whoever removes or replaces the agent afterwards must not meet it while it ends.
stop() {{
    is_running || return 0
    group="-$(cat "$pid_file")"
    kill -s TERM -- "$group"
    left={_STOP_S}
    while [ $left -gt 0 ] && kill -s 0 -- "$group" 2>/dev/null; do
        sleep 1
        left=$((left - 1))
    done
    kill -s KILL -- "$group" 2>/dev/null
    rm -f "$pid_file"
}}

case "$1" in
    start) start ;;
    stop) stop ;;
    restart|force-reload) stop; start ;;
    status) is_running ;;
    *) echo "usage: $0 start|stop|restart|status" >&2; exit 2 ;;
esac
"""


class Service(Protocol):
    """How the agent is started at boot. Both calls may be repeated."""

    def enable(self) -> None:
        """Write what the init system needs, and (re)start the agent. Raises MigrationError."""

    def disable(self) -> None:
        """Stop the agent, and do not start it any more; what is not there is no failure."""


class SystemdService:
    """A unit of systemd."""

    def enable(self) -> None:
        """See Service."""
        write_whole(Path(SYSTEMD_UNIT), _UNIT.encode(), mode=0o644)
        _run("systemctl", "daemon-reload")
        _run("systemctl", "enable", "--quiet", "sms-agent.service")
        _run("systemctl", "restart", "sms-agent.service")

    def disable(self) -> None:
        """See Service."""
        _run("systemctl", "disable", "--quiet", "--now", "sms-agent.service", must_succeed=False)
        Path(SYSTEMD_UNIT).unlink(missing_ok=True)
        _run("systemctl", "daemon-reload", must_succeed=False)
        _run("systemctl", "reset-failed", "sms-agent.service", must_succeed=False)


class SysvService:
    """A script in /etc/init.d with links of its own: their names must be known, whatever tool the system has."""

    def enable(self) -> None:
        """See Service."""
        write_whole(Path(SYSV_SCRIPT), _SCRIPT.encode(), mode=0o755)
        for path in map(Path, SYSV_LINKS):
            if path.parent.is_dir():
                path.unlink(missing_ok=True)
                path.symlink_to("../init.d/sms-agent")
        _run(SYSV_SCRIPT, "restart")

    def disable(self) -> None:
        """See Service."""
        if Path(SYSV_SCRIPT).exists():
            _run(SYSV_SCRIPT, "stop", must_succeed=False)


def service_of_this_system() -> Service:
    """The one that the running init system understands. Raises MigrationError SMS.AGENT.INSTALL_FAILED."""
    if Path("/run/systemd/system").is_dir():
        return SystemdService()
    if Path("/etc/init.d").is_dir():
        return SysvService()
    raise MigrationError(INSTALL_FAILED, what="service", reason="neither systemd nor /etc/init.d is here")


def _run(*command: str, must_succeed: bool = True) -> None:
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise MigrationError(INSTALL_FAILED, what=command[0], reason=error.strerror) from error
    if must_succeed and result.returncode:
        reason = result.stdout.decode(errors="replace").strip() or f"exit status {result.returncode}"
        raise MigrationError(INSTALL_FAILED, what=" ".join(command), reason=reason)
