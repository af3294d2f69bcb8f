"""The data folder of an all-in-one installation: where everything lies, and what is remembered of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.cli import NOT_INSTALLED, NOT_READABLE
from contracts.permissions import HEALTH_USER


class Installation(Model):
    """What clients need to know (``installation.json``).

    bus_url and api_url: what others are told (`--advertise`). local_bus_url and local_api_url: the same from this
    machine. bus_listen and api_listen: HOST:PORT that is bound. Paths are absolute.
    """

    account: str = "default"
    bus_url: str
    local_bus_url: str
    bus_listen: str
    advertise: str = ""
    ca_file: Path
    api_listen: str = ""
    api_url: str | None = None
    local_api_url: str | None = None


class ProcessState(Model):
    """One supervised process as the state file says. state: starting, running, restarting, failed, stopped."""

    name: str
    state: str
    pid: int | None = None
    restarts: int = 0


class SupervisorState(Model):
    """The state file: is_complete once everything was healthy for the first time; problem: why it will not be."""

    pid: int
    is_complete: bool = False
    problem: str = ""
    processes: tuple[ProcessState, ...] = ()


@dataclass(frozen=True)
class DataFolder:
    """Paths below one data folder; the path is absolute."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> DataFolder:
        """The data folder at a path as the user wrote it."""
        return cls(path.expanduser().absolute())

    @property
    def installation_file(self) -> Path:
        """Written by ``sms up``, read by every other command."""
        return self.path / "installation.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one supervisor of this folder as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def state_file(self) -> Path:
        """What the supervisor says of its processes."""
        return self.path / "supervisor.json"

    @property
    def profile_file(self) -> Path:
        """Address and access key for the command line on this machine; mode 0600."""
        return self.path / "profile.json"

    @property
    def root_credential_file(self) -> Path:
        """The account's first access key, which identity imports; mode 0600."""
        return self.path / "keys" / "root.json"

    @property
    def health_seed_file(self) -> Path:
        """The bus key of those who ask the services for their health."""
        return self.path / "keys" / f"{HEALTH_USER}.nk"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.path / "logs"

    @property
    def stores(self) -> Path:
        """One SQLite store per service."""
        return self.path / "stores"

    def log_file(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def installation(self) -> Installation:
        """What ``sms up`` has written. Raises MigrationError SMS.CLI.NOT_INSTALLED before the first one."""
        try:
            return Installation.model_validate_json(self.installation_file.read_bytes())
        except FileNotFoundError as error:
            raise MigrationError(NOT_INSTALLED, folder=self.path) from error
        except (PermissionError, ValidationError) as error:
            reason = "it is damaged" if isinstance(error, ValidationError) else error.strerror
            raise MigrationError(NOT_READABLE, path=self.installation_file, reason=reason) from error

    def state(self) -> SupervisorState | None:
        """What the supervisor last said, None when it has said nothing yet."""
        try:
            return SupervisorState.model_validate_json(self.state_file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def save_installation(self, installation: Installation) -> None:
        """Replace installation.json."""
        write_whole(self.installation_file, installation.model_dump(mode="json"))

    def save_state(self, state: SupervisorState) -> None:
        """Replace the state file."""
        write_whole(self.state_file, state.model_dump(mode="json"))


def write_whole(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it; mode 0600."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=2)
        stream.write("\n")
    temporary.replace(path)
