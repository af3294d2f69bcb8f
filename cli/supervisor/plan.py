"""What an all-in-one consists of: its processes with their commands and environments."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agents.bundle.build import cache_folder
from agents.helper_image import HELPER_IMAGE_LINK
from cli.installation import DataFolder, Installation, write_whole
from cli.root_credential import write_default_profile, write_root_credential
from cli.settings import CommandLineSettings
from cli.supervisor.child import ChildSpec
from contracts.errors import MigrationError
from contracts.errors.cli import ADDRESS_TAKEN, PROGRAM_MISSING, USAGE
from contracts.permissions import CONNECTION_CUTTER
from shared.bus_server.installation import ApiFiles, BusFiles, write_api_certificate, write_bus_configuration

SERVICES: Final = (
    "identity",
    "registry",
    "feasibility",
    "certificate_issuer",
    "target_provisioner",
    "task",
    "audit",
    "metering",
    "notification",
    "gateway",
)
BUS_SERVER: Final = "nats-server"
HOST_AGENT: Final = "host-agent"
DEFAULT_BUS_PORT: Final = 4222
DEFAULT_API_PORT: Final = 8443
# They keep secrets sealed in their stores, each under a key file of its own.
_SEALS_AT_REST: Final = ("identity", "certificate_issuer", "task", "notification", "gateway")
# They sign what they hand out; the public part lies beside each key.
_SIGNS: Final = ("audit", "task")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """bus_listen: HOST:PORT, port 0 for any free one, "" for the last time's. advertise: the host name or
    address that sources are told, with or without a port. api_listen: of the HTTPS API, with
    the same rules as bus_listen."""

    bus_listen: str = ""
    advertise: str = ""
    api_listen: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """bus_server is started first and stopped last. services answer health requests, host_agent does not.
    power_down_s: how long a target machine may take to power down."""

    bus_server: ChildSpec
    bus_address: tuple[str, int]
    services: tuple[ChildSpec, ...]
    host_agent: ChildSpec | None
    power_down_s: float


def prepare(folder: DataFolder, addresses: Addresses, settings: CommandLineSettings) -> Plan:
    """Create or complete the data folder, and say what is to be run. Repeatable; keys are kept."""
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for inner in (folder.logs, folder.stores):
        inner.mkdir(mode=0o700, exist_ok=True)
    last = folder.installation() if folder.installation_file.exists() else None
    listen = _listen_on(
        addresses.bus_listen, last.bus_listen if last else "", f"127.0.0.1:{DEFAULT_BUS_PORT}", option="--bus-listen"
    )
    api_listen = _listen_on(
        addresses.api_listen, last.api_listen if last else "", f"127.0.0.1:{DEFAULT_API_PORT}", option="--listen"
    )
    host, port = split_address(listen, option="--bus-listen")
    api_host, api_port = split_address(api_listen, option="--listen")
    advertise = addresses.advertise or (last.advertise if last else "")
    # Not the server's own `client_advertise`: the services would then look for it at an address that only sources
    # may be able to reach, after a restart.
    advertised_host = _without_port(advertise)
    names = (advertised_host,) if advertised_host else ()
    files = write_bus_configuration(folder.path, listen=listen, names=names, now=datetime.now(UTC))
    api = write_api_certificate(folder.path, listen=api_listen, names=names, now=datetime.now(UTC))
    folder.path.chmod(0o700)
    local_api_url = f"https://{_bracketed(_reachable(api_host))}:{api_port}"
    installation = Installation(
        bus_url=f"tls://{_with_port(advertise, port)}" if advertise else files.url,
        local_bus_url=files.url,
        bus_listen=listen,
        advertise=advertise,
        ca_file=files.ca_file,
        api_listen=api_listen,
        api_url=f"https://{_bracketed(advertised_host or _reachable(api_host))}:{api_port}",
        local_api_url=local_api_url,
    )
    folder.save_installation(installation)
    root = write_root_credential(folder, account=installation.account)
    write_default_profile(folder, root, endpoint=local_api_url, ca_file=files.ca_file)
    services = tuple(
        _service(name, folder, files, _further_settings(name, files, api, api_listen)) for name in SERVICES
    )
    return Plan(
        bus_server=_bus_server(folder, files, settings),
        bus_address=(_reachable(host), port),
        services=services,
        host_agent=_host_agent(folder, files, (host, advertised_host)) if os.geteuid() == 0 else None,
        power_down_s=settings.power_down_s,
    )


def split_address(address: str, *, option: str) -> tuple[str, int]:
    """HOST:PORT in two. Raises MigrationError SMS.CLI.USAGE for anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise MigrationError(USAGE, reason=f"{option} needs HOST:PORT, not {address!r}.", command="sms up")
    return host, int(port)


def _listen_on(wanted: str, last: str, default: str, *, option: str) -> str:
    """The address to listen on. Agents and profiles remember it, so that of the last time goes before the default.

    Raises MigrationError SMS.CLI.ADDRESS_TAKEN when another program has it.
    """
    wanted = wanted or last
    host, port = split_address(wanted or default, option=option)
    try:
        port = _bind_once(host, port)
    except OSError as error:
        if wanted:
            raise MigrationError(
                ADDRESS_TAKEN, address=f"{host}:{port}", reason=error.strerror, option=option
            ) from error
        port = _bind_once(host, 0)
    return f"{host}:{port}"


def _bind_once(host: str, port: int) -> int:
    """The port, or for 0 a free one. Raises OSError when it cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), port))
        return int(probe.getsockname()[1])


def _with_port(advertise: str, bus_port: int) -> str:
    return advertise if _without_port(advertise) != advertise else f"{advertise}:{bus_port}"


def _without_port(advertise: str) -> str:
    host, _, port = advertise.rpartition(":")
    return host if host and port.isdigit() else advertise


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - compared, not bound


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bus_server(folder: DataFolder, files: BusFiles, settings: CommandLineSettings) -> ChildSpec:
    beside_python = Path(sys.executable).with_name(BUS_SERVER)
    program = settings.nats_server or (str(beside_python) if beside_python.exists() else shutil.which(BUS_SERVER))
    if not program or shutil.which(program) is None:
        raise MigrationError(PROGRAM_MISSING, program=program or BUS_SERVER, setting="SMS_NATS_SERVER")
    command = (*_least_privilege(), program, "-c", str(files.configuration))
    return ChildSpec(name=BUS_SERVER, command=command, environment=_environment(folder), stop_timeout_s=15)


def _service(name: str, folder: DataFolder, files: BusFiles, further: Mapping[str, str]) -> ChildSpec:
    prefix = f"SMS_{name.upper()}_"
    own = {
        "BUS_URL": files.url,
        "BUS_CA_FILE": str(files.ca_file),
        "BUS_SEED_FILE": str(files.seed_file(name)),
        "STORE_URL": f"sqlite:///{folder.stores / name}.sqlite",
        **further,
    }
    environment = _environment(folder) | {prefix + key: value for key, value in own.items()}
    command = (*_least_privilege(), sys.executable, "-m", f"services.{name}")
    return ChildSpec(name=name, command=command, environment=environment)


def _further_settings(name: str, files: BusFiles, api: ApiFiles, api_listen: str) -> Mapping[str, str]:
    """What one service needs besides bus and store, without its prefix."""
    further: dict[str, str] = {}
    if name == "identity":
        further |= {
            "ISSUER_SEED_FILE": str(files.issuer_seed_file),
            "SYSTEM_SEED_FILE": str(files.seed_file(CONNECTION_CUTTER)),
            "ROOT_CREDENTIAL_FILE": str(files.keys_folder / "root.json"),
        }
    if name == "gateway":
        further |= {
            "LISTEN": api_listen,
            "CERTIFICATE_FILE": str(api.certificate_file),
            "KEY_FILE": str(api.key_file),
        }
    if name in _SEALS_AT_REST:
        further["SEAL_KEY_FILE"] = str(files.keys_folder / f"{name}.seal")
    if name in _SIGNS:
        further["SIGNING_KEY_FILE"] = str(files.keys_folder / f"{name}.signing")
    return further


def _host_agent(folder: DataFolder, files: BusFiles, hosts: tuple[str, str]) -> ChildSpec:
    """hosts: the one that the bus listens on and the one that sources are told; a helper is reached likewise."""
    configuration = folder.path / "host-agent.json"
    listen, advertised = hosts
    write_whole(
        configuration,
        {
            "data_folder": str(folder.path),
            "bus_url": files.url,
            "bus_ca_file": str(files.ca_file),
            "bus_seed_file": str(files.seed_file("host")),
            "helper_bus_url": files.url,
            "helper_ca_file": str(files.ca_file),
            "helper_addresses": list(dict.fromkeys((*((advertised,) if advertised else ()), _reachable(listen)))),
            "helper_listen_address": listen.strip("[]"),
            "helper_image": str(cache_folder() / HELPER_IMAGE_LINK),
        },
    )
    command = (*_dies_with_the_supervisor(), sys.executable, "-m", "agents.host", str(configuration))
    return ChildSpec(name=HOST_AGENT, command=command, environment=_environment(folder), stop_timeout_s=60)


def _dies_with_the_supervisor() -> tuple[str, ...]:
    # After kill -9 of the supervisor nothing would watch its children, and the next `sms up` would meet them.
    return ("setpriv", "--pdeathsig", "TERM")


def _least_privilege() -> tuple[str, ...]:
    command = (*_dies_with_the_supervisor(), "--no-new-privs")
    if os.geteuid() != 0:
        return command
    return (*command, "--bounding-set", "-all", "--inh-caps", "-all")


def _environment(folder: DataFolder) -> dict[str, str]:
    """The user's environment: it may hold further settings of the services (SMS_TASK_…), PATH and proxies.

    SMS_INSTALLATION marks every process that stems from this folder, so that `sms down` finds them.
    """
    inherited = dict(os.environ)  # noqa: TID251 - handed on to children as it is, not read
    return inherited | {"SMS_INSTALLATION": str(folder.path), "PYTHONUNBUFFERED": "1"}


def describe(plan: Plan) -> str:
    """The commands of a plan as JSON, for the supervisor's log."""
    every = (plan.bus_server, *plan.services, *((plan.host_agent,) if plan.host_agent else ()))
    return json.dumps({spec.name: spec.command for spec in every})
