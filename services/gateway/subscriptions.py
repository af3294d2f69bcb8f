"""Request to handler: the gateway serves its routes, and subscribes to nothing but the question for its health."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from services.gateway.api.app import make_app
from services.gateway.api.router import ApiRouter
from services.gateway.handlers import Handlers
from services.gateway.routes import ROUTERS


def serve(handlers: Handlers, *, max_body_bytes: int, routers: Sequence[ApiRouter] = ROUTERS) -> FastAPI:
    """The ASGI application of all routes."""
    return make_app(routers, handlers.handle, max_body_bytes=max_body_bytes)
