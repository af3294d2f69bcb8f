"""Every path that an installed agent occupies: none of them is migrated, none may exist on a target."""

from __future__ import annotations

from typing import Final

PROGRAM_FOLDER: Final = "/opt/sms-agent"
PROGRAM: Final = f"{PROGRAM_FOLDER}/sms-agent"
# The one file unpacks itself here: /tmp may be small, or mounted without the right to execute.
UNPACK_FOLDER: Final = f"{PROGRAM_FOLDER}/unpacked"

CONFIGURATION_FOLDER: Final = "/etc/sms-agent"
CONFIGURATION: Final = f"{CONFIGURATION_FOLDER}/config.json"
CA: Final = f"{CONFIGURATION_FOLDER}/ca.pem"
SECRET_KEY: Final = f"{CONFIGURATION_FOLDER}/secret-key"

STATE_FOLDER: Final = "/var/lib/sms-agent"

SYSTEMD_UNIT: Final = "/etc/systemd/system/sms-agent.service"
SYSTEMD_LINK: Final = "/etc/systemd/system/multi-user.target.wants/sms-agent.service"

SYSV_SCRIPT: Final = "/etc/init.d/sms-agent"
SYSV_LOG: Final = "/var/log/sms-agent.log"
SYSV_LINKS: Final = (
    *(f"/etc/rc{level}.d/K10sms-agent" for level in "016"),
    *(f"/etc/rc{level}.d/S90sms-agent" for level in "2345"),
)
# Where /etc/init.d and /etc/rcN.d are links into /etc/rc.d, an entry's own path is there.
_SYSV_IN_RC_D: Final = tuple(path.replace("/etc/", "/etc/rc.d/", 1) for path in (SYSV_SCRIPT, *SYSV_LINKS))

OWN_PATHS: Final[tuple[str, ...]] = (
    PROGRAM_FOLDER,
    CONFIGURATION_FOLDER,
    STATE_FOLDER,
    SYSTEMD_UNIT,
    SYSTEMD_LINK,
    SYSV_SCRIPT,
    SYSV_LOG,
    *SYSV_LINKS,
    *_SYSV_IN_RC_D,
)
