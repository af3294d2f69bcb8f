"""Binds an agent's own key to an agent id: a new one for a source, the one of its token for a helper."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

from contracts import nkey
from contracts.errors import MigrationError
from contracts.errors.identity import ENROLMENT_REFUSED
from contracts.login import user_name
from contracts.messages.agent import EnrolAgent, EnrolReply
from contracts.messages.identity import AgentEnrolled
from contracts.subjects import evt
from services.identity.domain.ports import ConnectionCutter
from services.identity.domain.records import Agent, Token
from services.identity.facts import SERVICE
from services.identity.records import IdentityRecords
from shared.store.port import ConflictError, DuplicateError, OutgoingMessage
from shared.store.typed import Stored

# Who loses a race against a repetition of its own request finds what that one wrote.
_ATTEMPTS: Final = 5
_MAX_FINGERPRINTS: Final = 16
_MAX_TEXT: Final = 255


def new_agent_id() -> str:
    """Random, so that nobody can guess or claim one."""
    return str(uuid.uuid4())


class Enrolments:
    """Carries out the one request of a first login; repeated with the same key it answers the same."""

    def __init__(
        self, records: IdentityRecords, cutter: ConnectionCutter, *, make_agent_id: Callable[[], str] = new_agent_id
    ) -> None:
        self._records = records
        self._cutter = cutter
        self._make_agent_id = make_agent_id

    async def enrol(self, account: str, credential_id: str, request: EnrolAgent, *, now: datetime) -> EnrolReply:
        """account and credential_id are the subject's, which the bus guards. Raises ENROLMENT_REFUSED."""
        _check_request(credential_id, request)
        for _ in range(_ATTEMPTS):
            try:
                agent = await self._enrol_once(account, credential_id, request, now=now)
            except (ConflictError, DuplicateError):
                continue
            return EnrolReply(agent_id=agent.agent_id, account=account)
        raise MigrationError(ENROLMENT_REFUSED, credential_id=credential_id, reason="the same key enrols elsewhere")

    async def _enrol_once(self, account: str, credential_id: str, request: EnrolAgent, *, now: datetime) -> Agent:
        credential = await self._records.credential(credential_id)
        if credential is not None and credential.account == account:
            if not credential.value.is_active:
                raise MigrationError(ENROLMENT_REFUSED, credential_id=credential_id, reason="the key is disabled")
            return await self._enrol_source(account, credential_id, request, now=now)
        token = await self._records.token(credential_id)
        if token is not None and token.account == account:
            return await self._enrol_helper(token, request, now=now)
        raise MigrationError(ENROLMENT_REFUSED, credential_id=credential_id, reason="it is not known")

    async def _enrol_source(self, account: str, access_key: str, request: EnrolAgent, *, now: datetime) -> Agent:
        if request.role != "source":
            reason = f"an access key enrols source agents, not the role {request.role}"
            raise MigrationError(ENROLMENT_REFUSED, credential_id=access_key, reason=reason)
        page = await self._records.agents.find(account, {"public_key": request.public_key}, limit=1)
        if not page:
            agent = _agent(account, self._make_agent_id(), request, now=now, form="ak", credential_id=access_key)
            await self._save(agent, expected_version=0)
            return agent
        known = page[0]
        if known.value.is_refused_at(now) or known.value.role != request.role:
            raise MigrationError(ENROLMENT_REFUSED, credential_id=access_key, reason="this agent is refused")
        if known.value.credential_id == access_key:
            return known.value
        # The user has given the agent a newer access key: from now on it depends on that one.
        agent = known.value.model_copy(update={"credential_id": access_key, "credential_form": "ak"})
        await self._save(agent, expected_version=known.version)
        return agent

    async def _enrol_helper(self, stored: Stored[Token], request: EnrolAgent, *, now: datetime) -> Agent:
        token = stored.value
        if reason := _why_not(token, request, now=now):
            raise MigrationError(ENROLMENT_REFUSED, credential_id=token.token_id, reason=reason)
        if not token.used_by:
            spent = token.model_copy(update={"used_by": request.public_key})
            await self._records.tokens.save(token.account, stored.id, spent, expected_version=stored.version)
        known = await self._records.agents.load(token.account, token.agent_id)
        if known is not None and known.value.credential_id == token.token_id:
            return known.value
        agent = _agent(
            token.account,
            token.agent_id,
            request,
            now=now,
            form="token",
            credential_id=token.token_id,
            task_id=token.task_id,
        )
        await self._save(agent, expected_version=0 if known is None else known.version)
        if known is not None:
            # The helper was booted anew: whoever still holds the key of the last one is out.
            await self._cutter.cut([user_name("agent", agent.agent_id)])
        return agent

    async def _save(self, agent: Agent, *, expected_version: int) -> None:
        event = AgentEnrolled(agent_id=agent.agent_id, credential_id=agent.credential_id, role=agent.role)
        outgoing = OutgoingMessage.of(
            evt(agent.account, "credential", agent.credential_id, "agent-enrolled"),
            event,
            source=SERVICE,
            account=agent.account,
            actor=agent.credential_id,
            correlation_id=agent.task_id,
        )
        await self._records.agents.save(
            agent.account, agent.agent_id, agent, expected_version=expected_version, outbox=[outgoing]
        )


def _check_request(credential_id: str, request: EnrolAgent) -> None:
    """What an agent says is hostile until it is checked."""
    try:
        nkey.read_public(request.public_key, prefix=nkey.USER)
    except ValueError as error:
        reason = "the public key is not a user nkey"
        raise MigrationError(ENROLMENT_REFUSED, credential_id=credential_id, reason=reason) from error
    texts = [request.hostname, *request.fingerprint, *request.fingerprint.values()]
    if len(request.fingerprint) > _MAX_FINGERPRINTS or any(len(text) > _MAX_TEXT for text in texts):
        raise MigrationError(ENROLMENT_REFUSED, credential_id=credential_id, reason="the request is too large")


def _why_not(token: Token, request: EnrolAgent, *, now: datetime) -> str:
    if token.is_void or now >= token.expires_at:
        return "the token has expired"
    if request.role != token.role:
        return f"the token is for a {token.role} agent"
    if token.used_by not in {"", request.public_key}:
        return "the token has been used"
    return ""


def _agent(
    account: str,
    agent_id: str,
    request: EnrolAgent,
    *,
    now: datetime,
    form: str,
    credential_id: str,
    task_id: str = "",
) -> Agent:
    return Agent.model_validate(
        {
            "account": account,
            "agent_id": agent_id,
            "public_key": request.public_key,
            "role": request.role,
            "credential_form": form,
            "credential_id": credential_id,
            "task_id": task_id,
            "hostname": request.hostname,
            "fingerprint": request.fingerprint,
            "enrolled_at": now,
        }
    )
