"""Windows disks read offline: what the agent reports, and what feasibility says of it."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

import pytest

from agents.source.inventory.windows import collect_windows
from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from services.feasibility.adapters.os_table_file import load_os_table
from services.feasibility.domain.assess import assess
from services.feasibility.domain.rule import Basis

from .conftest import run
from .windows_kit import Values, boot_store, disk_of, hive, make_ntfs, ntfs_mounted, utf16

GIB = 1 << 30
VERSION = "Microsoft\\Windows NT\\CurrentVersion"
SERVER_2016: dict[str, Values] = {
    VERSION: {
        "ProductName": "string:Windows Server 2016 Standard",
        "CurrentBuildNumber": "string:14393",
        "CurrentVersion": "string:6.3",
        "CurrentMajorVersionNumber": "dword:10",
        "CurrentMinorVersionNumber": "dword:0",
        "UBR": "dword:4046",
        "EditionID": "string:ServerStandard",
        "ReleaseId": "string:1607",
    },
    "Microsoft\\Cryptography": {"MachineGuid": "string:0f0e0d0c-1111-2222-3333-444444444444"},
}
DISK_SIGNATURE = 0xAABBCCDD


def system_hive(path: Path, extra: dict[str, Values] | None = None, letters: Values | None = None) -> Path:
    keys: dict[str, Values] = {
        "Select": {"Current": "dword:2", "Default": "dword:2"},
        "ControlSet001\\Control": {"PEFirmwareType": "dword:2"},
        "ControlSet002\\Control\\ComputerName\\ComputerName": {"ComputerName": "string:ORDERS"},
        "ControlSet002\\Control\\Session Manager\\Environment": {"PROCESSOR_ARCHITECTURE": "string:AMD64"},
        "ControlSet002\\Control\\ProductOptions": {"ProductType": "string:ServerNT"},
        "ControlSet002\\Services\\Tcpip\\Parameters": {
            "Hostname": utf16("orders-ä"),
            "NV Domain": "string:corp.example",
        },
        "ControlSet002\\Services\\Netlogon": {"Start": "dword:2"},
        "MountedDevices": letters or {},
    }
    return hive(path, keys | (extra or {}))


def letter(start_mib: int) -> str:
    raw = struct.pack("<IQ", DISK_SIGNATURE, start_mib << 20)
    return "hex:3:" + ",".join(f"{byte:02x}" for byte in raw)


def windows_volume(path: Path, mount_at: Path, software: Path, system: Path, size_mib: int = 700) -> Path:
    make_ntfs(path, size_mib)
    with ntfs_mounted(path, mount_at) as root:
        config = root / "Windows/System32/config"
        config.mkdir(parents=True)
        (config / "SOFTWARE").write_bytes(software.read_bytes())
        (config / "SYSTEM").write_bytes(system.read_bytes())
    return path


def checks_of(inventory: SourceInventory) -> dict[str, str]:
    return {check.id: check.code or check.result for check in assess(inventory, Basis(table=load_os_table())).checks}


def test_a_bios_server_of_two_volumes_is_reported_and_checked(tmp_path: Path) -> None:
    letters = {"\\DosDevices\\C:": letter(51), "\\DosDevices\\D:": letter(752)}
    system = system_hive(tmp_path / "SYSTEM", letters=letters)
    main = windows_volume(tmp_path / "c", tmp_path / "m", hive(tmp_path / "SOFTWARE", SERVER_2016), system)
    loader = "\\Windows\\system32\\winload.exe"
    store = boot_store(
        tmp_path / "BCD",
        {
            "{11111111-0000-0000-0000-000000000001}": (loader, "Windows Server 2016", "01"),
            "{11111111-0000-0000-0000-000000000002}": (loader, "The same, in safe mode", "01"),
            "{11111111-0000-0000-0000-000000000003}": (loader, "Windows 7 on D", "02"),
        },
        default="{11111111-0000-0000-0000-000000000001}",
    )
    reserved = make_ntfs(tmp_path / "r", 50, "-L", "System Reserved")
    with ntfs_mounted(reserved, tmp_path / "m") as root:
        (root / "Boot").mkdir()
        (root / "Boot/BCD").write_bytes(store.read_bytes())
    data = make_ntfs(tmp_path / "d", 100, "-L", "Data")
    with ntfs_mounted(data, tmp_path / "m") as root:
        (root / "big").write_bytes(b"x" * (70 << 20))
        (root / "hiberfil.sys").write_bytes(b"HIBR" + bytes(4096))
    disk = disk_of(
        tmp_path / "server.img",
        "label: dos\nlabel-id: 0xaabbccdd\n"
        f"start={1 << 11}, size={50 << 11}, type=7, bootable\n"
        f"start={51 << 11}, size={700 << 11}, type=7\n"
        f"start={752 << 11}, size={100 << 11}, type=7\n",
        {1: reserved, 51: main, 752: data},
    )
    found = collect_windows([disk])
    system_of = found.operating_system
    assert (system_of.family, system_of.name, system_of.version, system_of.bits) == (
        "windows",
        "Windows Server 2016 Standard",
        "10.0.14393.4046",
        64,
    )
    assert (found.hostname, found.firmware, found.architecture) == ("orders-ä", "BIOS", "x86_64")
    assert [(one.mount_point, one.source, one.volume) for one in found.mounts] == [
        ("/", "C:", "server2"),
        ("/D", "D:", "server3"),
        ("/System Reserved", "server1", "server1"),
    ]
    with ntfs_mounted(data, tmp_path / "m"):
        free = int(run("stat", "-f", "-c", "%f", tmp_path / "m")) * int(run("stat", "-f", "-c", "%S", tmp_path / "m"))
    assert found.mounts[1].free_bytes == free
    assert found.boot_loader.other_systems == ("Windows 7 on D",)
    assert [one.detail for one in found.applications if one.kind == "domain_member"] == ["corp.example"]
    assert found.disks[0].is_system
    assert set(found.fingerprint) == {"machine_id", "system_disk"}
    assert SourceInventory.model_validate_json(found.model_dump_json()) == found

    report = assess(found, Basis(table=load_os_table()))
    assert report.table_row == "Windows Server 2016"
    checks = checks_of(found)
    # /D has about 28 MB free, of 40; the root over 600 MB.
    space = next(check for check in report.checks if check.id == "windows_space")
    assert space.code == "SMS.FEASIBILITY.WINDOWS_SPACE"
    assert "/D (" in space.cause
    assert "/ (" not in space.cause
    assert checks["os_listed"] == "OK"
    assert checks["domain"] == "SMS.FEASIBILITY.DOMAIN_MEMBER"
    assert checks["os_single"] == "SMS.FEASIBILITY.SEVERAL_SYSTEMS"
    assert checks["hibernation"] == "SMS.FEASIBILITY.HIBERNATED"
    assert checks["dynamic_disks"] == "OK"


def test_a_uefi_server_has_its_boot_store_on_the_system_partition(tmp_path: Path) -> None:
    part = "5d0ca5d0-1111-4222-8333-444455556666"
    gpt_letter = b"DMIO:ID:" + uuid.UUID(part).bytes_le
    software = SERVER_2016 | {
        VERSION: {
            "ProductName": "string:Windows 10 Pro",
            "CurrentBuild": "string:22631",
            "CurrentMajorVersionNumber": "dword:10",
            "CurrentMinorVersionNumber": "dword:0",
            "DisplayVersion": "string:23H2",
        }
    }
    letters = {"\\DosDevices\\C:": "hex:3:" + ",".join(f"{byte:02x}" for byte in gpt_letter)}
    extra: dict[str, Values] = {"ControlSet002\\Services\\Netlogon": {"Start": "dword:3"}}
    system = system_hive(tmp_path / "SYSTEM", extra, letters)
    main = windows_volume(tmp_path / "c", tmp_path / "m", hive(tmp_path / "SOFTWARE", software), system, 64)
    loader = "\\Windows\\system32\\winload.efi"
    entry = "{11111111-0000-0000-0000-000000000001}"
    store = boot_store(tmp_path / "BCD", {entry: (loader, "Windows 11", "01")}, default=entry)
    esp = tmp_path / "esp"
    with esp.open("wb") as file:
        file.truncate(64 << 20)
    run("mkfs.vfat", "-F", "32", esp)
    run("mmd", "-i", esp, "::/EFI", "::/EFI/Microsoft", "::/EFI/Microsoft/Boot")
    run("mcopy", "-i", esp, store, "::/EFI/Microsoft/Boot/BCD")
    disk = disk_of(
        tmp_path / "pc.img",
        "label: gpt\n"
        f"start={1 << 11}, size={64 << 11}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
        f"start={65 << 11}, size={64 << 11}, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid={part}\n",
        {1: esp, 65: main},
    )
    found = collect_windows([disk])
    assert (found.firmware, found.boot_loader.default_kernel) == ("UEFI", loader)
    assert found.boot_loader.config_path == "/EFI/Microsoft/Boot/BCD"
    # The registry of Windows 11 goes on saying 10; the build does not.
    assert (found.operating_system.name, found.operating_system.version_id) == ("Windows 11 Pro", "23H2")
    assert [(one.mount_point, one.source) for one in found.mounts] == [("/", "C:")]
    assert found.applications == ()
    checks = checks_of(found)
    assert checks["os_listed"] == "SMS.FEASIBILITY.OS_NOT_LISTED"
    assert checks["domain"] == "OK"


def test_a_domain_controller_in_a_cluster_on_a_dynamic_disk_is_told(tmp_path: Path) -> None:
    extra: dict[str, Values] = {
        "ControlSet002\\Control\\ProductOptions": {"ProductType": "string:LanmanNT"},
        "ControlSet002\\Services\\ClusSvc": {"Start": "dword:2"},
        "ControlSet002\\Services\\MSSQL$ORDERS": {"Start": "dword:3"},
    }
    system = system_hive(tmp_path / "SYSTEM", extra)
    main = windows_volume(tmp_path / "c", tmp_path / "m", hive(tmp_path / "SOFTWARE", SERVER_2016), system, 64)
    disk = disk_of(tmp_path / "dc.img", f"label: dos\nstart={1 << 11}, size={64 << 11}, type=42\n", {1: main})
    found = collect_windows([disk])
    assert [(one.kind, one.name) for one in found.applications] == [
        ("directory_service", "Active Directory Domain Services"),
        ("cluster_database", "SQL Server in a failover cluster"),
    ]
    checks = checks_of(found)
    assert checks["dynamic_disks"] == "SMS.FEASIBILITY.DYNAMIC_DISKS"
    assert checks["directory_services"] == "SMS.FEASIBILITY.DIRECTORY_SERVICE"
    assert checks["databases"] == "SMS.FEASIBILITY.CLUSTER_DATABASE_POSSIBLE"


def test_what_bitlocker_hides_is_an_encrypted_windows(tmp_path: Path) -> None:
    volume = tmp_path / "c"
    volume.write_bytes(b"\xeb\x58\x90-FVE-FS-" + bytes(8 << 20))
    disk = disk_of(tmp_path / "pc.img", f"label: dos\nstart={1 << 11}, size={9 << 11}, type=7\n", {1: volume})
    found = collect_windows([disk])
    assert (found.operating_system.family, found.disks[0].is_system) == ("windows", True)
    assert checks_of(found)["encryption"] == "SMS.FEASIBILITY.ENCRYPTED"


def test_disks_without_windows_are_refused_with_what_was_found(tmp_path: Path) -> None:
    volume = make_ntfs(tmp_path / "c", 16)
    disk = disk_of(tmp_path / "data.img", f"label: dos\nstart={1 << 11}, size={16 << 11}, type=7\n", {1: volume})
    with pytest.raises(MigrationError, match="data1") as refused:
        collect_windows([disk])
    assert refused.value.code == "SMS.AGENT.NO_WINDOWS"
    with pytest.raises(FileNotFoundError):
        collect_windows([tmp_path / "nothing"])
