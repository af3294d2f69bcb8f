"""What is found on whole servers, one recorded inventory each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors.catalogue import load_catalogue
from contracts.feasibility import Check
from contracts.inventory import Mount, SourceInventory
from services.feasibility.adapters.os_table_file import load_os_table
from services.feasibility.domain.assess import assess, changes
from services.feasibility.domain.rule import Basis, Policy
from services.feasibility.domain.rules import ALL_RULES
from services.feasibility.domain.rules.space import NEEDED_ON_ROOT_BYTES

FOLDER = Path(__file__).parent / "inventories"
TABLE = load_os_table()
TIB = 1024**4

FOUND = {
    "amazon_linux_2_nvme_gpt": {},
    "arm_container_without_kernel": {
        "os_family": "OS_UNKNOWN",
        "os_listed": "OS_NOT_LISTED",
        "os_bits": "OS_BITS",
        "architecture": "ARCHITECTURE",
        "kernel": "NO_KERNEL",
        "boot_loader": "BOOTLOADER_UNKNOWN",
    },
    "centos_6_10_grub_legacy_separate_boot": {},
    "centos_7_5_licence_key": {
        "external_storage": "EXTERNAL_STORAGE",
        "not_mounted": "NOT_MOUNTED",
        "hardware_bound": "HARDWARE_BOUND",
    },
    "centos_7_6_xfs_boot": {},
    "centos_7_9_mongodb_replica_set_name": {"databases": "CLUSTER_DATABASE_POSSIBLE"},
    "centos_7_lvm_nfs": {"network_storage": "NETWORK_STORAGE"},
    "centos_7_missing_physical_volume": {"lvm": "LVM_UNSUPPORTED"},
    "debian_10_firmware_raid": {"raid": "RAID_UNSUPPORTED"},
    "debian_10_md_raid1": {"raid": "RAID_BECOMES_PLAIN"},
    "debian_10_samba_domain_controller": {"directory_services": "DIRECTORY_SERVICE"},
    "debian_11_bios": {},
    "debian_11_fscrypt_home": {"encryption": "ENCRYPTED"},
    "debian_11_full_root_network_card_licence": {
        "encryption": "ENCRYPTED",
        "root_space": "ROOT_SPACE",
        "hardware_bound": "HARDWARE_BOUND",
    },
    "debian_11_nfs_home": {"network_storage": "NETWORK_STORAGE"},
    "debian_12_image": {"os_listed": "OS_NOT_LISTED"},
    "debian_9_32_bit": {"os_bits": "OS_BITS", "architecture": "ARCHITECTURE"},
    "euleros_2_5": {},
    "oracle_8_5_cluster_database": {"external_storage": "EXTERNAL_STORAGE", "databases": "CLUSTER_DATABASE"},
    "physical_3_tib_system_on_second_disk": {
        "os_single": "SEVERAL_SYSTEMS",
        "first_disk": "SYSTEM_NOT_ON_FIRST_DISK",
        "mbr_limit": "MBR_LIMIT",
        "file_systems": "FILE_SYSTEM",
        "root_space": "ROOT_SPACE",
    },
    "rhel_6_0_vmware": {"os_hypervisor": "OS_ONLY_KVM"},
    "rhel_7_9_uefi_lvm_root": {},
    "rhel_8_4_multipath_san": {"external_storage": "EXTERNAL_STORAGE", "mapped_devices": "MAPPER_UNSUPPORTED"},
    "rhel_8_5_domain_member": {"domain": "DOMAIN_MEMBER"},
    "rhel_8_5_lvm_mirror_snapshot": {"not_mounted": "NOT_MOUNTED", "lvm_changes": "LVM_CHANGED"},
    "sles_11_4_grub_legacy": {},
    "sles_12_sp0_btrfs": {"btrfs_release": "BTRFS_RELEASE"},
    "sles_15_3_uefi_btrfs_subvolumes": {},
    "storage_server_thin_raid": {
        "external_storage": "EXTERNAL_STORAGE",
        "lvm_thin": "LVM_THIN",
        "raid": "RAID_UNSUPPORTED",
        "btrfs_on_lvm": "BTRFS_ON_LVM",
        "btrfs_devices": "BTRFS_SEVERAL_DISKS",
    },
    "ubuntu_16_04_galera_node": {"databases": "CLUSTER_DATABASE"},
    "ubuntu_18_04_thin_pool": {"lvm_thin": "LVM_THIN"},
    "ubuntu_20_04_dual_boot": {"os_single": "SEVERAL_SYSTEMS"},
    "ubuntu_20_04_swap_file": {},
    "ubuntu_20_uefi_luks": {"external_storage": "EXTERNAL_STORAGE", "encryption": "ENCRYPTED"},
    "ubuntu_22_04_not_listed": {"os_listed": "OS_NOT_LISTED"},
    "windows_10_uefi_bitlocker": {
        "os_family": "WINDOWS_UNSUPPORTED",
        "boot_loader": "BOOTLOADER_UNKNOWN",
        "not_mounted": "NOT_MOUNTED",
        "encryption": "ENCRYPTED",
    },
    "windows_2012_r2_dynamic_disks_full": {
        "os_family": "WINDOWS_UNSUPPORTED",
        "boot_loader": "BOOTLOADER_UNKNOWN",
        "dynamic_disks": "DYNAMIC_DISKS",
        "windows_space": "WINDOWS_SPACE",
    },
    "windows_2016": {"os_family": "WINDOWS_UNSUPPORTED", "boot_loader": "BOOTLOADER_UNKNOWN"},
    "windows_2019_domain_controller_fat_volume": {
        "os_family": "WINDOWS_UNSUPPORTED",
        "boot_loader": "BOOTLOADER_UNKNOWN",
        "file_systems": "FILE_SYSTEM",
        "directory_services": "DIRECTORY_SERVICE",
    },
}
WARNINGS = {
    "OS_NOT_LISTED",
    "NETWORK_STORAGE",
    "EXTERNAL_STORAGE",
    "NOT_MOUNTED",
    "NO_BOOT_CODE",
    "HIBERNATED",
    "DYNAMIC_DISKS",
    "LVM_CHANGED",
    "RAID_BECOMES_PLAIN",
    "DOMAIN_MEMBER",
    "CLUSTER_DATABASE_POSSIBLE",
}


def recorded(name: str) -> SourceInventory:
    return SourceInventory.model_validate_json((FOLDER / f"{name}.json").read_text())


def check(inventory: SourceInventory, rule_id: str, policy: Policy | None = None) -> Check:
    report = assess(inventory, Basis(table=TABLE, policy=policy or Policy()))
    return next(check for check in report.checks if check.id == rule_id)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_recorded_server_is_judged_as_expected(name: str) -> None:
    report = assess(recorded(name), Basis(table=TABLE))
    found = {each.id: each.code.removeprefix("SMS.FEASIBILITY.") for each in report.checks if each.result != "OK"}
    assert found == FOUND[name]
    expected = ["ERROR" if code not in WARNINGS else "WARN" for code in found.values()]
    assert report.result == max(expected, key=("OK", "WARN", "ERROR").index, default="OK")


def test_report_lists_all_checks_and_the_row_that_decided() -> None:
    report = assess(recorded("debian_11_bios"), Basis(table=TABLE))
    assert [each.id for each in report.checks] == [rule.id for rule in ALL_RULES]
    assert len({rule.id for rule in ALL_RULES}) == len(ALL_RULES)
    assert report.table_row == "Debian GNU/Linux 11.2.0"
    assert all(each.looked_at for each in report.checks)


def test_every_recorded_server_has_its_story() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert len(files) >= 25
    assert [file.stem for file in files if not json.loads(file.read_text()).get("story")] == []


def test_kernel_that_the_block_level_table_names_is_told() -> None:
    report = assess(recorded("centos_6_10_grub_legacy_separate_boot"), Basis(table=TABLE))
    assert report.block_level_kernel == "CentOS 2.6.32-754.35.1.el6.x86_64"
    assert assess(recorded("debian_11_bios"), Basis(table=TABLE)).block_level_kernel == ""


@pytest.mark.parametrize(
    ("size_bytes", "needed_bytes"),
    [(600 << 20, 320 << 20), ((600 << 20) - 1, 40 << 20), (99 << 30, 320 << 20), (100 << 20, 40 << 20)],
)
def test_space_that_windows_needs_depends_on_the_partition(size_bytes: int, needed_bytes: int) -> None:
    server = recorded("windows_2016")

    def with_free(free_bytes: int) -> SourceInventory:
        mount = server.mounts[0].model_copy(update={"size_bytes": size_bytes, "free_bytes": free_bytes})
        return server.model_copy(update={"mounts": (mount,)})

    assert check(with_free(needed_bytes), "windows_space").result == "OK"
    refused = check(with_free(needed_bytes - 1), "windows_space")
    assert (refused.result, refused.code) == ("ERROR", "SMS.FEASIBILITY.WINDOWS_SPACE")
    assert str(needed_bytes - 1) in refused.cause
    assert str(needed_bytes) in refused.cause


def test_check_after_a_fix_says_what_changed() -> None:
    before = assess(recorded("debian_11_full_root_network_card_licence"), Basis(table=TABLE))
    mended = recorded("debian_11_full_root_network_card_licence").model_copy(update={"applications": ()})
    found = changes(before, assess(mended, Basis(table=TABLE)))
    assert {(one.id, one.before, one.after) for one in found} == {
        ("encryption", "ERROR", "OK"),
        ("hardware_bound", "ERROR", "OK"),
    }
    assert changes(before, before) == ()


def test_root_space_below_200_mb_is_refused_with_both_figures() -> None:
    server = recorded("debian_11_bios")

    def with_free(free_bytes: int) -> SourceInventory:
        root = server.mounts[0].model_copy(update={"free_bytes": free_bytes})
        return server.model_copy(update={"mounts": (root, *server.mounts[1:])})

    assert check(with_free(NEEDED_ON_ROOT_BYTES), "root_space").result == "OK"
    refused = check(with_free(NEEDED_ON_ROOT_BYTES - 1), "root_space")
    assert (refused.result, refused.code) == ("ERROR", "SMS.FEASIBILITY.ROOT_SPACE")
    assert "209715199" in refused.cause
    assert "209715200" in refused.cause
    assert refused.remedy


def test_release_that_no_row_names_is_refused_in_strict_mode_only() -> None:
    server = recorded("debian_12_image")
    assert check(server, "os_listed").result == "WARN"
    assert "Debian GNU/Linux 11.2.0" in check(server, "os_listed").cause
    assert check(server, "os_listed", Policy(is_strict=True)).result == "ERROR"


def test_uefi_server_is_refused_where_targets_boot_by_bios_only() -> None:
    server = recorded("sles_15_3_uefi_btrfs_subvolumes")
    assert check(server, "firmware").result == "OK"
    assert check(server, "firmware", Policy(supports_uefi=False)).code == "SMS.FEASIBILITY.UEFI_UNSUPPORTED"


def test_uefi_server_whose_system_partition_is_not_mounted_is_refused() -> None:
    server = recorded("sles_15_3_uefi_btrfs_subvolumes")
    assert check(server, "system_partition").result == "OK"
    without = server.model_copy(update={"mounts": tuple(one for one in server.mounts if one.kind != "vfat")})
    assert check(without, "system_partition").code == "SMS.FEASIBILITY.ESP_NOT_MOUNTED"


def test_uefi_is_refused_for_a_release_whose_row_says_no() -> None:
    server = recorded("debian_11_bios").model_copy(update={"firmware": "UEFI"})
    old = server.operating_system.model_copy(update={"version": "9.13"})
    assert check(server, "firmware_os").result == "OK"
    assert check(server.model_copy(update={"operating_system": old}), "firmware_os").result == "ERROR"


@pytest.mark.parametrize(
    ("table", "size_bytes", "result"), [("mbr", 3 * TIB, "ERROR"), ("gpt", 3 * TIB, "OK"), ("mbr", TIB, "OK")]
)
def test_bios_server_with_a_3_tib_mbr_system_disk_is_refused(table: str, size_bytes: int, result: str) -> None:
    server = recorded("debian_11_bios")
    disk = server.disks[0].model_copy(update={"table": table, "size_bytes": size_bytes})
    found = check(server.model_copy(update={"disks": (disk, *server.disks[1:])}), "mbr_limit")
    assert found.result == result
    assert found.code == ("SMS.FEASIBILITY.MBR_LIMIT" if result == "ERROR" else "")


def test_usb_stick_with_a_lower_name_does_not_count_as_the_first_disk() -> None:
    server = recorded("physical_3_tib_system_on_second_disk")
    stick = server.disks[0].model_copy(update={"transport": "usb"})
    assert check(server.model_copy(update={"disks": (stick, server.disks[1])}), "first_disk").result == "OK"


def test_system_on_a_usb_disk_is_refused() -> None:
    server = recorded("debian_11_bios")
    disk = server.disks[0].model_copy(update={"is_removable": True})
    found = check(server.model_copy(update={"disks": (disk, server.disks[1])}), "external_storage")
    assert (found.result, found.code) == ("ERROR", "SMS.FEASIBILITY.SYSTEM_ON_EXTERNAL_STORAGE")


def test_partition_that_is_not_mounted_is_told_with_its_name() -> None:
    server = recorded("debian_11_bios")
    found = check(server.model_copy(update={"mounts": server.mounts[:1]}), "not_mounted")
    assert (found.result, found.looked_at) == ("WARN", {"not_mounted": "vdb (xfs)"})


def test_folders_encrypted_by_the_file_system_are_refused() -> None:
    server = recorded("debian_11_bios")
    data = server.disks[1]
    assert data.file_system is not None
    encrypted = data.file_system.model_copy(update={"features": ("encrypt",)})
    disks = (server.disks[0], data.model_copy(update={"file_system": encrypted}))
    assert check(server.model_copy(update={"disks": disks}), "encryption").code == "SMS.FEASIBILITY.ENCRYPTED"


def test_system_disk_without_boot_code_is_a_warning() -> None:
    server = recorded("debian_11_bios")
    disk = server.disks[0].model_copy(update={"has_boot_code": False})
    assert check(server.model_copy(update={"disks": (disk,)}), "boot_code").result == "WARN"


kinds = st.sampled_from(
    ["", "ext4", "xfs", "btrfs", "vfat", "swap", "ntfs", "lvm2_member", "crypto_luks", "reiserfs", "nfs4"]
)
names = st.sampled_from(["sda", "sdb", "vda", "nvme0n1", "disk", "sda1", "sdb1", ""])
texts = st.text(max_size=12)


@st.composite
def inventories(draw: st.DrawFn) -> SourceInventory:
    """Any shape that an agent could send, however absurd."""

    def file_system() -> object:
        return draw(
            st.none() | st.fixed_dictionaries({"kind": kinds, "uuid": texts, "size_bytes": st.integers(0, TIB)})
        )

    def disk() -> dict[str, object]:
        partitions = [
            {"number": 1, "name": draw(names), "start_bytes": 0, "size_bytes": 1, "file_system": file_system()}
            for _ in range(draw(st.integers(0, 2)))
        ]
        return {
            "name": draw(names),
            "device": draw(texts),
            "size_bytes": draw(st.integers(0, 4 * TIB)),
            "table": draw(st.sampled_from(["mbr", "gpt", "none"])),
            "partitions": partitions,
            "file_system": file_system(),
            "is_system": draw(st.booleans()),
            "is_removable": draw(st.booleans()),
            "transport": draw(st.sampled_from(["", "usb", "virtio", "iscsi"])),
        }

    def mount() -> dict[str, object]:
        return {
            "mount_point": draw(st.sampled_from(["/", "/boot", "/data", ""])),
            "host_path": "/",
            "kind": draw(kinds),
            "volume": draw(names),
            "layers": draw(st.lists(st.sampled_from(["lvm", "lvm_thin", "raid", "crypt", "multipath"]), max_size=2)),
            "is_network": draw(st.booleans()),
            "free_bytes": draw(st.integers(0, TIB)),
        }

    def array() -> dict[str, object]:
        members = draw(st.lists(names, max_size=2))
        values = {"name": draw(names), "size_bytes": 1, "level": "raid1", "members": members}
        return {**values, "file_system": file_system(), "is_partitioned": draw(st.booleans())}

    def group() -> dict[str, object]:
        types = draw(st.lists(st.sampled_from(["linear", "raid1", "thin", "striped"]), max_size=2))
        volume = {"name": draw(texts), "size_bytes": 1, "segment_types": types, "origin": draw(texts)}
        physical = [{"volume": name} for name in draw(st.lists(names, max_size=2))]
        return {
            "name": draw(texts),
            "size_bytes": 1,
            "physical_volumes": physical,
            "logical_volumes": [{**volume, "file_system": file_system()}],
        }

    return SourceInventory.model_validate(
        {
            "hostname": draw(texts),
            "architecture": draw(st.sampled_from(["x86_64", "aarch64", ""])),
            "firmware": draw(st.sampled_from(["BIOS", "UEFI"])),
            "operating_system": {
                "family": draw(st.sampled_from(["linux", "windows"])),
                "id": draw(st.sampled_from(["", "debian", "centos", "sles", "euleros", "amzn"]) | texts),
                "name": draw(texts),
                "version": draw(st.sampled_from(["", "12", "6.0", "9.13", "8", "2.0 (SP3)"]) | texts),
                "bits": draw(st.sampled_from([32, 64])),
            },
            "kernel_release": draw(texts),
            "disks": [disk() for _ in range(draw(st.integers(0, 3)))],
            "mounts": [mount() for _ in range(draw(st.integers(0, 3)))],
            "boot_loader": {"kind": draw(texts), "other_systems": draw(st.lists(texts, max_size=30))},
            "arrays": [array() for _ in range(draw(st.integers(0, 1)))],
            "volume_groups": [group() for _ in range(draw(st.integers(0, 2)))],
            "is_live": draw(st.booleans()),
        }
    )


@settings(deadline=None)
@given(inventory=inventories(), supports_uefi=st.booleans(), is_strict=st.booleans())
def test_every_inventory_gets_a_complete_report(
    inventory: SourceInventory, supports_uefi: bool, is_strict: bool
) -> None:
    basis = Basis(table=TABLE, policy=Policy(supports_uefi=supports_uefi, is_strict=is_strict))
    report = assess(inventory, basis)
    order = ("OK", "WARN", "ERROR")
    assert len(report.checks) == len(ALL_RULES)
    assert report.result == max((each.result for each in report.checks), key=order.index)
    codes = load_catalogue()
    for each in report.checks:
        assert order.index(each.result) <= order.index(each.severity)
        assert (each.result == "OK") == (each.code == each.cause == each.remedy == "")
        assert each.result == "OK" or each.code in codes
    assert assess(inventory, basis) == report


@settings(deadline=None)
@given(inventory=inventories())
def test_stricter_policy_never_judges_better(inventory: SourceInventory) -> None:
    order = ("OK", "WARN", "ERROR")
    lenient = assess(inventory, Basis(table=TABLE, policy=Policy(supports_uefi=True)))
    strict = assess(inventory, Basis(table=TABLE, policy=Policy(supports_uefi=False, is_strict=True)))
    assert order.index(strict.result) >= order.index(lenient.result)


@settings(deadline=None)
@given(inventory=inventories())
def test_attached_network_storage_never_refuses_a_server(inventory: SourceInventory) -> None:
    share = Mount(mount_point="/mnt/share", host_path="/mnt/share", kind="nfs", is_network=True)
    before = assess(inventory, Basis(table=TABLE))
    after = assess(inventory.model_copy(update={"mounts": (*inventory.mounts, share)}), Basis(table=TABLE))
    errors = [each.id for each in before.checks if each.result == "ERROR"]
    assert [each.id for each in after.checks if each.result == "ERROR"] == errors
