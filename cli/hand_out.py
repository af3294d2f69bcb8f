"""Which of an installation's files each container gets, so that none holds a key that it has no use for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.installation import DataFolder
from cli.supervisor.plan import SERVICES
from contracts.permissions import CONNECTION_CUTTER, HEALTH_USER

BUS: Final = "bus"
_OF_THE_BUS: Final = ("bus/nats-server.conf", "bus/server.pem", "bus/server.key")
# The health check of a container asks over the bus.
_OF_EVERY_SERVICE: Final = ("ca.pem", "installation.json", f"keys/{HEALTH_USER}.nk")
# Identity holds every right already: where it runs, the command line may have the first access key.
_FURTHER: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": ("keys/issuer.nk", f"keys/{CONNECTION_CUTTER}.nk", "keys/root.json", "profile.json"),
    "gateway": ("api/server.pem", "api/server.key"),
}


def hand_out(folder: DataFolder, to: Path) -> None:
    """Copy to the folder that each reader has below `to` what that reader sees as the data folder. Repeatable; what
    else lies there stays (the bus keeps its streams there)."""
    for reader in (BUS, *SERVICES):
        for name in files_of(reader):
            _copy(folder.path / name, to / reader / name)


def files_of(reader: str) -> tuple[str, ...]:
    """Paths below the data folder. The key of the authority is nobody's."""
    if reader == BUS:
        return _OF_THE_BUS
    return (*_OF_EVERY_SERVICE, f"keys/{reader}.nk", *_FURTHER.get(reader, ()))


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all, and never readable for more than the source is."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    shutil.copyfile(source, temporary)
    shutil.copymode(source, temporary)
    temporary.replace(target)
