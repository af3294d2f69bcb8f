"""What a feasibility check looks like for a person, and that colours are for terminals alone."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import cli.checklist
from cli.checklist import print_changes, print_checklist
from cli.main import run
from contracts.errors.registry import INVENTORY_AGENT_AWAY
from contracts.feasibility import ChangedCheck, Check, FeasibilityReport
from contracts.inventory import SourceInventory
from contracts.messages.feasibility import FeasibilityDetails
from services.feasibility.adapters.os_table_file import load_os_table
from services.feasibility.domain.assess import assess, changes
from services.feasibility.domain.rule import Basis
from tests.unit.cli.api_server import ACCESS_KEY, SECRET_KEY, Answer, serving

INVENTORIES = Path(__file__).parents[1] / "feasibility/inventories"


def report_of(name: str) -> FeasibilityReport:
    inventory = SourceInventory.model_validate_json((INVENTORIES / f"{name}.json").read_text())
    return assess(inventory, Basis(table=load_os_table()))


def test_every_check_stands_below_its_group_and_each_finding_has_its_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = report_of("storage_server_thin_raid")
    print_checklist(report)
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings[:-1] == list(dict.fromkeys(check.group for check in report.checks))
    shown = "\n".join(lines)
    for check in report.checks:
        assert check.name in shown
        if check.result != "OK":
            assert check.code in shown
            assert check.cause in shown
            assert f"remedy: {check.remedy}" in shown
    assert lines[-1].startswith("ERROR")
    assert "\x1b" not in shown


def test_a_check_after_a_fix_shows_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    print_changes(changes(report_of("debian_11_full_root_network_card_licence"), report_of("debian_11_bios")))
    shown = capsys.readouterr().out
    assert "ERROR -> OK" in shown
    print_changes(())
    assert "nothing has changed" in capsys.readouterr().out
    print_changes((ChangedCheck(id="x", name="a new rule", before="", after="WARN"),))
    assert "new   -> WARN" in capsys.readouterr().out


@pytest.mark.parametrize(("no_color", "expected"), [(None, "\x1b[32m"), ("1", "")])
def test_a_terminal_gets_colours_unless_they_are_refused(
    no_color: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"TERM": "xterm"} | ({"NO_COLOR": no_color} if no_color else {})
    terminal = Console(file=io.StringIO(), force_terminal=True, _environ=environment, color_system="standard")
    monkeypatch.setattr(cli.checklist, "out", terminal)
    print_checklist(FeasibilityReport(result="OK", checks=(Check(id="a", name="a", group="g\x1b[31m", result="OK"),)))
    shown = terminal.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "\x1b[31m" not in shown
    assert expected in shown
    assert ("\x1b[32m" in shown) == bool(expected)


async def test_json_has_everything_of_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of("storage_server_thin_raid")
    details = FeasibilityDetails(
        server_id="s1",
        report=report,
        changes=(ChangedCheck(id="x", name="a rule", before="OK", after="WARN"),),
        not_fresh=INVENTORY_AGENT_AWAY.failure(server_id="s1", seconds="5"),
    )
    async with serving(tmp_path, [Answer(body=details.model_dump_json().encode())]) as api:
        profile = tmp_path / "profile.json"
        text = json.dumps(
            {
                "endpoint": f"https://127.0.0.1:{api.port}",
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
                "ca_file": str(api.ca_file),
            }
        )
        profile.write_text(text)
        profile.chmod(0o600)
        arguments = ["--profile", str(profile), "server", "check", "s1"]
        assert await asyncio.to_thread(run, [*arguments, "--output", "json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["feasibility"] == report.model_dump(mode="json")
        assert shown["changes"] == [{"id": "x", "name": "a rule", "before": "OK", "after": "WARN"}]
        assert shown["not_fresh"]["code"] == "SMS.REGISTRY.INVENTORY_AGENT_AWAY"
        assert await asyncio.to_thread(run, arguments) == 0
        assert "did not take the command" in capsys.readouterr().out
        assert [(seen.method, seen.path) for seen in api.seen] == [("POST", "/v3/sources/s1/check")] * 2
