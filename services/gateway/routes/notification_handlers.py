"""Notification channels: webhooks and mail."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from contracts.messages.notification import (
    ChannelDetails,
    ChannelList,
    ChannelSecret,
    ChannelTested,
    CreateChannel,
    DeleteChannel,
    ListChannels,
    ShowChannel,
    TestChannel,
    UpdateChannel,
)
from contracts.messages.reply import Accepted
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.notification import ChannelChanges, NewChannel

router = ApiRouter(tag="notifications")


@router.get("/v3/notifications", action="sms:notification:list", operation_id="list_notifications")
async def list_notifications(
    call: ApiCall,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> ChannelList:
    """The account's channels, oldest first."""
    return await call.ask("notification", "list", ListChannels(limit=limit, offset=offset), ChannelList)


@router.post(
    "/v3/notifications",
    action="sms:notification:create",
    operation_id="create_notification",
    status=201,
    keeps_answer=False,
)
async def create_notification(call: ApiCall, body: NewChannel) -> ChannelSecret:
    """Make a channel. The secret that signs its webhooks is in this answer and in no other."""
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key}
    return await call.ask("notification", "create", CreateChannel.model_validate(fields), ChannelSecret)


@router.get(
    "/v3/notifications/{channel_id}",
    action="sms:notification:get",
    resource="notification:{channel_id}",
    operation_id="show_notification",
)
async def show_notification(call: ApiCall, channel_id: str) -> ChannelDetails:
    """A channel with its last deliveries."""
    return await call.ask("notification", "show", ShowChannel(channel_id=channel_id), ChannelDetails)


@router.put(
    "/v3/notifications/{channel_id}",
    action="sms:notification:update",
    resource="notification:{channel_id}",
    operation_id="update_notification",
    keeps_answer=False,
)
async def update_notification(call: ApiCall, channel_id: str, body: ChannelChanges) -> ChannelSecret:
    """Change a channel."""
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key, "channel_id": channel_id}
    return await call.ask("notification", "update", UpdateChannel.model_validate(fields), ChannelSecret)


@router.delete(
    "/v3/notifications/{channel_id}",
    action="sms:notification:delete",
    resource="notification:{channel_id}",
    operation_id="delete_notification",
)
async def delete_notification(call: ApiCall, channel_id: str) -> Accepted:
    """Remove a channel; what was still to be sent over it is not."""
    return await call.ask("notification", "delete", DeleteChannel(channel_id=channel_id), Accepted)


@router.post(
    "/v3/notifications/{channel_id}/test",
    action="sms:notification:test",
    resource="notification:{channel_id}",
    operation_id="test_notification",
)
async def test_notification(call: ApiCall, channel_id: str) -> ChannelTested:
    """Send one notification now, and say how that went."""
    return await call.ask("notification", "test", TestChannel(channel_id=channel_id), ChannelTested)
