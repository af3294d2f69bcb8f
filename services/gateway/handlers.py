"""One request: admit it, let its endpoint run, answer it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.api import API_DENIED, API_INVALID_REQUEST, API_SIGNATURE_REFUSED
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from services.gateway.answering import Answering, Once
from services.gateway.api.call import Call
from services.gateway.denials import DenialTrace
from services.gateway.domain.answers import answer_id
from services.gateway.domain.failures import refusal
from services.gateway.domain.ports import Identity, Services
from services.gateway.domain.reply import Reply
from services.gateway.domain.route import Route
from services.gateway.domain.signing import RawRequest, SignedRequest, read_signed_request
from services.gateway.domain.trace import trace_entry

_DENIED: Final = frozenset({401, 403})
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")

Run = Callable[[Call], Awaitable[Reply]]


class Handlers:
    """clock: UTC. clock_window_s: how far the client's clock may be off."""

    def __init__(
        self,
        identity: Identity,
        services: Services,
        answering: Answering,
        denials: DenialTrace,
        clock: Callable[[], datetime],
        *,
        clock_window_s: int,
    ) -> None:
        self._identity = identity
        self._services = services
        self._answering = answering
        self._denials = denials
        self._clock = clock
        self._clock_window_s = clock_window_s

    async def handle(self, request: RawRequest, route: Route, parameters: Mapping[str, str], run: Run) -> Reply:
        """parameters: of the path. run: the endpoint; it turns its failures into replies itself."""
        verdict: RequestAuthorization | None = None
        resources = route.resources(parameters)
        try:
            signed = read_signed_request(request, now=self._clock(), window_s=self._clock_window_s)
            verdict = await self._identity.authorize(_question(request, signed, route.action, resources))
            if not verdict.is_genuine:
                raise MigrationError(API_SIGNATURE_REFUSED)
            if not verdict.is_allowed:
                resource = " ".join(resources)
                raise MigrationError(API_DENIED, user=verdict.user_name, action=route.action, resource=resource)
        except MigrationError as error:
            reply = refusal(error.failure, request.request_id)
            if reply.status in _DENIED:
                self._denials.add(trace_entry(request, route, resources, reply, verdict))
            return reply
        if not route.changes_state:
            return await self._query(request, route, resources, self._call(request, signed, verdict, ""), run)
        return await self._change(request, route, resources, signed, verdict, run)

    async def _query(
        self, request: RawRequest, route: Route, resources: tuple[str, ...], call: Call, run: Run
    ) -> Reply:
        reply = await run(call)
        if reply.status in _DENIED:
            verdict = RequestAuthorization(is_genuine=True, account=call.account, user_name=call.user_name)
            self._denials.add(trace_entry(request, route, resources, reply, verdict))
        return reply

    async def _change(
        self,
        request: RawRequest,
        route: Route,
        resources: tuple[str, ...],
        signed: SignedRequest,
        verdict: RequestAuthorization,
        run: Run,
    ) -> Reply:
        try:
            key = _client_key(request)
            identifier = answer_id(verdict.user_id, signature=signed.signature, idempotency_key=key)
            once = Once(
                account=verdict.account,
                identifier=identifier,
                content_digest=signed.content_digest,
                keeps_answer=route.keeps_answer,
                shown_key=key or "",
            )
            call = self._call(request, signed, verdict, identifier)
            return await self._answering.answer(
                once, lambda: run(call), lambda reply: trace_entry(request, route, resources, reply, verdict)
            )
        except MigrationError as error:
            return refusal(error.failure, request.request_id)

    def _call(
        self, request: RawRequest, signed: SignedRequest, verdict: RequestAuthorization, idempotency_key: str
    ) -> Call:
        async def permission(action: str, resources: tuple[str, ...]) -> bool:
            further = await self._identity.authorize(_question(request, signed, action, resources))
            return further.is_genuine and further.is_allowed

        return Call(
            account=verdict.account,
            user_id=verdict.user_id,
            user_name=verdict.user_name,
            access_key=signed.access_key,
            request_id=request.request_id,
            idempotency_key=idempotency_key,
            source_address=request.source_address,
            language=(request.header("x-language") or "en-us").lower(),
            services=self._services,
            permission=permission,
        )


def _client_key(request: RawRequest) -> str | None:
    """Raises MigrationError SMS.API.INVALID_REQUEST for a key that is no printable text of at most 128 characters."""
    key = request.header("x-sms-idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise MigrationError(
            API_INVALID_REQUEST,
            field="header X-Sms-Idempotency-Key",
            reason="it must have 1 to 128 printable ASCII characters",
        )
    return key


def _question(request: RawRequest, signed: SignedRequest, action: str, resources: tuple[str, ...]) -> AuthorizeRequest:
    return AuthorizeRequest(
        access_key=signed.access_key,
        string_to_sign=signed.string_to_sign,
        signature=signed.signature,
        action=action,
        resources=resources,
        source_address=request.source_address,
        request_id=request.request_id,
    )
