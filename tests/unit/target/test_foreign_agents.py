"""Services of the platform that a system leaves are switched off, whatever its init, and can be taken back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from agents.target.adaptation.engine import Engine
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.platform_agents import PLATFORM_AGENTS
from agents.target.adaptation.steps.foreign_agents import foreign_agent_checks, plan_foreign_agents
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree

SYSTEMD = SystemFacts(has_systemd=True)
OLDER = SystemFacts(has_systemd=False)
OWN_UNITS = "etc/systemd/system"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    root = tmp_path / "tree"
    for folder in (f"{OWN_UNITS}/multi-user.target.wants", "lib/systemd/system", "etc/init.d", "var/lib"):
        (root / folder).mkdir(parents=True)
    view = Tree(root)
    yield view
    view.close()


def put(tree: Tree, path: str, text: str = "[Unit]\n") -> Path:
    place = tree.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def listing(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted(root.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_text()
        found[str(path.relative_to(root))] = content
    return found


def switch_off(tree: Tree, system: SystemFacts) -> tuple[dict[str, str], str]:
    """(what is there afterwards, the agents that were found); nothing must be left to do, and undo must restore all."""
    before = listing(tree.root)
    plan = plan_foreign_agents(tree, system)
    engine = Engine(tree, Journal(tree, "run"), Path)
    assert engine.apply("S06", plan.changes)[1] == []
    after = listing(tree.root)
    assert plan_foreign_agents(tree, system).changes == ()
    assert [(check.severity, check.failure) for check in foreign_agent_checks(tree, system)] == [("W", None)]
    assert engine.undo() == []
    assert listing(tree.root) == before
    return after, plan.facts.get("foreign_agents", "")


def test_units_of_packages_are_masked_and_all_others_stay(tree: Tree) -> None:
    for name in ("walinuxagent.service", "open-vm-tools.service", "hv-kvp-daemon.service", "smartd.service"):
        put(tree, f"lib/systemd/system/{name}")
    put(tree, r"lib/systemd/system/run-vmblock\x2dfuse.mount")
    for name in ("ssh.service", "qemu-guest-agent.service", "postgresql@.service"):
        put(tree, f"lib/systemd/system/{name}")
    (tree.root / OWN_UNITS / "vmtoolsd.service").symlink_to("/lib/systemd/system/open-vm-tools.service")
    after, found = switch_off(tree, SYSTEMD)
    masked = {path.rpartition("/")[2] for path, content in after.items() if content == "/dev/null"}
    assert masked == {
        *("walinuxagent.service", "open-vm-tools.service", "vmtoolsd.service", "hv-kvp-daemon.service"),
        *("smartd.service", r"run-vmblock\x2dfuse.mount"),
    }
    assert found == "Azure, VMware, Hyper-V, disk and server hardware"


def test_unit_kept_in_etc_gets_a_condition_so_that_it_is_not_lost(tree: Tree) -> None:
    put(tree, f"{OWN_UNITS}/aegis.service", "[Service]\nExecStart=/usr/local/aegis/agent\n")
    after, found = switch_off(tree, SYSTEMD)
    assert "/usr/local/aegis/agent" in after[f"{OWN_UNITS}/aegis.service"]
    assert after[f"{OWN_UNITS}/aegis.service.d/sms-adapt.conf"].endswith("[Unit]\nConditionPathExists=!/\n")
    assert found == "Alibaba Cloud"


def test_init_script_under_systemd_is_masked_as_the_unit_that_is_made_of_it(tree: Tree) -> None:
    put(tree, "etc/init.d/vboxadd", "#!/bin/sh\n")
    after, _ = switch_off(tree, SYSTEMD)
    assert after[f"{OWN_UNITS}/vboxadd.service"] == "/dev/null"


def test_start_links_of_an_older_init_become_stop_links(tree: Tree) -> None:
    put(tree, "etc/init.d/xe-daemon", "#!/bin/sh\n")
    put(tree, "etc/init.d/ssh", "#!/bin/sh\n")
    for level, name in (("2", "S20xe-daemon"), ("3", "S05xe-daemon"), ("0", "K01xe-daemon"), ("2", "S16ssh")):
        link = tree.root / f"etc/rc{level}.d/{name}"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../init.d/{name[3:]}")
    after, found = switch_off(tree, OLDER)
    links = {
        path.removeprefix("etc/"): content for path, content in after.items() if path.startswith("etc/rc") and content
    }
    assert links == {
        "rc0.d/K01xe-daemon": "../init.d/xe-daemon",
        "rc2.d/K80xe-daemon": "../init.d/xe-daemon",
        "rc2.d/S16ssh": "../init.d/ssh",
        "rc3.d/K95xe-daemon": "../init.d/xe-daemon",
    }
    assert found == "Xen"


def test_upstart_job_is_made_manual_and_keeps_what_its_override_says(tree: Tree) -> None:
    put(tree, "etc/init/walinuxagent.conf", "start on runlevel [2345]\n")
    put(tree, "etc/init/walinuxagent.override", "env A=1")
    after, _ = switch_off(tree, OLDER)
    assert after["etc/init/walinuxagent.override"] == "env A=1\nmanual\n"


def test_lines_of_an_agents_cron_table_are_commented_out(tree: Tree) -> None:
    put(tree, "etc/cron.d/sgagenttask", "# watch\n\n* * * * * root /usr/local/qcloud/stargate/admin/start.sh\n")
    put(tree, "etc/cron.d/backup", "0 3 * * * root /usr/local/bin/backup\n")
    after, found = switch_off(tree, SYSTEMD)
    assert after["etc/cron.d/sgagenttask"].splitlines() == [
        "# watch",
        "",
        "# not migrated: * * * * * root /usr/local/qcloud/stargate/admin/start.sh",
    ]
    assert after["etc/cron.d/backup"].startswith("0 3")
    assert found == "Tencent Cloud"


def test_service_that_could_not_be_switched_off_is_a_warning(tree: Tree) -> None:
    put(tree, "lib/systemd/system/uniagent.service")
    (check,) = foreign_agent_checks(tree, SYSTEMD)
    assert (check.id, check.severity) == ("AGENT_LEFT", "W")
    assert check.failure is not None
    assert "Huawei Cloud" in check.failure.cause


def test_no_two_platforms_claim_one_unit_and_no_pattern_takes_what_a_target_needs() -> None:
    units = [unit for agent in PLATFORM_AGENTS for unit in agent.units]
    assert len(units) == len(set(units))
    assert all(unit.endswith((".service", ".timer", ".socket", ".mount")) for unit in units)
    needed = ("ssh.service", "cron.service", "qemu-guest-agent.service", "systemd-networkd.service", "chrony.service")
    assert [unit for unit in units for name in needed if fnmatchcase(name, unit)] == []
