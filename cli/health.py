"""``python -m cli.health SERVICE FOLDER``: exits with 0 when the service answers; for containers' health checks."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cli.client import connect
from cli.installation import DataFolder
from contracts.errors import MigrationError


async def is_healthy(service: str, folder: DataFolder) -> bool:
    """Ask the service over the bus, as the operator."""
    try:
        async with connect(folder) as client:
            return await client.is_healthy(service, timeout_s=3)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(is_healthy(sys.argv[1], DataFolder.at(Path(sys.argv[2])))) else 1)
