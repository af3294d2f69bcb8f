"""The first connection to the bus, for however long that takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from shared.telemetry import log

_T = TypeVar("_T")
_ATTEMPT_S: Final = 30.0


async def connected_at_last(connect: Callable[[], Awaitable[_T]]) -> _T:
    """What connect returns. It is called anew when it has not returned in 30 s; what it raises is raised.

    The bus's client tries for ever by itself, but one whose TLS handshake took too long waits for the end of that
    connection instead, which asyncio never reports (Python 3.11).
    """
    while True:
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                return await connect()
        except TimeoutError:
            log("no connection to the bus yet", level=logging.WARNING, seconds=_ATTEMPT_S)
