"""Start a source agent: options, private view of the file systems, session, until a signal."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from agents.session import AgentSession, Credential, keep_log
from agents.source.app import SourceAgent
from agents.source.bind import private_roots
from agents.source.courtesy import give_way
from agents.source.inventory import collect
from agents.source.inventory.windows import collect_windows
from agents.version import VERSION
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.agent_work import AGENT_OPTIONS
from contracts.inventory import SourceInventory

_STOP_TIMEOUT_S: Final = 10
DEFAULT_STATE_FOLDER: Final = Path("/var/lib/sms-agent")
# Below it, since one machine may hold several mounted systems, each a server of its own.
_MOUNTED_SYSTEMS: Final = "mounted"


class SourceOptions(Model):
    """How a source agent is started. access_key and secret_key_file are needed until it has enrolled.

    state: the agent's own folder; where it is not given, a mounted system gets one of its own for each installation.
    commands: whether the users of the service may have commands run, and file systems frozen, on this server.
    disks: of a Windows server that does not run, as devices or raw image files; they stand in place of root.
    """

    bus: str
    ca: Path
    access_key: str = ""
    secret_key_file: Path | None = None
    account: str = "default"
    root: Path = Path("/")
    disks: tuple[Path, ...] = ()
    state: Path | None = None
    commands: Literal["allow", "forbid"] = "allow"

    @property
    def forbids_commands(self) -> str:
        """Why no command of a user is run here; "" if they are."""
        if self.commands == "forbid":
            return "its operator has forbidden it"
        if self.disks:
            return "it looks at the disks of a system that does not run"
        return "" if self.root == Path("/") else f"it looks at a system mounted at {self.root}, which does not run"

    @property
    def state_folder(self) -> Path:
        """Where this agent keeps its key and what it knows of its tasks."""
        if self.state is not None:
            return self.state
        if self.root == Path("/") and not self.disks:
            return DEFAULT_STATE_FOLDER
        try:
            authority = self.ca.read_bytes()
        except OSError as error:
            raise MigrationError(AGENT_OPTIONS, reason=f"{self.ca} cannot be read: {error.strerror}") from error
        places = b"\0".join(os.fsencode(path.resolve()) for path in (self.disks or (self.root,)))
        named = hashlib.sha256(authority + places).hexdigest()[:16]
        return DEFAULT_STATE_FOLDER / _MOUNTED_SYSTEMS / named

    def look(self) -> SourceInventory:
        """Collect the inventory. Raises OSError, or MigrationError SMS.AGENT.NO_WINDOWS."""
        if self.disks:
            return collect_windows(self.disks, agent_version=VERSION)
        return collect(self.root, agent_version=VERSION)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> SourceOptions:
        """Command line over file over defaults. Raises MigrationError SMS.AGENT.OPTIONS."""
        named = {name: value for name, value in arguments.items() if value is not None and name in cls.model_fields}
        given = named
        if path := arguments.get("config"):
            try:
                kept = json.loads(Path(path).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise MigrationError(AGENT_OPTIONS, reason=f"{path} cannot be read: {error}") from error
            given = kept | named
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            missing = ", ".join(str(each["loc"][0]) for each in error.errors())
            raise MigrationError(AGENT_OPTIONS, reason=f"missing or not valid: {missing}") from error


def run_source(options: SourceOptions) -> int:
    """Serve until SIGTERM or SIGINT. Raises MigrationError when the first login is refused."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    options.state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_log(options.state_folder)
    try:
        inventory = options.look()
    except OSError as error:
        raise MigrationError(AGENT_OPTIONS, reason=f"{error.filename}: {error.strerror}") from error
    give_way()
    # Before any thread: a mount namespace belongs to the threads that exist when it is made.
    roots = private_roots(inventory.mounts) if not options.disks else {}
    return asyncio.run(_serve(options, inventory, roots))


async def _serve(options: SourceOptions, inventory: SourceInventory, roots: Mapping[str, Path]) -> int:
    session = AgentSession(
        bus_url=options.bus,
        ca_file=options.ca,
        state_folder=options.state_folder,
        role="source",
        credential=_credential(options),
        hostname=inventory.hostname,
        fingerprint=inventory.fingerprint,
        version=VERSION,
    )
    agent = SourceAgent(
        session,
        inventory=inventory,
        look=options.look,
        roots=roots,
        state_folder=options.state_folder,
        own_paths=own_paths(options),
        forbids_commands=options.forbids_commands,
    )
    serving = asyncio.ensure_future(agent.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return 0
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(agent.stop(), _STOP_TIMEOUT_S)
        await session.stop()
    return 1


def _credential(options: SourceOptions) -> Credential | None:
    if not options.access_key or options.secret_key_file is None:
        return None
    try:
        secret = options.secret_key_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None  # an agent that has enrolled needs it no more
    return Credential(form="ak", identifier=options.access_key, secret=secret, account=options.account)


def own_paths(options: SourceOptions) -> tuple[str, ...]:
    """What belongs to this agent and must not travel, as paths of the migrated system."""
    from agents.install.own_paths import OWN_PATHS

    mine = [options.state_folder, options.ca, *([options.secret_key_file] if options.secret_key_file else [])]
    root = options.root.resolve()
    inside = [Path("/") / path.resolve().relative_to(root) for path in mine if path.resolve().is_relative_to(root)]
    return (*OWN_PATHS, *(str(path) for path in inside))
