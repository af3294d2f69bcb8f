"""What a deployment of containers is made of, and which container gets which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.deployment import main
from cli.hand_out import hand_out
from cli.installation import DataFolder
from cli.profile_file import load_profile
from cli.supervisor.plan import SERVICES

PUBLIC = {"ca.pem", "installation.json"}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return deployed(tmp_path)


def deployed(at: Path, *arguments: str) -> DataFolder:
    assert main([str(at / "all"), "--hand-out", str(at / "out"), *arguments]) == 0
    return DataFolder.at(at / "all")


def files_below(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*") if one.is_file()}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_key_and_that_for_health(folder: DataFolder, tmp_path: Path, service: str) -> None:
    further = {
        "identity": {"keys/issuer.nk", "keys/identity_system.nk", "keys/root.json", "profile.json"},
        "gateway": {"api/server.pem", "api/server.key"},
    }
    expected = {*PUBLIC, "keys/health.nk", f"keys/{service}.nk", *further.get(service, ())}
    assert files_below(tmp_path / "out" / service) == expected


def test_the_bus_gets_its_configuration_and_certificate(folder: DataFolder, tmp_path: Path) -> None:
    assert files_below(tmp_path / "out/bus") == {"bus/nats-server.conf", "bus/server.pem", "bus/server.key"}


def test_nobody_gets_the_key_of_the_authority(folder: DataFolder, tmp_path: Path) -> None:
    key = (folder.path / "keys/authority.key").read_bytes()
    handed_out = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert len(handed_out) > len(SERVICES)
    assert not [one for one in handed_out if key in one.read_bytes()]


def test_what_is_handed_out_is_for_its_owner_alone(folder: DataFolder, tmp_path: Path) -> None:
    secret = [one for one in (tmp_path / "out").rglob("*") if one.suffix in {".nk", ".key", ".json", ".conf"}]
    assert len(secret) > len(SERVICES)
    assert {one.stat().st_mode & 0o777 for one in secret} == {0o600}


def test_a_second_time_keeps_keys_and_what_the_bus_has_stored(folder: DataFolder, tmp_path: Path) -> None:
    stream = tmp_path / "out/bus/bus/jetstream/stream"
    stream.parent.mkdir()
    stream.write_text("kept")
    seed = tmp_path / "out/task/keys/task.nk"
    before = seed.read_text()
    deployed(tmp_path)
    assert (seed.read_text(), stream.read_text()) == (before, "kept")


def test_what_has_changed_is_handed_out_anew(folder: DataFolder, tmp_path: Path) -> None:
    (folder.path / "installation.json").write_text("{}")
    hand_out(folder, tmp_path / "out")
    assert {(tmp_path / "out" / one / "installation.json").read_text() for one in SERVICES} == {"{}"}


def test_others_are_told_the_published_addresses(tmp_path: Path) -> None:
    words = ("--advertise", "sms.example.org:4333", "--api-port", "192.0.2.1:9443")
    folder = deployed(tmp_path, *words)
    installation = folder.installation()
    assert (installation.bus_url, installation.api_url) == (
        "tls://sms.example.org:4333",
        "https://sms.example.org:9443",
    )
    assert load_profile(folder.profile_file).endpoint == "https://gateway:8443", "among the containers"


def test_without_an_address_for_others_they_are_told_the_containers(folder: DataFolder) -> None:
    installation = folder.installation()
    assert (installation.bus_url, installation.api_url) == ("tls://nats:4222", "https://gateway:8443")
