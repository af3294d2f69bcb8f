"""Waves: sets of servers that are migrated together."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from contracts.messages.reply import Accepted
from contracts.messages.wave import (
    ActOnWave,
    CheckWave,
    CreateWave,
    DeleteWave,
    LimitWave,
    ListWaves,
    ShowWave,
    UpdateWave,
    WaveAction,
    WaveChanges,
    WaveDetails,
    WaveFields,
    WaveList,
    WaveOutcome,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.waves import NewWave, WaveAct, WaveLimit, WaveUpdate

router = ApiRouter(tag="waves")


@router.get("/v3/waves", action="sms:wave:list", operation_id="list_waves")
async def list_waves(
    call: ApiCall,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> WaveList:
    """The account's waves with their progress. A page may be shorter than limit: ask again behind it."""
    return await call.ask("task", "list-waves", ListWaves(limit=limit, offset=offset), WaveList)


@router.post("/v3/waves", action="sms:wave:create", operation_id="create_wave", status=201)
async def create_wave(call: ApiCall, body: NewWave) -> Accepted:
    """Make a wave of servers by their ids, by their tags, or both."""
    request = CreateWave(idempotency_key=call.idempotency_key, wave=WaveFields.model_validate(body.model_dump()))
    return await call.ask("task", "create-wave", request, Accepted)


@router.get("/v3/waves/{wave_id}", action="sms:wave:get", resource="wave:{wave_id}", operation_id="show_wave")
async def show_wave(call: ApiCall, wave_id: str) -> WaveDetails:
    """A wave with a row for each of its servers."""
    return await call.ask("task", "show-wave", ShowWave(wave_id=wave_id), WaveDetails)


@router.put("/v3/waves/{wave_id}", action="sms:wave:update", resource="wave:{wave_id}", operation_id="update_wave")
async def update_wave(call: ApiCall, wave_id: str, body: WaveUpdate) -> Accepted:
    """Change a wave. Who belongs to it is looked at again at the next start."""
    changes = WaveChanges.model_validate(body.model_dump())
    request = UpdateWave(idempotency_key=call.idempotency_key, wave_id=wave_id, changes=changes)
    return await call.ask("task", "update-wave", request, Accepted)


@router.delete("/v3/waves/{wave_id}", action="sms:wave:delete", resource="wave:{wave_id}", operation_id="delete_wave")
async def delete_wave(call: ApiCall, wave_id: str) -> Accepted:
    """Delete the set; its tasks stay."""
    return await call.ask("task", "delete-wave", DeleteWave(wave_id=wave_id), Accepted)


@router.get("/v3/waves/{wave_id}/check", action="sms:wave:get", resource="wave:{wave_id}", operation_id="check_wave")
async def check_wave(call: ApiCall, wave_id: str) -> WaveOutcome:
    """Would each server start? Nothing is changed."""
    return await call.ask("task", "check-wave", CheckWave(wave_id=wave_id), WaveOutcome)


@router.post("/v3/waves/{wave_id}/action", action="sms:wave:act", resource="wave:{wave_id}", operation_id="act_on_wave")
async def act_on_wave(call: ApiCall, wave_id: str, body: WaveAct) -> WaveOutcome:
    """Start, stop, sync, verify, cut over or finish all of it; each server's result by itself.

    It needs what the same would need of each task.
    """
    await call.require("sms:task:act", "task:*")
    if body.action is WaveAction.START:
        await call.require("sms:task:create", "task:*")
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key, "wave_id": wave_id}
    return await call.ask("task", "act-on-wave", ActOnWave.model_validate(fields), WaveOutcome)


@router.put(
    "/v3/waves/{wave_id}/speed-limit",
    action="sms:wave:update",
    resource="wave:{wave_id}",
    operation_id="limit_wave",
)
async def limit_wave(call: ApiCall, wave_id: str, body: WaveLimit) -> WaveOutcome:
    """Limit the rate of each of its tasks from now on. It needs what the same would need of each task."""
    await call.require("sms:task:update", "task:*")
    request = LimitWave(idempotency_key=call.idempotency_key, wave_id=wave_id, rate_limit_bit_s=body.rate_limit_bit_s)
    return await call.ask("task", "limit-wave", request, WaveOutcome)
