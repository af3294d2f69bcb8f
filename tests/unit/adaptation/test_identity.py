"""A system that is to live beside its source: what tells the two apart is new, and all of it can be taken back."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.adaptation import AdaptationReport, TargetFacts
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.test_plan import rows
from tests.unit.adaptation.trees.debian import DEBIAN7, DEBIAN12, UBUNTU14
from tests.unit.adaptation.trees.redhat import EL6, EL8, EL9, MACHINE_ID
from tests.unit.adaptation.trees.shape import Shape
from tests.unit.adaptation.trees.suse import SLES15

NEW_ID = uuid.uuid5(uuid.NAMESPACE_URL, "task-1/etc/machine-id").hex
KEPT = {
    "/etc/machine-id": f"{MACHINE_ID}\n",
    "/var/lib/dbus/machine-id": f"{MACHINE_ID}\n",
    "/etc/ssh/sshd_config": "Port 22\n",
    "/etc/ssh/ssh_host_rsa_key": "a private key\n",
    "/etc/ssh/ssh_host_rsa_key.pub": "a public key\n",
    "/etc/ssh/ssh_host_ed25519_key": "a private key\n",
    "/usr/sbin/sshd": "",
    "/var/lib/dhcp/dhclient.eth0.leases": "lease { }\n",
    "/var/lib/dhcp/dhcpd.leases": "what this server has leased to others\n",
    "/var/lib/NetworkManager/internal-1-eth0.lease": "ADDRESS=192.0.2.10\n",
    "/var/lib/systemd/random-seed": "seed",
    "/etc/cloud/cloud.cfg": "",
    "/var/lib/cloud/instances/i-1/sem/config_ssh": "",
    "/var/lib/cloud/data/instance-id": "i-1\n",
}
GONE = (
    *("/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub", "/etc/ssh/ssh_host_ed25519_key"),
    *("/var/lib/dhcp/dhclient.eth0.leases", "/var/lib/NetworkManager/internal-1-eth0.lease"),
    *("/var/lib/systemd/random-seed", "/var/lib/cloud/instance", "/var/lib/cloud/instances/i-1/sem/config_ssh"),
    "/var/lib/cloud/data/instance-id",
)
SHAPES = (EL6, EL8, DEBIAN7, DEBIAN12, UBUNTU14, SLES15)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def shape_with_identity(shape: Shape) -> Shape:
    return replace(
        shape,
        files={**shape.files, **KEPT},
        programs=(*shape.programs, "/usr/sbin/sshd"),
        links={**shape.links, "/var/lib/cloud/instance": "instances/i-1"},
    )


def run_of(shape: Shape, tmp_path: Path) -> FixtureRun:
    return FixtureRun(shape_with_identity(shape), tmp_path)


def renewed(run: FixtureRun, *, name: str = "run") -> AdaptationReport:
    return run.adapt(name=name, facts=facts(run))


def facts(run: FixtureRun) -> TargetFacts:
    return run.inputs().facts.model_copy(update={"identity": "new", "seed": "task-1"})


def is_there(run: FixtureRun, path: str) -> bool:
    place = run.root / path.lstrip("/")
    return place.exists() or place.is_symlink()


@every_shape
def test_nothing_that_told_the_source_is_left(shape: Shape, tmp_path: Path) -> None:
    run = run_of(shape, tmp_path)
    report = renewed(run)
    assert report.verdict == "passed"
    assert [path for path in GONE if is_there(run, path)] == []
    assert run.text("/etc/machine-id") == f"{NEW_ID}\n"
    assert (run.root / "var/lib/dbus/machine-id").readlink() == Path("/etc/machine-id")
    assert is_there(run, "/etc/cloud/cloud-init.disabled")
    assert is_there(run, "/etc/ssh/sshd_config")
    assert is_there(run, "/var/lib/dhcp/dhcpd.leases")


@every_shape
def test_new_identity_is_planned_made_once_and_taken_back_to_the_byte(shape: Shape, tmp_path: Path) -> None:
    run = run_of(shape, tmp_path)
    before = run.snapshot()
    plan = run.plan(facts=facts(run))
    assert rows(plan) == rows(renewed(run))
    assert "/etc/machine-id" in {change.path for change in plan.changes}
    assert renewed(run, name="again").changes == ()
    assert run.undo() == []
    assert run.snapshot() == before


@every_shape
def test_system_that_takes_its_sources_place_keeps_its_identity(shape: Shape, tmp_path: Path) -> None:
    run = run_of(shape, tmp_path)
    run.adapt()
    assert [path for path in GONE if not is_there(run, path)] == []
    assert run.text("/etc/machine-id") == run.text("/var/lib/dbus/machine-id") == f"{MACHINE_ID}\n"


def test_entries_that_are_named_by_the_machine_are_renamed_with_who_remembers_them(tmp_path: Path) -> None:
    run = run_of(EL8, tmp_path)
    renewed(run)
    names = sorted(path.name for path in (run.root / "boot/loader/entries").iterdir())
    assert names == sorted([f"{NEW_ID}-{EL8.release}.conf", f"{NEW_ID}-0-rescue.conf"])
    assert f"saved_entry={NEW_ID}-{EL8.release}\n" in run.text("/boot/grub2/grubenv")
    rescue = run.text(f"/boot/loader/entries/{NEW_ID}-0-rescue.conf")
    assert f"version 0-rescue-{NEW_ID}\n" in rescue
    # The images keep their names.
    assert f"linux /vmlinuz-0-rescue-{MACHINE_ID}\n" in rescue
    assert f"initrd /initramfs-0-rescue-{MACHINE_ID}.img" in rescue


def test_token_of_later_kernels_follows_the_machine(tmp_path: Path) -> None:
    shape = shape_with_identity(EL9)
    run = FixtureRun(replace(shape, files={**shape.files, "/etc/kernel/entry-token": f"{MACHINE_ID}\n"}), tmp_path)
    renewed(run)
    assert run.text("/etc/kernel/entry-token") == f"{NEW_ID}\n"


def test_debian_makes_host_keys_at_its_first_start_and_the_hook_removes_itself(tmp_path: Path) -> None:
    run = run_of(DEBIAN12, tmp_path)
    renewed(run)
    unit = run.text("/etc/systemd/system/sms-host-keys.service")
    wanted = "etc/systemd/system/multi-user.target.wants/sms-host-keys.service"
    assert "ExecStart=/usr/bin/ssh-keygen -A\n" in unit
    assert f"ExecStartPost=/bin/rm -f /{wanted} /etc/systemd/system/sms-host-keys.service" in unit
    assert (run.root / wanted).readlink() == Path("/etc/systemd/system/sms-host-keys.service")


def test_debian_of_old_makes_its_host_key_before_the_server_looks_for_it(tmp_path: Path) -> None:
    run = run_of(DEBIAN7, tmp_path)
    renewed(run)
    assert run.text("/etc/default/ssh").startswith("[ -s /etc/ssh/ssh_host_rsa_key ] || ssh-keygen ")
    assert not is_there(run, "/etc/systemd/system/sms-host-keys.service")


@pytest.mark.parametrize(
    "path", ["/usr/lib/systemd/system/sshd-keygen@.service", "/usr/sbin/sshd-gen-keys-start", "/etc/init.d/sshd"]
)
def test_system_that_makes_its_host_keys_itself_gets_no_hook(path: str, tmp_path: Path) -> None:
    shape = shape_with_identity(EL8)
    run = FixtureRun(replace(shape, files={**shape.files, path: "ssh-keygen -q -t rsa\n"}), tmp_path)
    renewed(run)
    assert not is_there(run, "/etc/systemd/system/sms-host-keys.service")


def test_ubuntu_with_upstart_makes_its_host_keys_before_the_server_starts(tmp_path: Path) -> None:
    shape = shape_with_identity(UBUNTU14)
    run = FixtureRun(
        replace(shape, files={**shape.files, "/etc/init/ssh.conf": "start on runlevel [2345]\n"}), tmp_path
    )
    renewed(run)
    job = run.text("/etc/init/sms-host-keys.conf")
    assert "start on starting ssh\ntask\nexec /usr/bin/ssh-keygen -A\n" in job


def test_new_identity_never_keeps_the_sources_address(tmp_path: Path) -> None:
    run = run_of(EL6, tmp_path)
    static = facts(run).model_copy(update={"network_mode": "keep"})
    run.adapt(facts=static)
    card = run.text("/etc/sysconfig/network-scripts/ifcfg-eth0")
    assert "BOOTPROTO=dhcp" in card
    assert [line for line in card.splitlines() if line.startswith("IPADDR")] == []
