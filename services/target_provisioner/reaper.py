"""Removes temporary things that no record owns, once at the start; it never touches a disk that may hold a copy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from contracts.errors import MigrationError
from services.target_provisioner.domain.ports import TargetProvider, Targets
from services.target_provisioner.domain.provider import ProviderCensus
from services.target_provisioner.domain.target import Target
from shared.telemetry import log


async def reap(
    name: str, provider: TargetProvider, targets: Targets, locks: Mapping[tuple[str, str], asyncio.Lock]
) -> None:
    """Helpers and volumes without an owner go, and rehearsals and launch layers that their target's record does not
    name.

    Disks, points and machines of targets without a record are only reported: a lost database must not cost a copy
    (a target made just before a kill is owned as soon as its command comes again).
    """
    owners: dict[str, str] = {}
    try:
        census = await provider.census()
    except MigrationError as error:
        log("nothing reaped", level=logging.WARNING, provider=name, code=error.code)
        return
    # Read after the census: what a target without a record has, nobody is making now.
    async for account, target in targets.all():
        if target.provider == name:
            owners[target.id] = account
    for target_id in sorted({part for part, _, _ in _parsed(census)} - {"-"}):
        if target_id not in owners:
            await _reap_target(provider, target_id, None, census)
            continue
        async with locks[owners[target_id], target_id]:
            owner, _ = await targets.load(owners[target_id], target_id)
            await _reap_target(provider, target_id, owner, census)


async def _reap_target(provider: TargetProvider, target_id: str, target: Target | None, census: ProviderCensus) -> None:
    items = [(kind, name) for part, kind, name in _parsed(census) if part == target_id]
    has_helper = any(kind in ("helper", "volume") for kind, _ in items)
    if has_helper and (target is None or not target.volume_id):
        log("reaped helper", level=logging.WARNING, target_id=target_id)
        await provider.stop_helper(target_id, release_volume=True)
    if target is None:
        log("target without a record", level=logging.WARNING, target_id=target_id, items=len(items))
        return
    rehearsing = {target.rehearsing.id} if target.rehearsing is not None else set()
    known = {layer.id for layer in target.layers} | rehearsing
    for kind, name in items:
        if kind == "rehearsal" and name not in rehearsing:
            log("reaped rehearsal", level=logging.WARNING, target_id=target_id, rehearsal_id=name)
            await provider.end_rehearsal(target_id, name)
        if kind == "layer" and name not in known:
            log("reaped launch layer", level=logging.WARNING, target_id=target_id, layer_id=name)
            await provider.delete_layer(target_id, name)


def _parsed(census: ProviderCensus) -> list[tuple[str, str, str]]:
    names = (name.split("/", 2) for name in (*census.kept, *census.temporary))
    return [(parts[0], parts[1], parts[2]) for parts in names if len(parts) == 3]
