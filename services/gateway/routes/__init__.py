"""The API's routes, one module per area; every router is listed here."""

from __future__ import annotations

from typing import Final

from services.gateway.api.router import ApiRouter
from services.gateway.routes import (
    account_handlers,
    agent_handlers,
    audit_handlers,
    cost_handlers,
    details_handlers,
    identity_handlers,
    log_handlers,
    migprojects_handlers,
    notification_handlers,
    service_handlers,
    small_handlers,
    sources_handlers,
    task_settings_handlers,
    tasks_handlers,
    templates_handlers,
    waves_handlers,
)

ROUTERS: Final[tuple[ApiRouter, ...]] = (
    account_handlers.router,
    agent_handlers.router,
    audit_handlers.router,
    cost_handlers.router,
    details_handlers.router,
    identity_handlers.router,
    log_handlers.router,
    migprojects_handlers.router,
    notification_handlers.router,
    service_handlers.router,
    small_handlers.router,
    sources_handlers.router,
    task_settings_handlers.router,
    tasks_handlers.router,
    templates_handlers.router,
    waves_handlers.router,
)
