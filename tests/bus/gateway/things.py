"""Routes of the tests; as a program, the gateway with them in a process that can be killed."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.bootstrap import COLLECTIONS, wire
from services.gateway.domain.wire.base import WireReply, WireRequest
from services.gateway.routes import ROUTERS
from services.gateway.settings import GatewaySettings
from shared.service import ServiceContext, run_service


class Make(Message):
    """Request ``effects.make``."""

    TYPE: ClassVar[str] = "sms.test.make"
    KIND: ClassVar[MessageKind] = "request"
    name: str
    idempotency_key: str


class Made(Message):
    """What was made."""

    TYPE: ClassVar[str] = "sms.test.made"
    KIND: ClassVar[MessageKind] = "reply"
    id: str
    secret: str = ""


class ThingRequest(WireRequest):
    name: str


class ThingReply(WireReply):
    id: str
    secret: str | None = None


things = ApiRouter(tag="things")


@things.post("/v3/things", action="sms:thing:create", operation_id="create_thing", status=201)
async def create_thing(call: ApiCall, body: ThingRequest) -> ThingReply:
    made = await call.ask("effects", "make", Make(name=body.name, idempotency_key=call.idempotency_key), Made)
    return ThingReply(id=made.id)


@things.post("/v3/secrets", action="sms:thing:create", operation_id="create_secret", keeps_answer=False)
async def create_secret(call: ApiCall, body: ThingRequest) -> ThingReply:
    made = await call.ask("effects", "make", Make(name=body.name, idempotency_key=call.idempotency_key), Made)
    return ThingReply(id=made.id, secret=made.secret)


async def wire_all(context: ServiceContext) -> None:
    await wire(context, (*ROUTERS, things))


if __name__ == "__main__":
    run_service(GatewaySettings(), wire_all, collections=COLLECTIONS)
