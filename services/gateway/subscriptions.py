"""Request to handler: the gateway serves its routes, and subscribes to nothing but the question for its health."""

from __future__ import annotations

from fastapi import FastAPI

from services.gateway.api.app import make_app
from services.gateway.handlers import Handlers
from services.gateway.routes import ROUTERS


def serve(handlers: Handlers, *, max_body_bytes: int) -> FastAPI:
    """The ASGI application of all routes."""
    return make_app(ROUTERS, handlers.handle, max_body_bytes=max_body_bytes)
