"""Profiles keep secrets to their owner, and choose where a command goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.installation import DataFolder
from cli.main import run
from cli.profile_file import Choice, choose, chosen_profile, load_profile
from cli.root_credential import write_default_profile, write_root_credential
from contracts.errors import MigrationError
from tests.unit.cli.api_server import write_certificates

SECRET = "s3cret-that-nobody-may-see"  # noqa: S105 - of a test
OTHER_SECRET = "another"  # noqa: S105 - of a test


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "SMS_PROFILE", "SMS_ENDPOINT", "SMS_DATA"):
        monkeypatch.delenv(name, raising=False)
    write_certificates(tmp_path, ["localhost"])
    choose(Choice())
    return tmp_path / "home"


def add(tmp_path: Path, name: str = "site", *more: str, secret: str = SECRET) -> int:
    secret_file = tmp_path / "secret"
    secret_file.touch(0o600)
    secret_file.write_text(secret + "\n")
    words = ["profile", "add", name, "--endpoint", "https://sms.example.org:8443/", "--access-key", "AK1"]
    return run([*words, "--secret-key-file", str(secret_file), "--ca", str(tmp_path / "ca.pem"), *more])


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert run([*words, "--output", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_profile_is_written_for_its_owner_alone(home: Path, tmp_path: Path) -> None:
    assert add(tmp_path) == 0
    path = home / ".config" / "sms" / "profiles" / "site.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    profile = load_profile(path)
    assert profile.endpoint == "https://sms.example.org:8443"
    assert profile.secret_key.get_secret_value() == SECRET


def test_the_secret_is_never_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(tmp_path)
    listed = shown(capsys, "profile", "list")
    assert listed["profiles"][0].keys() == {"name", "endpoint", "access_key", "ca_file"}
    shown(capsys, "profile", "show", "site")
    run(["profile", "show", "site"])
    assert SECRET not in json.dumps(listed) + capsys.readouterr().out
    assert SECRET not in repr(chosen_in(tmp_path, profile="site"))


def test_the_secret_can_come_from_standard_input(home: Path, tmp_path: Path) -> None:
    words = ["profile", "add", "piped", "--endpoint", "https://h", "--access-key", "AK1"]
    command = [sys.executable, "-m", "cli", *words]
    ended = subprocess.run(command, input=SECRET, capture_output=True, text=True, timeout=60, env={**os.environ})
    assert ended.returncode == 0, ended.stderr
    assert load_profile(home / ".config/sms/profiles/piped.json").secret_key == SecretStr(SECRET)


def test_there_is_no_option_for_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "add", "x", "--endpoint", "https://h", "--access-key", "a", "--secret-key", SECRET]) == 2
    assert SECRET not in capsys.readouterr().err.replace("--secret-key-file", "")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620])
def test_a_profile_that_others_can_read_is_refused(
    home: Path, tmp_path: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path)
    (home / ".config/sms/profiles/site.json").chmod(mode)
    assert run(["profile", "show", "site"]) == 5
    said = capsys.readouterr().err
    assert "SMS.CLI.PROFILE_EXPOSED" in said
    assert "chmod 600" in said


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.write_text(SECRET)
    loose.chmod(0o644)
    words = ["profile", "add", "x", "--endpoint", "https://h", "--access-key", "a", "--secret-key-file", str(loose)]
    assert run(words) == 5


def test_a_profile_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    add(tmp_path)
    assert add(tmp_path, secret=OTHER_SECRET) == 4
    assert chosen_in(tmp_path, profile="site").secret_key.get_secret_value() == SECRET
    assert add(tmp_path, "site", "--replace", secret=OTHER_SECRET) == 0
    assert chosen_in(tmp_path, profile="site").secret_key.get_secret_value() == OTHER_SECRET


def test_a_removed_profile_is_gone(tmp_path: Path) -> None:
    add(tmp_path)
    assert run(["profile", "remove", "site"]) == 0
    assert run(["profile", "show", "site"]) == 3
    assert run(["profile", "remove", "site"]) == 3


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a b", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    assert add(tmp_path, name) == 2


@pytest.mark.parametrize(
    "url", ["http://h", "https://", "ftp://h", "https://h/v3", "https://u@h", "https://h:x", "h:1"]
)
def test_an_endpoint_is_https_with_host_and_port_alone(url: str) -> None:
    assert run(["profile", "add", "x", "--endpoint", url, "--access-key", "a", "--secret-key-file", "/dev/null"]) == 2


def test_the_users_configuration_folder_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    add(tmp_path)
    assert (tmp_path / "elsewhere/sms/profiles/site.json").exists()


def chosen_in(data: Path, *, profile: str = "", endpoint: str = "") -> Any:
    choose(Choice(profile=profile, endpoint=endpoint))
    return chosen_profile(data)


def test_a_damaged_profile_is_named_without_its_contents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.json"
    path.touch(0o600)
    path.write_text(json.dumps({"endpoint": "https://h", "secret_key": SECRET}))
    assert run(["profile", "show", str(path)]) == 5
    said = capsys.readouterr().err
    assert "access_key" in said
    assert SECRET not in said


def test_an_endpoint_replaces_that_of_the_profile(tmp_path: Path) -> None:
    add(tmp_path)
    profile = chosen_in(tmp_path, profile="site", endpoint="https://10.0.0.1:9")
    assert profile.endpoint == "https://10.0.0.1:9"
    assert profile.access_key == "AK1"
    with pytest.raises(MigrationError) as refused:
        chosen_in(tmp_path, profile="site", endpoint="http://10.0.0.1")
    assert refused.value.code == "SMS.CLI.USAGE"


def test_a_ca_beside_the_profile_may_be_named_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "handed-over.json"
    path.touch(0o600)
    fields = {"endpoint": "https://h", "access_key": "a", "secret_key": SECRET, "ca_file": "ca.pem"}
    path.write_text(json.dumps(fields))
    assert chosen_in(tmp_path, profile=str(path)).ca_file == tmp_path / "ca.pem"


def test_the_first_access_key_of_an_installation_is_made_once(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path / "data")
    root = write_root_credential(folder, account="default")
    assert folder.root_credential_file.stat().st_mode & 0o777 == 0o600
    assert write_root_credential(folder, account="default") == root
    written = json.loads(folder.root_credential_file.read_text())
    assert written.keys() == {"account", "access_key", "secret_key"}
    assert len(written["secret_key"]) >= 40


def test_a_users_own_key_in_the_default_profile_stays_when_the_address_changes(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path / "data")
    root = write_root_credential(folder, account="default")
    write_default_profile(folder, root, endpoint="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")
    assert load_profile(folder.profile_file).access_key == root.access_key
    changed = json.loads(folder.profile_file.read_text()) | {"access_key": "MINE"}
    folder.profile_file.write_text(json.dumps(changed))
    write_default_profile(folder, root, endpoint="https://127.0.0.1:2", ca_file=tmp_path / "ca.pem")
    profile = load_profile(folder.profile_file)
    assert (profile.access_key, profile.endpoint) == ("MINE", "https://127.0.0.1:2")
