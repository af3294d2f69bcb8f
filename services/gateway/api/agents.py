"""How an endpoint reaches the bridge."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from services.gateway.bridge.deliveries import Deliveries
from services.gateway.bridge.desk import AgentDesk


async def _desk_of(request: Request) -> AgentDesk:
    desk = request.app.state.agents
    if not isinstance(desk, AgentDesk):  # pragma: no cover - bootstrap sets it
        raise TypeError("the application has no desk for agents")
    return desk


async def _deliveries_of(request: Request) -> Deliveries:
    deliveries = request.app.state.deliveries
    if not isinstance(deliveries, Deliveries):  # pragma: no cover - bootstrap sets it
        raise TypeError("the application delivers nothing")
    return deliveries


ApiAgents = Annotated[AgentDesk, Depends(_desk_of)]
ApiDeliveries = Annotated[Deliveries, Depends(_deliveries_of)]
