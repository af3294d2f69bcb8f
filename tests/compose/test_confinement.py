"""What a container may do and see: no privilege, no key of another's, no secret where others look."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from cli.hand_out import BUS, files_of
from tests.compose.deployment import CONTAINERS, Deployment, Outside

pytestmark = [pytest.mark.docker, pytest.mark.root]

EVERY = (*CONTAINERS.values(), "nats", "mongo", "init")
RUNNING = tuple(name for name in EVERY if name != "init")
KEPT = {
    "identity-seal": {"identity.seal"},
    "certificate-issuer-seal": {"certificate_issuer.seal"},
    "task-seal": {"task.seal"},
    "notification-seal": {"notification.seal"},
    "gateway-seal": {"gateway.seal"},
    "audit-signing": {"audit.signing", "audit.signing.pub"},
}


@pytest.mark.parametrize("name", EVERY)
def test_a_container_has_no_privilege(deployment: Deployment, name: str) -> None:
    host = deployment.inspect(name)["HostConfig"]
    assert not host["Privileged"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["NetworkMode"] == f"{deployment.project}_default"
    assert not host["PidMode"]


def test_no_process_is_roots(deployment: Deployment) -> None:
    for name in RUNNING:
        listed = deployment.engine.run("docker", "top", deployment.container(name), "-o", "pid,uid")
        users = {line.split()[1] for line in listed.splitlines()[1:]}
        assert users == {"999" if name == "mongo" else "10001"}, name


def test_only_the_bus_and_the_api_are_published(deployment: Deployment) -> None:
    published = {
        name: [port for bound in ports.values() for port in (bound or ())]
        for name in RUNNING
        if any((ports := deployment.inspect(name)["NetworkSettings"]["Ports"]).values())
    }
    assert published == {
        "nats": [{"HostIp": "127.0.0.1", "HostPort": str(deployment.bus_port)}],
        "gateway": [{"HostIp": "127.0.0.1", "HostPort": str(deployment.api_port)}],
    }


def test_no_volume_is_shared_by_two_running_containers(deployment: Deployment) -> None:
    mounted = [
        mount["Name"].removeprefix(f"{deployment.project}_")
        for name in RUNNING
        for mount in deployment.inspect(name)["Mounts"]
    ]
    assert len(mounted) == len(set(mounted)), mounted
    assert set(mounted) == {f"{name}-config" for name in CONTAINERS.values()} | {"bus", "store", *KEPT}


def test_each_service_sees_its_own_keys_alone(deployment: Deployment, tmp_path: Path) -> None:
    # Task makes its sealing key with the first password.
    Outside(deployment, tmp_path, deployment.new_user()).template_with("Passw0rd!-sealed")
    seen = {service: set(deployment.files(f"{name}-config")) for service, name in CONTAINERS.items()}
    assert seen == {service: set(files_of(service)) for service in CONTAINERS}
    assert set(deployment.files("bus")) - {"bus/nats-server.pid"} == set(files_of(BUS))
    assert {volume: set(deployment.files(volume)) for volume in KEPT} == KEPT
    holders = {service for service, files in seen.items() if files & {"keys/issuer.nk", "keys/root.json"}}
    assert holders == {"identity"}
    assert not any("keys/authority.key" in files for files in seen.values())


def test_no_secret_is_in_an_environment_a_command_or_a_log(deployment: Deployment) -> None:
    secrets = every_secret(deployment)
    assert len(secrets) > 20
    texts = {name: json.dumps(deployment.inspect(name)["Config"]) for name in EVERY}
    texts["logs"] = deployment.compose("logs", "--no-color")
    assert "SMS_GATEWAY_SEAL_KEY_FILE" in texts["gateway"]
    assert "gateway" in texts["logs"]
    found = [
        (name, place)
        for name, forms in secrets.items()
        for place, text in texts.items()
        if any(form in text for form in forms)
    ]
    assert not found


def every_secret(deployment: Deployment) -> dict[str, tuple[str, ...]]:
    """The secrets of the deployment by their file's name, each in the forms in which it could be told."""
    files = deployment.files("config")
    for volume in KEPT:
        files |= deployment.files(volume)
    secret = {
        name: told(content) for name, content in files.items() if name.endswith((".nk", ".seal", ".key", ".signing"))
    }
    secret["keys/root.json"] = (str(json.loads(files["keys/root.json"])["secret_key"]),)
    assert all(len(form) >= 32 for forms in secret.values() for form in forms)
    return secret


def told(content: bytes) -> tuple[str, ...]:
    if content.startswith(b"-----BEGIN"):
        return (content.decode().splitlines()[1],)
    raw = (base64.b64encode(content).decode(), content.hex())
    return (content.decode().strip(), *raw) if content.isascii() else raw
