"""Installs the running one-file agent on this machine, and removes it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.install.files import copy_program, make_folder, remove, write_whole
from agents.install.own_paths import (
    CA,
    CONFIGURATION,
    CONFIGURATION_FOLDER,
    OWN_PATHS,
    PROGRAM,
    PROGRAM_FOLDER,
    SECRET_KEY,
    STATE_FOLDER,
    UNPACK_FOLDER,
)
from agents.install.program import one_file_program
from agents.install.service import service_of_this_system
from contracts.errors import MigrationError
from contracts.errors.agent_install import INSTALL_FAILED, INSTALL_NOT_ROOT
from contracts.errors.agent_work import AGENT_OPTIONS

_NEEDED = ("bus", "access_key", "secret_key_file", "ca")


def install(options: Mapping[str, Any]) -> int:
    """Copy program, CA and credential to their places, and start the service, now and at every boot.

    options: bus, access_key, secret_key_file, ca, account, commands. Over an older installation it is an upgrade: the
    state, and with it the server's identity, is kept, and what its operator said of commands. Raises MigrationError.
    """
    _require_root()
    missing = [f"--{name.replace('_', '-')}" for name in _NEEDED if not options.get(name)]
    if missing:
        raise MigrationError(AGENT_OPTIONS, reason=f"install needs {', '.join(missing)}")
    program = one_file_program()
    service = service_of_this_system()
    secret_key, ca = _read(options["secret_key_file"]), _read(options["ca"])
    try:
        make_folder(Path(PROGRAM_FOLDER), mode=0o755)
        make_folder(Path(UNPACK_FOLDER), mode=0o700)
        make_folder(Path(CONFIGURATION_FOLDER), mode=0o700)
        make_folder(Path(STATE_FOLDER), mode=0o700)
        copy_program(program, Path(PROGRAM))
        write_whole(Path(CA), ca, mode=0o644)
        write_whole(Path(SECRET_KEY), secret_key, mode=0o600)
        write_whole(Path(CONFIGURATION), _configuration(options), mode=0o600)
    except OSError as error:
        raise MigrationError(INSTALL_FAILED, what=error.filename, reason=error.strerror) from error
    service.enable()
    sys.stdout.write("installed; the service sms-agent runs\n")
    return 0


def uninstall() -> int:
    """Stop the service and remove everything that belongs to the agent. Raises MigrationError."""
    _require_root()
    service_of_this_system().disable()
    for path in OWN_PATHS:
        try:
            remove(Path(path))
        except OSError as error:
            raise MigrationError(INSTALL_FAILED, what=path, reason=error.strerror) from error
    sys.stdout.write("removed\n")
    return 0


def _configuration(options: Mapping[str, Any]) -> bytes:
    kept = {
        "bus": options["bus"],
        "access_key": options["access_key"],
        "secret_key_file": SECRET_KEY,
        "ca": CA,
        "account": options.get("account") or "default",
        "state": STATE_FOLDER,
        "commands": options.get("commands") or _commands_before(),
    }
    return json.dumps(kept, indent=2).encode() + b"\n"


def _commands_before() -> str:
    """What an older installation says of users' commands: an upgrade must not allow what was forbidden."""
    try:
        known = json.loads(Path(CONFIGURATION).read_text(encoding="utf-8")).get("commands", "allow")
    except FileNotFoundError:
        return "allow"
    except (OSError, ValueError):
        return "forbid"
    return "forbid" if known != "allow" else "allow"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MigrationError(AGENT_OPTIONS, reason=f"{path} cannot be read: {error.strerror}") from error


def _require_root() -> None:
    if os.geteuid() != 0:
        raise MigrationError(INSTALL_NOT_ROOT, user_id=os.geteuid())
