"""An agent that speaks HTTP, by the official SDK, against a real saga of the task service."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import SmsClient

from contracts.messages.task import Phase, TaskAction
from tests.api.bench import ApiBench
from tests.api.scripted_host import ScriptedHost
from tests.api.sdk import agent_life, sources_life
from tests.api.tasks import Tasks


def refusal(work) -> tuple[int, str]:
    with pytest.raises(ClientRequestException) as error:
        work()
    return error.value.status_code, error.value.error_code


def test_a_whole_life(api: ApiBench, scripted_host: ScriptedHost, sdk_client: SmsClient) -> None:
    server_id = agent_life.begin_life(sdk_client, "agent-1")
    shown = sources_life.show_server(sdk_client, server_id)
    assert (shown.name, shown.hostname, shown.ip, shown.connected) == (
        "agent-1",
        "agent-1.example",
        "192.0.2.10",
        True,
    )
    assert (shown.os_version, shown.memory, shown.firmware) == ("DEBIAN_11_7_64BIT", 2048, "BIOS")
    assert shown.disks[0].used_size == 3 * agent_life.GIB
    task = Tasks(api, server_id)
    assert refusal(lambda: agent_life.fetch_certificate(sdk_client, task.id)) == (409, "SMS.AGENT.NO_CERTIFICATE")
    task.act(TaskAction.START)
    certificate = agent_life.copy(sdk_client, server_id, task.id)
    _check_certificate(certificate, api, task.id)
    assert refusal(lambda: agent_life.fetch_certificate(sdk_client, task.id)) == (409, "SMS.AGENT.KEY_DELIVERED")
    view = task.until(Phase.LAUNCHED)
    assert (view.rounds[0].bytes_total, view.rounds[0].bytes_content) == (2 * agent_life.GIB, 2 * agent_life.GIB)
    assert view.network_check is not None
    assert (view.network_check.bandwidth_mbit_s, view.network_check.verdict) == (812.0, "6")
    assert [(one.directory, one.files) for one in view.consistency] == [("/etc", 1200)]
    assert sources_life.show_server(sdk_client, server_id).state == "finished"
    task.act(TaskAction.VERIFY)
    agent_life.verify(sdk_client, server_id, task.id)
    view = task.until(Phase.LAUNCHED)
    assert view.error is None
    assert view.verification is not None
    assert (view.verification.files, view.verification.is_equal) == (1201, True)
    assert sources_life.list_servers(sdk_client, id=server_id, is_consistency_result_exist=True).count == 1
    task.act(TaskAction.FINISH)
    agent_life.end_life(sdk_client, server_id, lambda: task.view().phase is Phase.FINISHED)
    sources_life.delete_server(sdk_client, server_id)
    assert refusal(lambda: agent_life.command(sdk_client, server_id)) == (404, "SMS.REGISTRY.SERVER_NOT_FOUND")
    assert refusal(lambda: agent_life.fetch_passphrase(sdk_client, task.id)) == (404, "SMS.TASK.NOT_FOUND")


def _check_certificate(found, api: ApiBench, task_id: str) -> None:
    certificate = x509.load_pem_x509_certificate(found.cert.encode())
    key = serialization.load_pem_private_key(found.private_key.encode(), password=None)
    authority = x509.load_pem_x509_certificate(found.ca.encode())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"sms://default/task/{task_id}/source"]
    stored = Path(api.folder / "gateway.sqlite").read_bytes()
    assert b"PRIVATE KEY" not in stored
