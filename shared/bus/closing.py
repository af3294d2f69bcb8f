"""Gives up a connection to the bus, whatever state it is in."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from nats.aio.client import Client

from shared.telemetry import log

_CLOSE_S: Final = 1.0
_CANCEL_AGAIN_S: Final = 0.2


async def close_client(client: Client) -> None:
    """Close the connection; one that does not close within a second is left to the end of this process.

    The client waits without limit: for the end of a connection that was lost in its TLS handshake, which asyncio never
    reports (Python 3.11), and for room in the buffer of one whose other end is dead.
    """
    closing = asyncio.create_task(client.close(), name="bus-close")
    await asyncio.wait({closing}, timeout=_CLOSE_S)
    await cancelled(closing)
    if not closing.cancelled() and (error := closing.exception()) is not None:
        log("bus not closed cleanly", level=logging.WARNING, error=error)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Returns when the task is done. More than one cancellation may be needed: the client goes on to its next wait when
    the one for the end of a drain, or of a reconnection, is cancelled."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
