from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.source.start import DEFAULT_STATE_FOLDER, SourceOptions
from contracts.errors import MigrationError


def options(tmp_path: Path, **given: object) -> SourceOptions:
    ca = tmp_path / "ca.pem"
    if not ca.exists():
        ca.write_text("authority")
    return SourceOptions.from_arguments({"bus": "tls://127.0.0.1:4222", "ca": ca, **given})


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"bus": "tls://old:1", "access_key": "AK1", "ca": "/elsewhere"}))
    chosen = options(tmp_path, config=file)
    assert (chosen.bus, chosen.access_key) == ("tls://127.0.0.1:4222", "AK1")


def test_a_missing_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="bus"):
        SourceOptions.from_arguments({"ca": tmp_path / "ca.pem"})


def test_a_live_server_has_one_state_folder(tmp_path: Path) -> None:
    assert options(tmp_path).state_folder == DEFAULT_STATE_FOLDER


def test_each_mounted_system_is_an_agent_of_its_own(tmp_path: Path) -> None:
    one, other = options(tmp_path, root=tmp_path / "one"), options(tmp_path, root=tmp_path / "other")
    assert one.state_folder != other.state_folder
    assert one.state_folder == options(tmp_path, root=tmp_path / "one").state_folder


def test_a_mounted_system_is_new_to_another_installation(tmp_path: Path) -> None:
    before = options(tmp_path, root=tmp_path).state_folder
    (tmp_path / "ca.pem").write_text("another authority")
    assert options(tmp_path, root=tmp_path).state_folder != before


def test_an_authority_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    chosen = options(tmp_path, root=tmp_path, ca=tmp_path / "none.pem")
    with pytest.raises(MigrationError, match=r"none\.pem"):
        _ = chosen.state_folder


@pytest.mark.parametrize(
    ("options", "is_allowed"),
    [({}, True), ({"commands": "forbid"}, False), ({"root": "/mnt"}, False), ({"commands": "allow"}, True)],
)
def test_commands_are_run_where_the_operator_allows_it_on_the_running_system(
    options: dict[str, object], is_allowed: bool
) -> None:
    found = SourceOptions.from_arguments({"bus": "tls://b:1", "ca": "/ca.pem", **options})
    assert (found.forbids_commands == "") is is_allowed
