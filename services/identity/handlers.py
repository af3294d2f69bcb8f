"""One coroutine per message about agents: load, decide, save, and cut what must not live on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.identity import TOKEN_VALIDITY
from contracts.login import user_name
from contracts.messages.agent import EnrolAgent, EnrolReply
from contracts.messages.identity import EnrolmentToken, IssueEnrolmentToken, RefuseAgent
from services.identity.domain.ports import ConnectionCutter, Seal
from services.identity.domain.records import Agent, Token
from services.identity.enrolments import Enrolments, new_agent_id
from services.identity.records import IdentityRecords
from shared.store.typed import Stored
from shared.telemetry import log

_SECRET_BYTES: Final = 32
_MIN_VALID_S: Final = 30
_MAX_VALID_S: Final = 86_400


class Handlers:
    """What is asked and told of agents; logins themselves are in `logins`."""

    def __init__(
        self,
        records: IdentityRecords,
        seal: Seal,
        cutter: ConnectionCutter,
        enrolments: Enrolments,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._records = records
        self._seal = seal
        self._cutter = cutter
        self._enrolments = enrolments
        self._clock = clock

    async def issue_enrolment_token(self, request: IssueEnrolmentToken, envelope: Envelope) -> EnrolmentToken:
        """Repeated with the same request_id: a new secret for the same agent id, the earlier one being void."""
        if not _MIN_VALID_S <= request.valid_s <= _MAX_VALID_S:
            raise MigrationError(
                TOKEN_VALIDITY, valid_s=request.valid_s, minimum_s=_MIN_VALID_S, maximum_s=_MAX_VALID_S
            )
        account = envelope.account
        earlier = await self._records.tokens.find(account, {"request_id": request.request_id}, limit=100)
        for stored in earlier:
            await self._make_void(stored)
        token_id, secret = f"t{secrets.token_hex(16)}", secrets.token_urlsafe(_SECRET_BYTES)
        token = Token(
            account=account,
            token_id=token_id,
            request_id=request.request_id,
            task_id=request.task_id,
            agent_id=earlier[0].value.agent_id if earlier else new_agent_id(),
            secret=self._seal.seal(secret, account=account, identifier=token_id, version=1),
            expires_at=self._clock() + timedelta(seconds=request.valid_s),
        )
        await self._records.tokens.save(account, token_id, token, expected_version=0)
        return EnrolmentToken(token_id=token_id, secret=secret, agent_id=token.agent_id)

    async def refuse_agent(self, command: RefuseAgent, envelope: Envelope) -> None:
        """Refuse first, then cut: an agent that comes back at once is met by the refusal."""
        stored = await self._records.agents.load(envelope.account, command.agent_id)
        if stored is None:
            log("refusal of an unknown agent", agent_id=command.agent_id)
            return
        if not await self._records.agents.was_applied(envelope.account, command.agent_id, envelope.id):
            refused = self._refused(stored.value, command)
            await self._records.agents.save(
                envelope.account, command.agent_id, refused, expected_version=stored.version, applied=envelope.id
            )
        await self._cutter.cut([user_name("agent", command.agent_id)])

    async def enrol_agent(self, request: EnrolAgent, envelope: Envelope) -> EnrolReply:
        """Account and credential are the subject's (``sms.v1.enrol.<account>.<credential id>``)."""
        *_, account, credential_id = envelope.subject.split(".")
        return await self._enrolments.enrol(account, credential_id, request, now=self._clock())

    def _refused(self, agent: Agent, command: RefuseAgent) -> Agent:
        changes: dict[str, object] = {"refusal_reason": command.reason}
        if command.refuse_s > 0:
            changes["refused_until"] = self._clock() + timedelta(seconds=command.refuse_s)
        else:
            changes["is_refused"] = True
        return agent.model_copy(update=changes)

    async def _make_void(self, stored: Stored[Token]) -> None:
        if not stored.value.is_void:
            void = stored.value.model_copy(update={"is_void": True})
            await self._records.tokens.save(stored.account, stored.id, void, expected_version=stored.version)
