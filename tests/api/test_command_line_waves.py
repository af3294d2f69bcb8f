"""`sms template|project|wave` against the real API: from a file or from options, to what a person reads."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.api.bench import ApiBench
from tests.api.test_command_line import CommandLine, sms  # noqa: F401 - a fixture


def test_a_template_is_made_changed_used_and_deleted(api: ApiBench, sms: CommandLine, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "password").write_text("canary-40b2\n")
    made = sms.json(
        "template", "create", "--name", "cli-web", "--flavor", "local.4c2g", "--disk", "0=60", "--disk-type", "SSD",
        "--password-file", str(tmp_path / "password"),
    )["id"]  # fmt: skip
    assert sms.json("template", "password", made) == {"id": made, "target_password": "canary-40b2"}
    sms.json("template", "update", made, "--server-name", "web-new")
    shown = sms.json("template", "show", made)
    assert (shown["name"], shown["flavor"], shown["target_server_name"]) == ("cli-web", "local.4c2g", "web-new")
    assert "target_password" not in shown
    status, text, _ = sms.run("template", "list", "--name", "cli-web")
    assert (status, made in text, "canary" in text) == (0, True, False)
    server_id = api.register_server("cli-template-1")
    status, plan, said = sms.run("task", "create", "--server", server_id, "--template", made)
    assert (status, "60.0 GiB" in plan, "cpu_count: 4" in plan) == (0, True, True), plan + said
    [task] = sms.json("task", "list", "--server", server_id)["tasks"]
    assert (task["options"]["cpu_count"], task["template_id"]) == (4, made)
    status, text, _ = sms.run("template", "delete", made, "nothing")
    assert (status, "SMS.TEMPLATE.NOT_FOUND" in text) == (4, True)


def test_a_template_comes_from_a_file(sms: CommandLine, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"name": "cli-file", "vpc": {"id": "autoCreate"}, "image_id": "image"}))
    made = sms.json("template", "create", "--file", str(path), "--region", "local")["id"]
    shown = sms.json("template", "show", made)
    assert (shown["name"], shown["vpc"]["id"], shown["region"]) == ("cli-file", "autoCreate", "local")
    assert sms.json("template", "delete", made) == {"id": made, "deleted": True}
    path.write_text('{"name": 7, "target_password": "canary-40b2"}')
    status, _, said = sms.run("template", "create", "--file", str(path))
    assert (status, "name" in said, "canary" in said) == (2, True, False)


@pytest.mark.parametrize(
    "words",
    [
        ("template", "create"),
        ("template", "create", "--name", "n", "--disk", "zero=1"),
        ("template", "create", "--file", "nowhere.json"),
        ("template", "create", "--name", "n", "--password-file", "nowhere"),
        ("template", "create", "--name", "n", "--flavor", "s6.large.2"),
        ("project", "create"),
        ("project", "create", "--name", "n", "--type", "tape"),
        ("project", "create", "--name", "n", "--speed-limit", "1001"),
        ("wave", "create"),
        ("wave", "create", "--name", "n", "--rate-limit", "fast"),
        ("wave", "create", "--name", "a b"),
    ],
    ids=" ".join,
)
def test_what_does_not_fit_ends_with_status_2(sms: CommandLine, words: tuple[str, ...]) -> None:  # noqa: F811
    status, shown, said = sms.run(*words)
    assert (status, shown, "Traceback" in said) == (2, "", False), said


def test_a_project_is_made_changed_made_the_default_and_deleted(sms: CommandLine) -> None:  # noqa: F811
    first = next(one for one in sms.json("project", "list")["projects"] if one["isdefault"])
    made = sms.json("project", "create", "--name", "cli-project", "--speed-limit", "50", "--sync")["id"]
    sms.json("project", "update", made, "--description", "of a test", "--no-sync")
    shown = sms.json("project", "show", made)
    assert (shown["speed_limit"], shown["syncing"], shown["description"]) == (50, False, "of a test")
    sms.json("project", "default", made)
    status, _, said = sms.run("project", "delete", made)
    assert (status, "SMS.PROJECT.IS_DEFAULT" in said) == (4, True)
    sms.json("project", "default", first["id"])
    sms.json("project", "delete", made)
    status, text, _ = sms.run("project", "list")
    assert (status, "cli-project" in text) == (0, False)


def test_a_wave_is_made_checked_started_watched_and_forgotten(api: ApiBench, sms: CommandLine) -> None:  # noqa: F811
    name = f"cli-{uuid.uuid4().hex[:8]}"
    server_id = api.register_server(name)
    made = sms.json(
        "wave", "create", "--name", name, "--server", server_id, "--server", "nobody", "--rate-limit", "80M"
    )
    wave_id = made["id"]
    status, text, _ = sms.run("wave", "check", wave_id)
    assert (status, "done" in text, "refused" in text) == (4, True, True)
    status, _, said = sms.run("wave", "start", wave_id)
    assert (status, "SMS.CLI.NO_CONSENT" in said) == (4, True)
    sms.json("wave", "update", wave_id, "--server", server_id, "--max-running", "2")
    started = sms.json("wave", "start", wave_id, "--yes")
    assert [(item["server_id"], item["outcome"]) for item in started["items"]] == [(server_id, "done")]
    assert sms.json("wave", "limit", wave_id, "40M")["items"][0]["outcome"] == "done"
    sms.run("wave", "stop", wave_id)
    shown = sms.json("wave", "show", wave_id)
    assert (shown["rate_limit_bit_s"], shown["last_action"], shown["servers"]) == (40_000_000, "stop", 1)
    status, text, _ = sms.run("wave", "list")
    assert (status, name in text) == (0, True)
    sms.json("wave", "delete", wave_id)
    status, _, said = sms.run("wave", "show", wave_id)
    assert (status, "SMS.WAVE.NOT_FOUND" in said) == (3, True)
