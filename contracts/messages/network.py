"""The measurement of the network between the two agents of a task."""

from __future__ import annotations

from typing import ClassVar

from contracts.messages.agent import AgentCommand, ChannelEnd
from contracts.speed_limit import SpeedLimits


class CheckNetwork(AgentCommand):
    """Measure the way to the target over the task's channel, for a few seconds and under these limits. Answers
    network_check."""

    TYPE: ClassVar[str] = "sms.agent.command.check-network"
    VERB: ClassVar[str] = "check-network"
    endpoints: tuple[tuple[str, int], ...]
    channel: ChannelEnd
    limits: SpeedLimits = SpeedLimits()
