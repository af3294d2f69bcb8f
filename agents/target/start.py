"""Start a target agent from what the helper's metadata service says, until a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

from agents.session import AgentSession, Credential, keep_log
from agents.target.app import TargetAgent
from agents.target.surroundings import Surroundings
from agents.version import VERSION
from contracts.base import Model


class HelperConfiguration(Model):
    """token_id and token_secret are empty after a restart: the agent's own key is on the helper's volume by then.

    bus_server_name: what the bus's certificate is checked against, when bus_url is not its own name. has_devices: the
    disks of commands are this machine's block devices. listen_port: the only one on which sources reach this machine.
    """

    bus_url: str
    ca_pem: str
    account: str
    agent_id: str
    task_id: str
    token_id: str = ""
    token_secret: str = ""
    state_folder: Path
    bus_server_name: str = ""
    has_devices: bool = False
    listen_port: int = 0


def run_target(configuration: HelperConfiguration) -> int:
    """Serve until SIGTERM or SIGINT; what has been received is on the disks afterwards."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    return asyncio.run(_serve(configuration))


async def _serve(configuration: HelperConfiguration) -> int:
    from agents.install.own_paths import OWN_PATHS

    state = configuration.state_folder / "agent"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_log(state)
    ca_file = state / "ca.pem"
    ca_file.write_text(configuration.ca_pem, encoding="ascii")
    session = AgentSession(
        bus_url=configuration.bus_url,
        ca_file=ca_file,
        state_folder=state,
        role="target",
        credential=_credential(configuration),
        hostname=socket.gethostname(),
        fingerprint={},
        version=VERSION,
        bus_server_name=configuration.bus_server_name,
    )
    agent = TargetAgent(
        session,
        state_folder=state,
        work_folder=configuration.state_folder / "work",
        own_paths=OWN_PATHS,
        version=VERSION,
        surroundings=Surroundings(has_devices=configuration.has_devices, listen_port=configuration.listen_port),
    )
    serving = asyncio.ensure_future(agent.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return 0
    finally:
        await agent.stop()
        await session.stop()
    return 1


def _credential(configuration: HelperConfiguration) -> Credential | None:
    if not configuration.token_id:
        return None
    return Credential(
        form="token",
        identifier=configuration.token_id,
        secret=configuration.token_secret,
        account=configuration.account,
    )
