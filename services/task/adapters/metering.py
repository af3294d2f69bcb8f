"""Metering over the bus."""

from __future__ import annotations

import logging
from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.metering import Balance, CheckBalance
from shared.bus import ServiceBus
from shared.telemetry import log

# A user waits for the answer to a start, and no migration depends on metering.
_TIMEOUT_S: Final = 2.0


class MeteringOnTheBus:
    """The port Balances."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def check(self, cause: Envelope) -> Balance | None:
        """See Balances. Without an answer a start goes on: the check spares a user trouble and guards nothing."""
        subject = subjects.req("metering", "check-balance")
        try:
            return await self._bus.request(subject, CheckBalance(), Balance, _TIMEOUT_S, cause=cause)
        except MigrationError as error:
            log("balance not checked", level=logging.WARNING, code=error.code, account=cause.account)
            return None
