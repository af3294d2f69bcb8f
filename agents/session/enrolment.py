"""The first login: one request that binds the agent's own key to an agent id."""

from __future__ import annotations

import asyncio
from typing import Final

from nats.errors import Error as NatsError
from pydantic import ValidationError

from agents.session.connection import BusAddress, UnreachableError, close_connection, open_connection
from agents.session.credential import Credential
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.login import enrol_inbox
from contracts.messages.agent import EnrolAgent, EnrolReply
from contracts.messages.reply import Refused
from contracts.subjects import enrol

_ANSWERED_WITHIN_S: Final = 10.0


async def enrol_with(address: BusAddress, credential: Credential, request: EnrolAgent) -> EnrolReply:
    """Log in with the credential, enrol, and log out.

    Repeated with the same public key it brings the same agent id. Raises DeniedError and UnreachableError of
    `connection`, and MigrationError when identity refuses the enrolment.
    """
    client = await open_connection(
        address,
        user=credential.user_name,
        password=credential.password,
        inbox_prefix=enrol_inbox(credential.identifier),
        on_closed=asyncio.Event(),
    )
    envelope = Envelope.of(
        request,
        source=f"/agents/{credential.identifier}",
        account=credential.account,
        actor=credential.identifier,
    )
    try:
        answer = await client.request(
            enrol(credential.account, credential.identifier),
            request.model_dump_json().encode(),
            timeout=_ANSWERED_WITHIN_S,
            headers=envelope.headers(),
        )
        reply_type = Envelope.from_headers(dict(answer.headers or {})).type
        if reply_type == Refused.TYPE:
            raise MigrationError(Refused.model_validate_json(answer.data).failure)
        return EnrolReply.model_validate_json(answer.data)
    except (NatsError, OSError, TimeoutError) as error:
        raise UnreachableError(type(error).__name__) from error
    except (ValueError, ValidationError) as error:
        raise UnreachableError("the answer to the enrolment cannot be read") from error
    finally:
        await close_connection(client)
