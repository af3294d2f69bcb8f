"""Builds the provisioner's adapters: the only place that does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from services.target_provisioner.adapters.local_provider import LocalProvider
from services.target_provisioner.adapters.records import TARGETS, StoredTargets
from services.target_provisioner.adapters.tokens import IdentityTokens
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
    targets = StoredTargets(context.store)
    local = LocalProvider(
        context.bus, request_timeout_s=settings.host_request_timeout_s, patience_s=settings.host_patience_s
    )
    steps = Steps(
        providers={"local": local},
        tokens=IdentityTokens(context.bus),
        clock=lambda: datetime.now(UTC),
        machine_stop_timeout_s=settings.machine_stop_timeout_s,
    )
    handlers = Handlers(targets, steps)
    watch = Watch(targets, steps, handlers)
    subscribe(context.bus, handlers, workers=settings.command_workers)
    context.run_in_background("launches", partial(watch.launches, interval_s=settings.health_interval_s))
    context.run_in_background("volumes", partial(watch.volumes, interval_s=settings.volume_interval_s))
    context.run_in_background("reaper", partial(_reap_once, local, targets, handlers))


async def _reap_once(local: LocalProvider, targets: StoredTargets, handlers: Handlers) -> None:
    await reap("local", local, targets, handlers.locks)
    # Background work that returned would end the process.
    await asyncio.Event().wait()
