"""A real Debian with an identity of its own, and one with SELinux: what only its own programs can tell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agents.target.adaptation import adapt
from agents.target.disks import PreparedDisks
from demo.debian_tree import debian_tree_tarball
from demo.loop_device import mounted
from tests.debian_tree import PACKAGES, SUITE
from tests.e2e.adaptation_source import inventory, make_layer, make_replica
from tests.e2e.machine import Machine
from tests.e2e.test_adaptation import FACTS, LAYOUT, NEW_ID, NEW_IDENTITY, OWN_PATHS
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]


def test_debian_with_an_identity_of_its_own_boots_with_host_keys_that_it_has_made(
    tmp_path: Path, machines: list[Machine]
) -> None:
    tarball = debian_tree_tarball(SUITE, (*PACKAGES, "openssh-server"))
    in_private_namespace(make_replica)(tmp_path, LAYOUT, tarball)
    disks = make_layer(tmp_path, LAYOUT, "identity")
    keys_path = tmp_path / "keys"

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(disks)
        tree = prepared.mount_tree(LAYOUT)
        keys_path.write_text((tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text())
        prepared.unmount()
        report = adapt(prepared, LAYOUT, inventory(), NEW_IDENTITY, OWN_PATHS)
        prepared.detach()
        assert report.verdict == "passed", report.failure

    run()
    machine = Machine(tmp_path, disks)
    machines.append(machine)
    machine.wait_for("source login:")
    machine.type("root")
    machine.wait_for(":~#")
    # The keys are made while others may log in already.
    machine.type("until systemctl is-active --quiet ssh; do sleep 1; done; echo RUN''NING")
    machine.wait_for("RUNNING", timeout_s=300)
    machine.type("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; systemctl is-active ssh; dbus-uuidgen --get")
    machine.type("ls /etc/systemd/system; systemctl --failed --plain --no-legend; echo FI''NISHED")
    shown = machine.wait_for("FINISHED")
    assert shown.count(NEW_ID) == 2
    assert "ssh-ed25519 " in shown
    assert keys_path.read_text().split()[1] not in shown
    assert "\nactive" in shown.replace("\r", "")
    assert "sms-host-keys" not in shown.rpartition("ls /etc/systemd/system")[2]
    assert [line.split()[0] for line in shown.splitlines() if " failed " in line and ".service" in line] == []


def test_labels_are_those_that_debians_own_policy_of_selinux_says(tmp_path: Path) -> None:
    tarball = debian_tree_tarball(SUITE, (*PACKAGES, "policycoreutils", "selinux-policy-default"))
    in_private_namespace(make_replica)(tmp_path, LAYOUT, tarball)
    disks = make_layer(tmp_path, LAYOUT, "selinux")
    contexts = "/etc/selinux/default/contexts/files/file_contexts"

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(disks)
        tree = prepared.mount_tree(LAYOUT)
        (tree / "etc/selinux/config").write_text("SELINUX=permissive\nSELINUXTYPE=default\n")
        subprocess.run(["mount", "-o", "remount,exec", str(tree)], check=True)
        with mounted("proc", tree / "proc", "-t", "proc"):
            subprocess.run(["chroot", str(tree), "setfiles", contexts, "/"], check=True)
        prepared.unmount()
        report = adapt(prepared, LAYOUT, inventory(), FACTS, OWN_PATHS)
        tree = prepared.mount_tree(LAYOUT)
        labels = {
            name: os.getxattr(tree / name, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()
            for name in ("etc/fstab", "etc/systemd/system/waagent.service", "boot/grub/grub.cfg")
        }
        prepared.detach()
        assert report.verdict == "passed", report.failure
        assert [check.id for check in report.checks if check.failure is not None] == []
        assert {change.path for change in report.changes if change.step == "S15"} >= {
            "/etc/systemd/system/waagent.service"
        }
        assert labels == {
            "etc/fstab": "system_u:object_r:etc_t:s0",
            "etc/systemd/system/waagent.service": "system_u:object_r:systemd_unit_t:s0",
            "boot/grub/grub.cfg": "system_u:object_r:boot_t:s0",
        }

    run()
