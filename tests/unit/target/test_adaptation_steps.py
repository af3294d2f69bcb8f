"""What the steps plan for small trees with the files of real systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.changes import Change, MakeLink, RemoveFile, RemoveFolder, WriteFile
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.kernels import chosen_kernel, installed_kernels
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.steps.boot_menu.settings import DROP_IN, plan_settings_files
from agents.target.adaptation.steps.caches import plan_caches, stale_device_checks
from agents.target.adaptation.steps.cloud_init import plan_cloud_init
from agents.target.adaptation.steps.file_system_table import PATH, RESUME, fstab_checks, plan_file_system_table
from agents.target.adaptation.steps.network.plan import extra_kernel_arguments, network_checks, plan_network
from agents.target.adaptation.steps.own_agent import own_agent_checks, plan_own_agent
from agents.target.adaptation.steps.preflight import plan_preflight
from agents.target.adaptation.system import SystemFacts, detect_system
from agents.target.adaptation.tree import Tree
from contracts.adaptation import TargetFacts
from contracts.inventory import NetworkInterface
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import DATA_UUID, FSTAB, ROOT_UUID, SOURCE_MAC, SWAP_UUID, TARGET_MAC, inventory

LAYOUT = plan_layout(inventory())


class NoPrograms:
    """A builder for steps that run no program."""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        raise AssertionError(f"{command} with {files}")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    for folder in ("etc", "boot", "lib/systemd/network"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lib/systemd/network/99-default.link").touch()
    view = Tree(tmp_path)
    yield view
    view.close()


def put(tree: Tree, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        place = tree.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def inputs(*, facts: TargetFacts | None = None, own_paths: tuple[str, ...] = (), card: str = "ens7") -> Inputs:
    cards = (NetworkInterface(name=card, mac=SOURCE_MAC),)
    return Inputs(
        layout=LAYOUT,
        inventory=inventory().model_copy(update={"network_interfaces": cards}),
        facts=facts or TargetFacts(network_map={SOURCE_MAC: TARGET_MAC}),
        own_paths=own_paths,
        references=References(LAYOUT),
        builder=NoPrograms(),
        raw_path=Path,
    )


def written(changes: Sequence[Change]) -> dict[str, str]:
    return {change.path: change.content.decode() for change in changes if isinstance(change, WriteFile)}


def settings(tree: Tree, extra: tuple[str, ...] = ()) -> dict[str, str]:
    """The files of a system whose grub-mkconfig reads a folder of settings, as Debian's does."""
    put(tree, {"/usr/sbin/grub-mkconfig": "for x in /etc/default/grub.d/*.cfg\n"})
    system = SystemFacts(mkconfig="/usr/sbin/grub-mkconfig")
    line = CommandLine(references=References(LAYOUT), network_map={}, has_serial_port=True, extra=extra)
    return written(plan_settings_files(tree, system, line, ""))


def test_only_references_that_do_not_resolve_are_rewritten(tree: Tree) -> None:
    put(tree, {PATH: FSTAB, RESUME: "RESUME=/dev/sda5\n"})
    texts = written(plan_file_system_table(tree, inputs()).changes)
    lines = texts[PATH].splitlines()
    assert lines[1] == f"UUID={ROOT_UUID}\t/\text4\terrors=remount-ro\t0 1"
    assert lines[2] == f"UUID={SWAP_UUID} none swap sw 0 0"
    assert lines[3] == f"UUID={DATA_UUID}  /data  xfs  defaults  0 2"
    assert lines[4] == "# not migrated: /dev/sdc1 /backup ext4 defaults 0 2"
    assert lines[5] == "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0"
    assert lines[6] == "files.example:/srv /srv nfs defaults,nofail 0 0"
    assert texts[RESUME] == f"RESUME=UUID={SWAP_UUID}\n"


def test_adapted_table_is_not_changed_a_second_time(tree: Tree) -> None:
    put(tree, {PATH: FSTAB})
    put(tree, written(plan_file_system_table(tree, inputs()).changes))
    assert plan_file_system_table(tree, inputs()).changes == ()


def test_missing_line_for_the_root_is_added_since_it_would_stay_read_only(tree: Tree) -> None:
    put(tree, {PATH: "tmpfs /tmp tmpfs defaults 0 0"})
    text = written(plan_file_system_table(tree, inputs()).changes)[PATH]
    assert text == f"tmpfs /tmp tmpfs defaults 0 0\nUUID={ROOT_UUID} / ext4 defaults 0 1\n"


def test_line_that_does_not_mount_on_the_target_stops_the_launch_unless_it_may_fail(tree: Tree) -> None:
    put(tree, {PATH: "UUID=gone /one ext4 defaults 0 2\nUUID=gone /two ext4 nofail 0 2\n"})
    found = fstab_checks(tree, References(LAYOUT))
    assert [(check.id, check.severity) for check in found] == [("FSTAB_UNRESOLVED", "E"), ("FSTAB_UNRESOLVED", "W")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/network/interfaces", "auto ens3\niface ens3 inet dhcp\n"),
        ("/etc/netplan/50.yaml", "network:\n  ethernets:\n    ens3:\n      dhcp4: true\n"),
        ("/etc/systemd/network/lan.network", "[Match]\nName=ens3\n"),
    ],
)
def test_only_card_that_a_mounted_system_names_keeps_its_name(tree: Tree, path: str, text: str) -> None:
    put(tree, {path: text})
    unseen = inventory().model_copy(update={"network_interfaces": (), "is_live": False})
    texts = written(plan_network(tree, replace(inputs(), inventory=unseen)).changes)
    assert texts["/etc/systemd/network/00-sms-0.link"].endswith("Path=pci-*\n\n[Link]\nName=ens3\n")


def test_card_keeps_its_name_by_the_address_of_the_targets_card(tree: Tree) -> None:
    texts = written(plan_network(tree, inputs()).changes)
    assert texts["/etc/systemd/network/00-sms-0.link"] == f"[Match]\nMACAddress={TARGET_MAC}\n\n[Link]\nName=ens7\n"
    unmapped = written(plan_network(tree, inputs(facts=TargetFacts())).changes)
    assert "Path=pci-*" in unmapped["/etc/systemd/network/00-sms-0.link"]


def test_single_card_called_eth0_keeps_its_name_by_a_kernel_argument(tree: Tree) -> None:
    given = inputs(card="eth0")
    assert plan_network(tree, given).changes == ()
    arguments = extra_kernel_arguments(tree, given)
    text = settings(tree, arguments)[DROP_IN]
    assert "console=tty0 console=ttyS0,115200n8 net.ifnames=0 biosdevname=0" in text


def test_address_of_the_sources_card_is_replaced_wherever_it_is_named(tree: Tree) -> None:
    put(tree, {"/etc/netplan/01.yaml": f"network:\n  ethernets:\n    ens7:\n      match:\n        macaddress: {SOURCE_MAC.upper()}\n      dhcp4: true\n"})  # fmt: skip  # noqa: E501 - one file
    texts = written(plan_network(tree, inputs()).changes)
    assert TARGET_MAC in texts["/etc/netplan/01.yaml"]
    put(tree, texts)
    assert {check.id for check in network_checks(tree, inputs()) if check.failure is not None} == set()


def test_netplan_with_fixed_addresses_makes_room_for_dhcp(tree: Tree) -> None:
    put(tree, {"/etc/netplan/01.yaml": "network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    ens7:\n      addresses: [192.0.2.10/24]\n"})  # fmt: skip  # noqa: E501 - one file
    changes = plan_network(tree, inputs()).changes
    texts = written(changes)
    assert all(line.startswith("# ") for line in texts["/etc/netplan/01.yaml"].splitlines())
    assert "dhcp4: true" in texts["/etc/netplan/99-sms-adapt.yaml"]
    assert [change.mode for change in changes if isinstance(change, WriteFile) and "99-" in change.path] == [0o600]


def test_netplan_with_a_bond_is_left_to_a_person(tree: Tree) -> None:
    put(tree, {"/etc/netplan/01.yaml": "network:\n  bonds:\n    bond0:\n      addresses: [192.0.2.10/24]\n"})
    result = plan_network(tree, inputs())
    assert "/etc/netplan/01.yaml" not in written(result.changes)
    assert [(check.id, check.severity) for check in result.checks] == [("NET_COMPLEX", "W")]


def test_consoles_of_another_hypervisor_become_the_serial_port(tree: Tree) -> None:
    put(tree, {"/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet console=hvc0 console=ttyS1,9600"\n'})
    texts = settings(tree)
    assert "hvc0" not in texts["/etc/default/grub"]
    assert "ttyS1" not in texts["/etc/default/grub"]
    assert "quiet" in texts["/etc/default/grub"]


def test_our_own_agent_is_removed_with_the_links_that_enabled_it(tree: Tree) -> None:
    put(tree, {"/opt/agent/key": "secret", "/etc/systemd/system/agent.service": "[Unit]\n"})
    wants = tree.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / "agent.service").symlink_to("/etc/systemd/system/agent.service")
    given = inputs(own_paths=("/opt/agent/", "/etc/systemd/system/agent.service", "/", "relative"))
    changes = plan_own_agent(tree, given).changes
    assert {change.path for change in changes if isinstance(change, RemoveFile | RemoveFolder)} == {
        "/opt/agent",
        "/etc/systemd/system/agent.service",
        "/etc/systemd/system/multi-user.target.wants/agent.service",
    }
    assert not any(isinstance(change, WriteFile | MakeLink) for change in changes)
    assert [check.severity for check in own_agent_checks(tree, given)] == ["E", "E", "E"]


def test_cloud_init_is_switched_off_where_it_is_installed(tree: Tree) -> None:
    assert plan_cloud_init(tree, inputs(), SystemFacts(has_systemd=True)).changes == ()
    put(tree, {"/etc/cloud/cloud.cfg": ""})
    assert list(written(plan_cloud_init(tree, inputs(), SystemFacts(has_systemd=True)).changes)) == [
        "/etc/cloud/cloud-init.disabled"
    ]


def test_caches_go_and_files_with_old_device_names_are_named(tree: Tree) -> None:
    put(tree, {"/boot/grub/device.map": "(hd0) /dev/sda\n", "/etc/hdparm.conf": "# /dev/sda\n/dev/sdb {\n}\n"})
    assert [change.path for change in plan_caches(tree).changes if isinstance(change, RemoveFile)] == [
        "/boot/grub/device.map"
    ]
    (check,) = stale_device_checks(tree)
    assert check.failure is not None
    assert "/dev/sdb" in check.failure.cause


def test_unknown_system_encrypted_volume_and_other_firmware_end_the_adaptation(tree: Tree) -> None:
    put(tree, {"/etc/os-release": "ID=plan9\nPRETTY_NAME=Plan 9\n", "/etc/crypttab": "data /dev/sdb1 none luks\n"})
    (tree.root / "data").mkdir()
    result = plan_preflight(tree, inputs(facts=TargetFacts(firmware="UEFI")), detect_system(tree))
    failed = {check.id for check in result.checks if check.failure is not None and check.severity == "E"}
    assert failed >= {"UNSUPPORTED_OS", "BOOTLOADER_UNKNOWN", "ENCRYPTED", "FIRMWARE_MISMATCH"}
    assert result.is_fatal


def kernel(tree: Tree, release: str, modules: str) -> None:
    put(tree, {f"/boot/vmlinuz-{release}": "", f"/lib/modules/{release}/modules.dep": modules})


def test_newest_kernel_with_the_targets_drivers_is_started(tree: Tree) -> None:
    full = "kernel/virtio_pci.ko:\nkernel/virtio_blk.ko.xz:\nkernel/ext4.ko:\n"
    kernel(tree, "5.10.0-9-amd64", full)
    kernel(tree, "5.10.0-28-amd64", full)
    kernel(tree, "6.1.0-1-amd64", "kernel/ext4.ko:\n")
    (tree.root / "boot/vmlinuz-6.9.0.dpkg-new").touch()
    kernels = installed_kernels(tree)
    assert [each.release for each in kernels] == ["6.1.0-1-amd64", "5.10.0-28-amd64", "5.10.0-9-amd64"]
    chosen = chosen_kernel(kernels, running="5.10.0-9-amd64", bus="virtio", root_drivers=("ext4",))
    assert chosen is not None
    assert chosen.release == "5.10.0-9-amd64"
    assert chosen_kernel(kernels, running="", bus="nvme", root_drivers=("ext4",)) is None
