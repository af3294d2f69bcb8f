"""The API's routes, one module per area; every router is listed here."""

from __future__ import annotations

from typing import Final

from services.gateway.api.router import ApiRouter
from services.gateway.routes import service_handlers

ROUTERS: Final[tuple[ApiRouter, ...]] = (service_handlers.router,)
