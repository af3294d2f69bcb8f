"""Answers the bus's question who may log in, and with what permissions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.errors import MigrationError
from services.identity.authorizer import decide_for
from services.identity.domain.grants import Grant, grant_agent, grant_enrolment, grant_events
from services.identity.domain.logins import (
    DeniedError,
    LoginClaim,
    has_private_key,
    has_shared_secret,
    is_timely,
    read_claim,
)
from services.identity.domain.ports import Seal
from services.identity.domain.records import SealedSecret
from services.identity.key_uses import KeyUses
from services.identity.principals import Principals
from services.identity.records import IdentityRecords

_ENROL: Final = "sms:agent:enrol"
SUBSCRIBE: Final = "sms:event:subscribe"


class Logins:
    """Decides over logins; nothing is remembered of a refused one but what the caller traces."""

    def __init__(self, records: IdentityRecords, principals: Principals, seal: Seal, uses: KeyUses) -> None:
        self._records = records
        self._principals = principals
        self._seal = seal
        self._uses = uses

    async def admit(self, user: str, password: str, *, now: datetime) -> Grant:
        """The permissions of a genuine login. Raises DeniedError with the reason for the trace."""
        claim = read_claim(user, password)
        account, grant = await self._genuine(claim, now=now)
        if not is_timely(claim, now=now):
            raise DeniedError("clock", account=account)
        if not await self._records.use_nonce(account, claim.nonce_id, now=now):
            raise DeniedError("replay", account=account)
        return grant

    async def _genuine(self, claim: LoginClaim, *, now: datetime) -> tuple[str, Grant]:
        match claim.form:
            case "ak":
                account = await self._access_key(claim, may=_ENROL)
                return account, grant_enrolment("ak", account, claim.identifier)
            case "events":
                account = await self._access_key(claim, may=SUBSCRIBE)
                return account, grant_events(account, claim.identifier)
            case "token":
                return await self._token(claim, now=now)
            case "agent":
                return await self._agent(claim, now=now)

    async def _access_key(self, claim: LoginClaim, *, may: str) -> str:
        """The account of a genuine key whose user may do this."""
        stored = await self._records.credential(claim.identifier)
        if stored is None:
            has_shared_secret(claim, None)
            raise DeniedError("unknown")
        known = stored.value
        secret = self._open(known.account, known.access_key, known.secret, known.secret_version)
        if not has_shared_secret(claim, secret):
            raise DeniedError("signature", account=known.account)
        principal = await self._principals.read(known)
        if principal is None:
            raise DeniedError("disabled", account=known.account)
        if not decide_for(principal, may).is_allowed:
            raise DeniedError(f"not allowed: {may}", account=known.account)
        self._uses.note(known)
        return known.account

    async def _token(self, claim: LoginClaim, *, now: datetime) -> tuple[str, Grant]:
        stored = await self._records.token(claim.identifier)
        if stored is None:
            has_shared_secret(claim, None)
            raise DeniedError("unknown")
        known = stored.value
        secret = self._open(known.account, known.token_id, known.secret, known.secret_version)
        if not has_shared_secret(claim, secret):
            raise DeniedError("signature", account=known.account)
        if not await self._principals.is_account_enabled(known.account):
            raise DeniedError("account disabled", account=known.account)
        if known.is_void or now >= known.expires_at:
            raise DeniedError("expired", account=known.account)
        return known.account, grant_enrolment("token", known.account, known.token_id)

    async def _agent(self, claim: LoginClaim, *, now: datetime) -> tuple[str, Grant]:
        stored = await self._records.agent(claim.identifier)
        if stored is None:
            has_private_key(claim, None)
            raise DeniedError("unknown")
        known = stored.value
        if not has_private_key(claim, known.public_key):
            raise DeniedError("signature", account=known.account)
        if known.is_refused_at(now):
            raise DeniedError("refused", account=known.account)
        if known.credential_form == "ak":
            credential = await self._records.credential(known.credential_id)
            if credential is None or await self._principals.read(credential.value) is None:
                raise DeniedError("credential disabled", account=known.account)
        elif not await self._principals.is_account_enabled(known.account):
            raise DeniedError("account disabled", account=known.account)
        return known.account, grant_agent(known.account, known.agent_id)

    def _open(self, account: str, identifier: str, sealed: SealedSecret, version: int) -> str:
        try:
            return self._seal.open(sealed, account=account, identifier=identifier, version=version)
        except MigrationError as error:
            raise DeniedError("secret unreadable", account=account) from error
