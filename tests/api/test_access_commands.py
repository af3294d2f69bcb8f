"""`sms account|user|group|policy|credential` against the real API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.profile_file import Choice, Profile, choose, save_profile
from tests.api.bench import ApiBench
from tests.api.test_command_line import CommandLine, profile_of


def new_name() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


@pytest.fixture
def folder(api: ApiBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_bytes(api.files.ca_file.read_bytes())
    yield tmp_path
    choose(Choice())


@pytest.fixture
def sms(api: ApiBench, folder: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    save_profile(folder / "root.json", profile_of(api))
    return CommandLine(folder / "root.json", capsys)


def command_line_of(
    api: ApiBench, folder: Path, key: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    path = folder / f"{key['access_key']}.json"
    profile = Profile(
        endpoint=api.url,
        access_key=key["access_key"],
        secret_key=SecretStr(key["secret_key"]),
        ca_file=Path("ca.pem"),
    )
    save_profile(path, profile)
    return CommandLine(path, capsys)


def test_a_group_with_a_policy_of_its_own_lets_its_member_in(
    api: ApiBench, sms: CommandLine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user, group, policy = new_name(), new_name(), new_name()
    document = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["sms:server:list"]}]}
    (folder / "policy.json").write_text(json.dumps(document))
    made = sms.json("policy", "create", policy, "--file", "policy.json")
    assert made["document"]["Statement"][0]["Action"] == ["sms:server:list"]
    assert sms.json("group", "create", group, "--policy", policy)["policies"][0]["name"] == policy
    assert sms.json("user", "create", user, "--group", group)["groups"][0]["name"] == group
    anna = command_line_of(api, folder, sms.json("credential", "create", "--user", user), capsys)
    assert anna.json("server", "list")["count"] >= 0
    status, _, said = anna.run("user", "list")
    assert (status, "SMS.API.DENIED" in said) == (5, True)
    assert [one["name"] for one in sms.json("group", "remove", group, user)["users"]] == []
    assert anna.run("server", "list")[0] == 5
    assert [one["name"] for one in sms.json("group", "add", group, user)["users"]] == [user]
    document["Statement"][0]["Effect"] = "Deny"  # type: ignore[index] - this test's own
    (folder / "policy.json").write_text(json.dumps(document))
    sms.json("policy", "update", policy, "--file", "policy.json")
    sms.json("policy", "attach", "SMS ReadOnlyAccess", "--user", user)
    assert anna.run("server", "list")[0] == 5, "an explicit deny wins"
    assert sms.json("policy", "detach", policy, "--group", group)["groups"] == []
    assert anna.json("task", "list")["count"] >= 0
    assert sms.json("policy", "delete", policy)["deleted"] is True
    assert sms.json("user", "disable", user)["is_enabled"] is False
    assert anna.run("server", "list")[0] == 5
    assert sms.json("user", "enable", user)["is_enabled"] is True
    assert sms.json("group", "delete", group)["deleted"] is True
    assert sms.json("user", "delete", user)["deleted"] is True
    assert sms.run("user", "show", user)[0] == 3


def test_a_key_is_rotated_without_a_gap(
    api: ApiBench, sms: CommandLine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user = new_name()
    sms.json("user", "create", user, "--policy", "SMS ReadOnlyAccess")
    first = sms.json("credential", "create", "--user", user, "--description", "laptop")
    old = command_line_of(api, folder, first, capsys)
    second = sms.json("credential", "rotate", first["access_key"])
    new = command_line_of(api, folder, second, capsys)
    assert old.run("server", "list")[0] == new.run("server", "list")[0] == 0
    sms.json("credential", "disable", first["access_key"])
    assert (old.run("server", "list")[0], new.run("server", "list")[0]) == (5, 0)
    sms.json("credential", "enable", first["access_key"])
    assert old.run("server", "list")[0] == 0
    sms.json("credential", "delete", first["access_key"])
    listed = sms.json("credential", "list", "--user", user)
    assert [(one["access_key"], one["description"]) for one in listed["credentials"]] == [
        (second["access_key"], "laptop")
    ]
    status, shown, _ = sms.run("credential", "list")
    assert (status, first["secret_key"] in shown, second["access_key"] in shown) == (0, False, True)


def test_an_account_is_made_limited_and_closed(
    api: ApiBench, sms: CommandLine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = new_name()
    made = sms.json("account", "create", name, "--max-migrating-servers", "3", "--balance", "150.50")
    other = command_line_of(api, folder, made, capsys)
    shown = other.json("account", "show")
    assert (shown["name"], shown["quotas"]) == (name, {"max_migrating_servers": 3, "balance": "150.50"})
    assert other.run("account", "list")[0] == 5
    assert [other.run("account", "show", one)[0] for one in ("default", "nobody", name)] == [5, 5, 0]
    assert sms.json("account", "set", name, "--balance", "none")["quotas"]["balance"] is None
    assert sms.run("account", "set", name, "--balance", "much")[0] == 2
    assert name in {one["name"] for one in sms.json("account", "list")["accounts"]}
    assert sms.json("account", "disable", name)["is_enabled"] is False
    assert other.run("server", "list")[0] == 5
    assert sms.json("account", "enable", name)["is_enabled"] is True
    assert other.run("server", "list")[0] == 0
    assert sms.run("account", "disable", "default")[0] == 4


def test_mistakes_are_named(sms: CommandLine, folder: Path) -> None:
    (folder / "policy.json").write_text('{"Version": "1.1", "Statement": [{"Effect": "Allow", "Actions": []}]}')
    status, _, said = sms.run("policy", "create", new_name(), "--file", "policy.json")
    assert (status, "Statement.0" in said) == (2, True)
    assert sms.run("policy", "attach", "SMS FullAccess")[0] == 2
    assert sms.run("policy", "show", "nothing")[0] == 3
    assert sms.run("policy", "delete", "SMS FullAccess")[0] == 4
    assert sms.run("group", "add", "nothing", "root")[0] == 3
    assert sms.run("user", "create", "root")[0] == 2
    assert sms.run("user", "delete", "root")[0] == 4


@pytest.mark.parametrize("words", [("user", "list"), ("group", "list"), ("policy", "list"), ("account", "list")])
def test_lists_are_tables_for_people(sms: CommandLine, words: tuple[str, str]) -> None:
    status, shown, said = sms.run(*words)
    assert status == 0, said
    assert shown
