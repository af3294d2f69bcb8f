"""The supervisor as a process of its own: ``python -m cli.supervisor DATA BUS_LISTEN ADVERTISE API_LISTEN``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from cli.installation import DataFolder, SupervisorState
from cli.settings import CommandLineSettings
from cli.supervisor.lock import only_supervisor
from cli.supervisor.plan import Addresses, prepare
from cli.supervisor.run import Supervisor
from contracts.errors import MigrationError


def main() -> None:
    """Run until SIGTERM; ``sms up --detach`` starts this and reads the state file."""
    data, bus_listen, advertise, api_listen = sys.argv[1:]
    folder = DataFolder.at(Path(data))
    addresses = Addresses(bus_listen=bus_listen, advertise=advertise, api_listen=api_listen)
    with only_supervisor(folder):
        try:
            plan = prepare(folder, addresses, CommandLineSettings())
            asyncio.run(Supervisor(folder, plan, changed=_say_nothing).run())
        except MigrationError as error:
            folder.save_state(SupervisorState(pid=os.getpid(), problem=error.failure.model_dump_json()))
            sys.exit(1)


def _say_nothing(_state: SupervisorState) -> None:
    """Nobody looks at a detached supervisor; the state file says everything."""


if __name__ == "__main__":
    main()
