"""What belongs to the agent is named completely, and an agent that is no single file cannot install itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.install import own_paths
from agents.install.program import one_file_program
from contracts.errors import MigrationError


def test_every_place_of_the_agent_is_among_its_own_paths() -> None:
    places = (
        own_paths.PROGRAM,
        own_paths.UNPACK_FOLDER,
        own_paths.CONFIGURATION,
        own_paths.SECRET_KEY,
        own_paths.CA,
        own_paths.STATE_FOLDER,
        own_paths.SYSTEMD_UNIT,
        own_paths.SYSV_SCRIPT,
        own_paths.SYSV_LOG,
        *own_paths.SYSV_LINKS,
    )
    for place in places:
        assert any(Path(place).is_relative_to(path) for path in own_paths.OWN_PATHS), place


def test_own_paths_are_the_agents_alone() -> None:
    assert all("sms-agent" in Path(path).name for path in own_paths.OWN_PATHS)


def test_an_agent_that_runs_from_source_cannot_install_itself() -> None:
    with pytest.raises(MigrationError) as raised:
        one_file_program()
    assert raised.value.code == "SMS.AGENT.INSTALL_NOT_ONE_FILE"
