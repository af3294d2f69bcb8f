"""Bodies of wave operations: the messages of the bus, without what the path and the headers say."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from contracts.messages.wave import ActOnWave, WaveChanges, WaveFields
from services.gateway.domain.wire.base import WireRequest


class NewWave(WaveFields):
    """A wave as it is made."""


class WaveUpdate(WaveChanges):
    """What changes; what is left out stays."""


class WaveAct(ActOnWave):
    """What `ActOnWave` holds. idempotency_key and wave_id are passed over: those of the request count."""

    TYPE: ClassVar[str] = ""  # no message of its own
    idempotency_key: str = ""
    wave_id: str = ""


class WaveLimit(WireRequest):
    """The rate of each task in bit/s; 0 for no limit."""

    rate_limit_bit_s: int = Field(ge=0, le=1000 * 10**6)
