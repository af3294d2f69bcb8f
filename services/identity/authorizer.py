"""Answers the one question of every HTTP request: is it genuine, and may its user do this?"""

from __future__ import annotations

from typing import Final

from contracts.envelope import Envelope
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from services.identity.domain.conditions import Circumstances
from services.identity.domain.decisions import ALLOWED, Decision, decide_request, denied
from services.identity.domain.directory import INSTALLATION_ACCOUNT
from services.identity.domain.signatures import is_signed_with
from services.identity.key_uses import KeyUses
from services.identity.principals import Principal, Principals

_FORGED: Final = RequestAuthorization(is_genuine=False)
# Of accounts, everything but a look at the own one is for the installation's account alone, even for a root user.
_ACCOUNT_PREFIX: Final = "sms:account:"
_OWN_ACCOUNT: Final = "sms:account:get"


class Authorizer:
    """A refusal always costs one look-up, one opened seal and one signature, whatever is wrong with the request.

    Only a genuine request is answered from what is kept in memory, so that the time of an answer tells nobody
    without the secret key whether an access key exists.
    """

    def __init__(self, principals: Principals, uses: KeyUses) -> None:
        self._principals = principals
        self._uses = uses

    async def authorize(self, request: AuthorizeRequest, _: Envelope) -> RequestAuthorization:
        """The handler of ``identity.authorize``."""
        principal = await self._genuine(request)
        if principal is None:
            return _FORGED
        self._uses.note(principal.credential)
        decision = decide_for(principal, request.action, *request.resources, source_address=request.source_address)
        return RequestAuthorization(
            is_genuine=True,
            is_allowed=decision.is_allowed,
            reason=decision.reason,
            account=principal.credential.account,
            user_id=principal.user.id,
            user_name=principal.user.name,
        )

    async def _genuine(self, request: AuthorizeRequest) -> Principal | None:
        kept = self._principals.cached(request.access_key)
        if kept is not None and is_signed_with(kept.secret, request.string_to_sign, request.signature):
            return kept
        credential, secret = await self._principals.secret(request.access_key)
        known = None if credential is None else secret
        if not is_signed_with(known, request.string_to_sign, request.signature) or credential is None:
            return None
        return await self._principals.principal(credential, secret)


def decide_for(principal: Principal, action: str, *resources: str, source_address: str = "") -> Decision:
    """Whether this user may; the root user needs no policy."""
    account = principal.credential.account
    if action.startswith(_ACCOUNT_PREFIX) and action != _OWN_ACCOUNT and account != INSTALLATION_ACCOUNT:
        return denied(f"{action} is for the account {INSTALLATION_ACCOUNT} alone")
    if principal.user.is_root:
        return ALLOWED
    circumstances = Circumstances(user_name=principal.user.name, source_address=source_address)
    return decide_request(
        principal.policies, account=account, action=action, resources=resources, circumstances=circumstances
    )
