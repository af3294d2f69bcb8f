"""The life of an agent that speaks HTTP: it registers, polls for commands, fetches its certificate and reports."""

from __future__ import annotations

from services.gateway.api.agents import ApiAgents, ApiDeliveries
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.agent_reports import network_check_of
from services.gateway.domain.wire.agents import (
    CommandBody,
    NetworkCheckInfoRequestBody,
    PostSourceServerBody,
    PutAgentLogReq,
    PutDiskInfoReq,
    RegisterServerResponse,
    SetConsistencyResultRequestBody,
    ShowCertKeyResponse,
    ShowCommandResponse,
    ShowPassphraseResponse,
    UpdateNetworkCheckInfoResponse,
    UpdateTaskSpeedReq,
)
from services.gateway.domain.wire.sources import Done, PutCopyStateReq

router = ApiRouter(tag="agents")


@router.post("/v3/sources", action="sms:agent:register", operation_id="register_server")
async def register_server(call: ApiCall, agents: ApiAgents, body: PostSourceServerBody) -> RegisterServerResponse:
    """Register a machine, or report it anew."""
    return RegisterServerResponse(id=await agents.register(call, body))


@router.put(
    "/v3/sources/{source_id}/diskinfo",
    action="sms:agent:report",
    resource="agent:{source_id}",
    operation_id="update_disk_info",
)
async def update_disk_info(call: ApiCall, agents: ApiAgents, source_id: str, body: PutDiskInfoReq) -> Done:
    """The machine's disks have changed."""
    await agents.update_disks(call, source_id, body)
    return Done()


@router.put(
    "/v3/sources/{source_id}/changestate",
    action="sms:agent:report",
    resource="agent:{source_id}",
    operation_id="update_copy_state",
)
async def update_copy_state(call: ApiCall, agents: ApiAgents, source_id: str, body: PutCopyStateReq) -> Done:
    """Where the agent says that its migration stands; holds until the task's next transition."""
    await agents.report_copy_state(call, source_id, body.copystate, body.migrationcycle or "")
    return Done()


@router.get(
    "/v3/sources/{server_id}/command",
    action="sms:agent:command",
    resource="agent:{server_id}",
    operation_id="show_command",
)
async def show_command(call: ApiCall, agents: ApiAgents, server_id: str) -> ShowCommandResponse:
    """The newest command that is not done."""
    return await agents.command(call, server_id)


@router.post(
    "/v3/sources/{server_id}/command_result",
    action="sms:agent:report",
    resource="agent:{server_id}",
    operation_id="update_command_result",
)
async def update_command_result(call: ApiCall, agents: ApiAgents, server_id: str, body: CommandBody) -> Done:
    """How the open command has ended."""
    await agents.report_result(
        call,
        server_id,
        body.command_name,
        has_succeeded=body.result == "success",
        detail=body.result_detail,
    )
    return Done()


@router.put(
    "/v3/sources/{server_id}/log",
    action="sms:agent:report",
    resource="agent:{server_id}",
    operation_id="upload_agent_log",
)
async def upload_agent_log(call: ApiCall, agents: ApiAgents, server_id: str, body: PutAgentLogReq) -> Done:
    """The log that the command UPLOAD_LOG asked for: masked, bounded and kept with those of all agents."""
    await agents.send_log(call, server_id, body.log_id, body.log)
    return Done()


@router.put("/v3/tasks/{task_id}/progress", action="sms:agent:report", operation_id="update_task_speed")
async def update_task_speed(call: ApiCall, agents: ApiAgents, task_id: str, body: UpdateTaskSpeedReq) -> Done:
    """How far the open command is."""
    await agents.report_progress(call, task_id, body)
    return Done()


@router.get("/v3/tasks/{task_id}/certkey", action="sms:agent:fetch_secret", operation_id="show_cert_key")
async def show_cert_key(
    call: ApiCall, deliveries: ApiDeliveries, task_id: str, *, enable_ca_cert: bool = True
) -> ShowCertKeyResponse:
    """Certificate, key and authority of the source's end of the channel: once, to the agent's own user."""
    return await deliveries.certificate(call, task_id, wants_authority=enable_ca_cert)


@router.get("/v3/tasks/{task_id}/passphrase", action="sms:agent:fetch_secret", operation_id="show_passphrase")
async def show_passphrase(call: ApiCall, deliveries: ApiDeliveries, task_id: str) -> ShowPassphraseResponse:
    """A random secret of the task, for the agent's own user."""
    return await deliveries.passphrase(call, task_id)


@router.post(
    "/v3/tasks/{task_id}/consistency-result", action="sms:agent:report", operation_id="update_consistency_result"
)
async def update_consistency_result(
    call: ApiCall, agents: ApiAgents, task_id: str, body: SetConsistencyResultRequestBody
) -> Done:
    """What a comparison of source and target found."""
    await agents.report_consistency(call, task_id, body.consistency_result)
    return Done()


@router.post(
    "/v3/{task_id}/update-network-check-info", action="sms:agent:report", operation_id="update_network_check_info"
)
async def update_network_check_info(
    call: ApiCall, agents: ApiAgents, task_id: str, body: NetworkCheckInfoRequestBody
) -> UpdateNetworkCheckInfoResponse:
    """What was measured of the way to the target."""
    await agents.report_network(call, task_id, network_check_of(body))
    return UpdateNetworkCheckInfoResponse(task_id=task_id)
