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
from agents.version import VERSION
from contracts.base import Model


class HelperConfiguration(Model):
    """token_id and token_secret are empty after a restart: the agent's own key is on the helper's volume by then."""

    bus_url: str
    ca_pem: str
    account: str
    agent_id: str
    task_id: str
    token_id: str = ""
    token_secret: str = ""
    state_folder: Path


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
    )
    agent = TargetAgent(
        session,
        state_folder=state,
        work_folder=configuration.state_folder / "work",
        own_paths=OWN_PATHS,
        version=VERSION,
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
