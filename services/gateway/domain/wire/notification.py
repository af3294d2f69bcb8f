"""Bodies of notification operations: the messages of the bus, without what the path and the headers say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages.notification import ALL_TOPICS
from services.gateway.domain.wire.base import WireRequest

Name = Annotated[str, Field(min_length=1, max_length=64)]
Url = Annotated[str, Field(max_length=2048)]
Recipients = Annotated[list[Annotated[str, Field(max_length=254)]], Field(max_length=20)]
Topics = Annotated[list[Literal["finished", "failed", "stalled", "lag"]], Field(max_length=4)]
Seconds = Annotated[int, Field(ge=0, le=30 * 24 * 3600)]


class NewChannel(WireRequest):
    """url: of a webhook; recipients: of a mail channel. stalled_after_s: seconds without progress while copying;
    lag_above_s: age of the replica in seconds, 0 for not watched."""

    name: Name
    kind: Literal["webhook", "email"]
    url: Url = ""
    recipients: Recipients = []
    topics: Topics = list(ALL_TOPICS)
    stalled_after_s: Seconds = 60
    lag_above_s: Seconds = 0
    is_enabled: bool = True


class ChannelChanges(WireRequest):
    """What changes; what is left out stays. rotate_secret: a new secret, shown in this answer only."""

    name: Name | None = None
    url: Url | None = None
    recipients: Recipients | None = None
    topics: Topics | None = None
    stalled_after_s: Seconds | None = None
    lag_above_s: Seconds | None = None
    is_enabled: bool | None = None
    rotate_secret: bool = False
