"""FastAPI's side of a route: the raw request to the gateway's handler, the endpoint's result to a reply."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message as AsgiMessage
from starlette.types import Scope

from contracts.errors import MigrationError
from contracts.errors.api import API_INTERNAL, API_INVALID_REQUEST, API_TOO_LARGE
from services.gateway.api.call import Call
from services.gateway.domain.failures import refusal
from services.gateway.domain.freshness import only_if_changed
from services.gateway.domain.reply import Reply
from services.gateway.domain.route import Route
from services.gateway.domain.signing import RawRequest
from services.gateway.domain.signing.path import decoded_path
from services.gateway.domain.signing.query import query_pairs
from shared.telemetry import log

_KEPT_HEADERS = ("content-type", "content-disposition")


class Handle(Protocol):
    """The gateway's handler of one request: `Handlers.handle`."""

    def __call__(
        self,
        request: RawRequest,
        route: Route,
        parameters: Mapping[str, str],
        run: Callable[[Call], Awaitable[Reply]],
    ) -> Awaitable[Reply]:
        """Admit the request, run the endpoint, answer."""


def route_class(route: Route, handle: Handle, *, max_body_bytes: int) -> type[APIRoute]:
    """The class of one route, whose requests pass through handle."""

    fixed = route.path.partition("{")[0]
    slashes = route.path.count("/")

    class GatewayRoute(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            # Every request is compared with route after route; most are told apart without the pattern.
            path: str = scope["path"]
            if not path.startswith(fixed) or path.count("/") != slashes:
                return Match.NONE, {}
            return super().matches(scope)

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            endpoint = super().get_route_handler()
            once, many = _query_names(self)

            async def serve(request: Request) -> Response:
                request_id: str = request.state.request_id
                try:
                    raw = await _raw_request(request, request_id, max_body_bytes)
                    _check_query(raw, once, many)
                except MigrationError as error:
                    return response_of(refusal(error.failure, request_id))

                async def run(call: Call) -> Reply:
                    request.state.call = call
                    replayed = Request(request.scope, _body_again(raw.body))
                    return await _run(endpoint, replayed, request_id)

                return response_of(only_if_changed(raw, await handle(raw, route, request.path_params, run)))

            return serve

    return GatewayRoute


def response_of(reply: Reply) -> Response:
    """The reply on its way out."""
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))


async def _run(
    endpoint: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, request_id: str
) -> Reply:
    try:
        response = await endpoint(request)
    except MigrationError as error:
        return refusal(error.failure, request_id)
    except RequestValidationError as error:
        return refusal(_first_fault(error).failure, request_id)
    except HTTPException as error:
        reason = str(error.detail)
        return refusal(MigrationError(API_INVALID_REQUEST, field="the body", reason=reason).failure, request_id)
    except Exception as error:  # noqa: BLE001 - the edge of a request
        log("request failed", level=logging.ERROR, error=error, request_id=request_id)
        return refusal(MigrationError(API_INTERNAL, request_id=request_id).failure, request_id)
    headers = tuple((name, value) for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None)
    return Reply(status=response.status_code, body=bytes(response.body), headers=headers)


async def _raw_request(request: Request, request_id: str, max_body_bytes: int) -> RawRequest:
    raw_path = request.scope["raw_path"].decode("ascii", "replace")
    decoded_path(raw_path)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_body_bytes:
            raise MigrationError(API_TOO_LARGE, limit_bytes=max_body_bytes)
    try:
        headers = tuple((name.decode("ascii"), value.decode().strip(" \t")) for name, value in request.headers.raw)
    except UnicodeDecodeError as error:
        raise MigrationError(API_INVALID_REQUEST, field="a header", reason="it is not UTF-8") from error
    return RawRequest(
        method=request.method,
        path=raw_path,
        query=request.scope["query_string"].decode("ascii", "replace"),
        headers=headers,
        body=bytes(body),
        source_address=request.client.host if request.client else "",
        request_id=request_id,
    )


def _body_again(body: bytes) -> Callable[[], Awaitable[AsgiMessage]]:
    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _query_names(route: APIRoute) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the query's parameters: those that may be there once, and those that are lists."""
    once: set[str] = set()
    many: set[str] = set()
    for parameter in route.dependant.query_params:
        is_list = "list[" in str(parameter.field_info.annotation)
        (many if is_list else once).add(parameter.alias)
    return frozenset(once), frozenset(many)


def _check_query(request: RawRequest, once: frozenset[str], many: frozenset[str]) -> None:
    """A parameter that nobody reads, or that two would read differently, is a mistake of the client."""
    seen: set[str] = set()
    for name, _ in query_pairs(request.query):
        field = f"query parameter {name[:64]}"
        if name not in once and name not in many:
            raise MigrationError(API_INVALID_REQUEST, field=field, reason="this operation has none of this name")
        if name in seen and name not in many:
            raise MigrationError(API_INVALID_REQUEST, field=field, reason="it is there more than once")
        seen.add(name)


def _first_fault(error: RequestValidationError) -> MigrationError:
    faults = error.errors()
    first = faults[0] if faults else {"loc": (), "msg": "it cannot be read"}
    where = [str(part) for part in first["loc"]]
    kind, names = (where[0], where[1:]) if where else ("body", [])
    field = {"body": "field", "query": "query parameter", "path": "path parameter", "header": "header"}.get(kind, kind)
    return MigrationError(
        API_INVALID_REQUEST,
        field=f"{field} {'.'.join(names)}" if names else f"the {kind}",
        reason=str(first["msg"])[:1].lower() + str(first["msg"])[1:],
    )
