"""Builds the provisioner's adapters: the only place that does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from services.target_provisioner.adapters.local_provider import LocalProvider
from services.target_provisioner.adapters.records import TARGETS, StoredTargets
from services.target_provisioner.adapters.tokens import IdentityTokens
from services.target_provisioner.domain.ports import TargetProvider
from services.target_provisioner.handlers import Handlers
from services.target_provisioner.reaper import reap
from services.target_provisioner.settings import TargetProvisionerSettings
from services.target_provisioner.steps import Steps
from services.target_provisioner.subscriptions import subscribe
from services.target_provisioner.watch import Watch
from shared.service import ServiceContext

COLLECTIONS = (TARGETS,)


async def wire(context: ServiceContext) -> None:
    """Raises TypeError for the settings of another service."""
    settings = context.settings
    if not isinstance(settings, TargetProvisionerSettings):
        raise TypeError("the target provisioner needs its own settings")
    local = LocalProvider(
        context.bus, request_timeout_s=settings.host_request_timeout_s, patience_s=settings.host_patience_s
    )
    wire_with(context, settings, {"local": local})


def wire_with(
    context: ServiceContext, settings: TargetProvisionerSettings, providers: Mapping[str, TargetProvider]
) -> None:
    """The service around these providers."""
    targets = StoredTargets(context.store)
    steps = Steps(
        providers=providers,
        tokens=IdentityTokens(context.bus),
        clock=lambda: datetime.now(UTC),
        machine_stop_timeout_s=settings.machine_stop_timeout_s,
    )
    handlers = Handlers(targets, steps)
    watch = Watch(targets, steps, handlers)
    subscribe(context.bus, handlers, workers=settings.command_workers)
    context.run_in_background("launches", partial(watch.launches, interval_s=settings.health_interval_s))
    context.run_in_background("volumes", partial(watch.volumes, interval_s=settings.volume_interval_s))
    context.run_in_background("reaper", partial(_reap_once, providers, targets, handlers))


async def _reap_once(providers: Mapping[str, TargetProvider], targets: StoredTargets, handlers: Handlers) -> None:
    for name, provider in providers.items():
        await reap(name, provider, targets, handlers.locks)
    # Background work that returned would end the process.
    await asyncio.Event().wait()
