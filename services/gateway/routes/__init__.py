"""The API's routes, one module per area; every router is listed here."""

from __future__ import annotations

from typing import Final

from services.gateway.api.router import ApiRouter
from services.gateway.routes import details_handlers, service_handlers

ROUTERS: Final[tuple[ApiRouter, ...]] = (details_handlers.router, service_handlers.router)
