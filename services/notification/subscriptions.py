"""Subject to handler. The bus acknowledges when a handler has returned and tries again when it has raised."""

from __future__ import annotations

from typing import Final

from contracts.messages.agent import AgentProgress
from contracts.messages.notification import (
    CreateChannel,
    DeleteChannel,
    ListChannels,
    ShowChannel,
    TestChannel,
    UpdateChannel,
)
from contracts.messages.task import TaskChanged
from contracts.subjects import agent_status_filter, evt_filter, req
from services.notification.channel_handlers import ChannelHandlers
from services.notification.handlers import Handlers
from shared.bus import ServiceBus

SERVICE: Final = "notification"


def subscribe(bus: ServiceBus, handlers: Handlers, requests: ChannelHandlers) -> None:
    """Declare everything that notification reacts to. Every replica hears all progress."""
    bus.on_event(evt_filter("task", "changed"), TaskChanged, handlers.on_task_changed)
    bus.on_core(agent_status_filter("progress"), AgentProgress, handlers.on_progress, is_shared=False)
    bus.on_request(req(SERVICE, "create"), CreateChannel, requests.create)
    bus.on_request(req(SERVICE, "update"), UpdateChannel, requests.update)
    bus.on_request(req(SERVICE, "delete"), DeleteChannel, requests.delete)
    bus.on_request(req(SERVICE, "list"), ListChannels, requests.list_channels)
    bus.on_request(req(SERVICE, "show"), ShowChannel, requests.show_channel)
    bus.on_request(req(SERVICE, "test"), TestChannel, requests.test)
