"""Notices a connection that stays away although the bus is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORT: Final = 4222
_PROBE_TIMEOUT_S: Final = 3.0


async def until_abandoned(
    is_connected: Callable[[], bool], addresses: Sequence[str], *, grace_s: float = 20, interval_s: float = 2
) -> None:
    """Return when the client has been without a connection for grace_s while the bus accepted connections.

    A bus that is down is waited for without limit. But a client whose own reconnection has died would wait as
    long, and nothing in it says so.
    """
    abandoned_since: float | None = None
    while True:
        await asyncio.sleep(interval_s)
        if is_connected() or not await _is_any_open(addresses):
            abandoned_since = None
            continue
        now = time.monotonic()
        abandoned_since = abandoned_since or now
        if now - abandoned_since >= grace_s:
            return


async def _is_any_open(addresses: Sequence[str]) -> bool:
    for address in addresses:
        parts = urlsplit(address if "://" in address else f"nats://{address}")
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port or _DEFAULT_PORT)
            writer.close()
            return True
    return False
