"""The logs of source servers' agents."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query

from contracts.messages.reply import Accepted
from contracts.messages.server_log import (
    CollectServerLog,
    ListServerLogs,
    ReadServerLog,
    ServerLogList,
    ServerLogPart,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter

router = ApiRouter(tag="logs")

_NEWEST: Final = "newest"


@router.post(
    "/v3/sources/{source_id}/logs",
    action="sms:server:act",
    resource="server:{source_id}",
    operation_id="collect_server_log",
    status=202,
)
async def collect_server_log(call: ApiCall, source_id: str) -> Accepted:
    """Have the server's agent send its log; answers with the log's id."""
    wanted = CollectServerLog(server_id=source_id, idempotency_key=call.idempotency_key)
    return await call.ask("registry", "collect-log", wanted, Accepted)


@router.get(
    "/v3/sources/{source_id}/logs",
    action="sms:server:get",
    resource="server:{source_id}",
    operation_id="list_server_logs",
)
async def list_server_logs(call: ApiCall, source_id: str) -> ServerLogList:
    """The collected logs that are kept, newest first."""
    return await call.ask("registry", "list-logs", ListServerLogs(server_id=source_id), ServerLogList)


@router.get(
    "/v3/sources/{source_id}/logs/{log_id}",
    action="sms:server:get",
    resource="server:{source_id}",
    operation_id="read_server_log",
)
async def read_server_log(
    call: ApiCall, source_id: str, log_id: str, part: Annotated[int, Query(ge=0, le=1000)] = 0
) -> ServerLogPart:
    """A part of a collected log's text; log_id ``newest`` is the newest complete one."""
    wanted = ReadServerLog(server_id=source_id, log_id="" if log_id == _NEWEST else log_id, part=part)
    return await call.ask("registry", "read-log", wanted, ServerLogPart)
