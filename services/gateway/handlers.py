"""One request: admit it, let its endpoint run, answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from contracts.errors import MigrationError
from contracts.errors.api import API_DENIED, API_SIGNATURE_REFUSED
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from services.gateway.api.call import Call
from services.gateway.domain.failures import refusal
from services.gateway.domain.ports import Identity, Services
from services.gateway.domain.reply import Reply
from services.gateway.domain.route import Route
from services.gateway.domain.signing import RawRequest, SignedRequest, read_signed_request

Run = Callable[[Call], Awaitable[Reply]]


class Handlers:
    """clock: UTC. clock_window_s: how far the client's clock may be off."""

    def __init__(
        self, identity: Identity, services: Services, clock: Callable[[], datetime], *, clock_window_s: int
    ) -> None:
        self._identity = identity
        self._services = services
        self._clock = clock
        self._clock_window_s = clock_window_s

    async def handle(self, request: RawRequest, route: Route, parameters: Mapping[str, str], run: Run) -> Reply:
        """parameters: of the path. run: the endpoint; it turns its failures into replies itself."""
        try:
            call = await self._admit(request, route, parameters)
        except MigrationError as error:
            return refusal(error.failure, request.request_id)
        return await run(call)

    async def _admit(self, request: RawRequest, route: Route, parameters: Mapping[str, str]) -> Call:
        signed = read_signed_request(request, now=self._clock(), window_s=self._clock_window_s)
        question = _question(request, signed, route.action, route.resources(parameters))
        verdict = await self._identity.authorize(question)
        if not verdict.is_genuine:
            raise MigrationError(API_SIGNATURE_REFUSED)
        if not verdict.is_allowed:
            resource = " ".join(question.resources)
            raise MigrationError(API_DENIED, user=verdict.user_name, action=route.action, resource=resource)
        return self._call(request, signed, verdict)

    def _call(self, request: RawRequest, signed: SignedRequest, verdict: RequestAuthorization) -> Call:
        async def permission(action: str, resources: tuple[str, ...]) -> bool:
            further = await self._identity.authorize(_question(request, signed, action, resources))
            return further.is_genuine and further.is_allowed

        return Call(
            account=verdict.account,
            user_id=verdict.user_id,
            user_name=verdict.user_name,
            access_key=signed.access_key,
            request_id=request.request_id,
            idempotency_key=request.header("x-sms-idempotency-key") or signed.signature,
            source_address=request.source_address,
            language=request.header("x-language") or "en-us",
            services=self._services,
            permission=permission,
        )


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
