"""The ASGI application: every declared route behind one handler, and answers for what is no route."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from contracts.errors.api import API_METHOD_NOT_ALLOWED, API_NOT_FOUND
from services.gateway.api.frame import Frame
from services.gateway.api.router import ApiRouter
from services.gateway.api.serving import Handle, response_of, route_class
from services.gateway.domain.failures import refusal
from services.gateway.domain.route import Route
from services.gateway.domain.wire.base import WireReply


def make_app(routers: Sequence[ApiRouter], handle: Handle, *, max_body_bytes: int) -> FastAPI:
    """All routes of all routers. Raises ValueError when two claim one method and path, or one operation id."""
    app = FastAPI(
        title="Server Migration Service",
        version="3",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        exception_handlers={HTTPException: _no_route},
    )
    for route in all_routes(routers):
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            operation_id=route.operation_id,
            tags=[route.tag],
            status_code=route.status,
            response_model_exclude_none=_answers_wire_model(route),
            openapi_extra={"x-sms-action": route.action, "x-sms-resource": route.resource},
            route_class_override=route_class(route, handle, max_body_bytes=max_body_bytes),
        )
    app.add_middleware(Frame)
    return app


def all_routes(routers: Sequence[ApiRouter]) -> list[Route]:
    """The route table, fixed paths before those with parameters. Raises ValueError for duplicates."""
    routes = sorted((route for router in routers for route in router.routes), key=Route.specificity)
    places = [f"{route.method} {route.path}" for route in routes]
    names = [route.operation_id for route in routes]
    for found in (places, names):
        if twice := {each for each in found if found.count(each) > 1}:
            raise ValueError(f"declared twice: {', '.join(sorted(twice))}")
    return routes


def _answers_wire_model(route: Route) -> bool:
    answer = route.endpoint.__globals__.get(str(route.endpoint.__annotations__.get("return")))
    return isinstance(answer, type) and issubclass(answer, WireReply)


async def _no_route(request: Request, error: Exception) -> Response:
    is_method = isinstance(error, HTTPException) and error.status_code == 405
    failure = API_METHOD_NOT_ALLOWED.failure(method=request.method) if is_method else API_NOT_FOUND.failure()
    reply = refusal(failure, request.state.request_id)
    response = response_of(reply)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response
