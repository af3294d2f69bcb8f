"""`sms` against the real API: what it prints, and how it ends. The profile and the CA are all that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.main import run
from cli.profile_file import Choice, Profile, choose, save_profile
from tests.api.bench import ApiBench
from tests.servers import wait_until

README = Path(__file__).resolve().parents[2] / "README.md"


class CommandLine:
    def __init__(self, profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._profile = profile
        self._capsys = capsys

    def json(self, *words: str) -> Any:
        status, shown, said = self.run(*words, "--output", "json")
        assert status == 0, said
        return json.loads(shown)

    def run(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        status = run(["--profile", str(self._profile), *words])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err


@pytest.fixture
def sms(
    api: ApiBench, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "handed-over" / "profile.json"
    save_profile(path, profile_of(api))
    (path.parent / "ca.pem").write_bytes(api.files.ca_file.read_bytes())
    yield CommandLine(path, capsys)
    choose(Choice())


def profile_of(api: ApiBench) -> Profile:
    access_key, secret_key = api.root
    return Profile(endpoint=api.url, access_key=access_key, secret_key=SecretStr(secret_key), ca_file=Path("ca.pem"))


def test_servers_are_listed_shown_checked_and_forgotten(api: ApiBench, sms: CommandLine) -> None:
    server_id = api.register_server("cli-1")
    listed = sms.json("server", "list")
    [server] = [one for one in listed["servers"] if one["id"] == server_id]
    assert server["connected"] is True
    assert server["checks"] == "OK"
    assert listed["count"] >= 1
    shown = sms.json("server", "show", server_id)
    assert shown.keys() >= {"id", "name", "connected", "inventory", "feasibility"}
    assert shown["inventory"]["hostname"] == "cli-1"
    checked = sms.json("server", "check", server_id)
    assert checked["feasibility"]["result"] == "OK"


def test_servers_are_renamed_tagged_filtered_and_counted(api: ApiBench, sms: CommandLine) -> None:
    server_id = api.register_server("cli-tags")
    assert sms.json("server", "rename", server_id, "the shop") == {"id": server_id, "name": "the shop"}
    tagged = sms.json("server", "tag", server_id, "owner=shop", "tier")
    assert tagged == {"id": server_id, "tags": {"owner": "shop", "tier": ""}}
    found = sms.json("server", "list", "--tag", "owner=shop", "--tag", "tier", "--name", "SHOP", "--connected")
    assert [(one["id"], one["tags"]) for one in found["servers"]] == [(server_id, {"owner": "shop", "tier": ""})]
    assert sms.json("server", "list", "--tag", "owner=it")["count"] == 0
    assert sms.json("server", "untag", server_id, "owner")["tags"] == {"tier": ""}
    status, shown, said = sms.run("server", "overview")
    assert (status, "of 1000" in shown) == (0, True), said
    assert sms.json("server", "overview")["quota"] == 1000
    status, _, said = sms.run("server", "list", "--state", "asleep")
    assert (status, "SMS.API.INVALID_REQUEST" in said) == (2, True)


def test_a_task_is_planned_created_shown_and_deleted(api: ApiBench, sms: CommandLine) -> None:
    server_id = api.register_server("cli-2")
    status, shown, said = sms.run("task", "create", "--server", server_id, "--option", "exclude=/var/cache")
    assert status == 0, said
    assert "these disks are wiped" in shown
    [task] = sms.json("task", "list", "--server", server_id)["tasks"]
    assert task["phase"] == "READY"
    assert task["options"]["excludes"] == ["/var/cache"]
    task_id = task["id"]
    details = sms.json("task", "show", task_id)
    assert details.keys() >= {"id", "state", "phase", "error", "progress", "sub_tasks", "target"}
    assert sms.json("task", "history", task_id) == {"count": 0, "entries": []}
    assert sms.json("point", "list", task_id) == {"count": 0, "points": []}
    assert sms.json("task", "watch", task_id, "--until", "READY")["id"] == task_id
    status, _, said = sms.run("task", "sync", task_id)
    assert status == 4, said
    assert sms.json("task", "delete", task_id)["action"] == "delete"
    assert [one["to_phase"] for one in sms.json("task", "history", task_id)["entries"]] == ["DELETING"]


def test_nothing_is_started_without_consent(api: ApiBench, sms: CommandLine) -> None:
    server_id = api.register_server("cli-3")
    status, _, said = sms.run("task", "create", "--server", server_id, "--start")
    assert (status, "SMS.CLI.NO_CONSENT" in said) == (4, True)
    assert sms.json("task", "list", "--server", server_id)["count"] >= 0
    assert sms.json("task", "list", "--server", server_id)["tasks"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("server", "show"), ("server", "check"), ("task", "show"), ("task", "history"), ("task", "watch"),
        ("task", "stop"), ("point", "list"),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("name", ["nothing-of-this-name", "0" * 36])
def test_an_unknown_id_ends_with_status_3(sms: CommandLine, words: tuple[str, ...], name: str) -> None:
    status, shown, said = sms.run(*words, name)
    assert (status, shown) == (3, ""), said


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b=c", "a b", "ä", "%2e%2e", "a#b", "x" * 300])
def test_an_id_that_none_can_have_reaches_no_other_route(sms: CommandLine, name: str) -> None:
    status, shown, said = sms.run("task", "show", name)
    assert status in {2, 3}, said
    assert shown == ""
    assert "Traceback" not in said


def test_the_state_of_every_service_is_shown(sms: CommandLine) -> None:
    status = sms.json("status")
    assert status["is_healthy"], status
    assert {one["name"] for one in status["services"]} >= {"identity", "registry", "task", "audit", "gateway"}


def test_a_wrong_secret_key_is_not_authorised(api: ApiBench, sms: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "handed-over" / "profile.json"
    save_profile(path, profile_of(api).model_copy(update={"secret_key": SecretStr("x" * 40)}))
    status, _, said = sms.run("server", "list")
    assert (status, "SMS.API.SIGNATURE_REFUSED" in said) == (5, True)


def test_the_same_answer_is_not_sent_twice(api: ApiBench) -> None:
    with api.client() as client:
        first = client.get("/v3/task-details")
        again = client.get("/v3/task-details", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get("/v3/task-details", headers={"If-None-Match": '"another"'})
        assert (other.status_code, other.content) == (200, first.content)


def test_a_repeated_creation_with_one_key_makes_one_task(api: ApiBench) -> None:
    server_id = api.register_server("cli-4")
    with api.client() as client:
        body, headers = {"server_id": server_id}, {"X-Sms-Idempotency-Key": "one-key"}
        made = [client.post("/v3/task-details", json=body, headers=headers).json()["id"] for _ in range(2)]
        other = client.post("/v3/task-details", json=body, headers={"X-Sms-Idempotency-Key": "another"})
    assert made[0] == made[1]
    assert other.status_code == 409, "a second task of one server"


def test_the_program_in_the_readme_works_with_the_official_sdk(
    api: ApiBench, capsys: pytest.CaptureFixture[str]
) -> None:
    server_id = api.register_server("readme-1")
    [program] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    program = program.replace("https://sms.example.org:8443", api.url).replace("ca.pem", str(api.files.ca_file))
    exec(program, {"access_key": api.root[0], "secret_key": api.root[1]})  # noqa: S102 - our own page
    assert "readme-1 waiting" in capsys.readouterr().out
    assert server_id


def test_a_server_is_forgotten_unless_a_task_needs_it(api: ApiBench, sms: CommandLine) -> None:
    server_id, busy_id = api.register_server("cli-5"), api.register_server("cli-6")
    sms.run("task", "create", "--server", busy_id)
    status, _, said = sms.run("server", "delete", busy_id)
    assert status == 4, said
    assert sms.json("server", "delete", server_id) == {"id": server_id, "deleted": True}
    assert sms.run("server", "show", server_id)[0] == 3


def test_a_key_is_made_shown_once_and_disabled(api: ApiBench, sms: CommandLine) -> None:
    made = sms.json("credential", "create", "--description", "of a test")
    assert made.keys() == {"access_key", "secret_key", "user"}
    with api.client((made["access_key"], made["secret_key"])) as client:
        assert client.get("/v3/task-details").status_code == 200
        status, shown, _ = sms.run("credential", "list")
        assert (status, made["access_key"] in shown, made["secret_key"] in shown) == (0, True, False)
        assert sms.json("credential", "disable", made["access_key"])["is_active"] is False
        assert client.get("/v3/task-details").status_code == 401


def test_what_the_command_line_does_is_in_the_trace(api: ApiBench, sms: CommandLine) -> None:
    server_id = api.register_server("cli-7")
    sms.json("server", "delete", server_id)
    wait_until(lambda: server_id in json.dumps(sms.json("audit", "list")), what="the deletion in the trace")
    assert sms.json("audit", "verify")["is_intact"]
