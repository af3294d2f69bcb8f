"""What the hives SOFTWARE and SYSTEM say of a Windows: release, host name, role, services, letters of its volumes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.superblocks.binary import u32, u64
from agents.source.inventory.windows.hive import BINARY, Hive, Key
from contracts.inventory import Application, Firmware, OperatingSystem

_RELEASE: Final = "Microsoft\\Windows NT\\CurrentVersion"
# Windows 11 goes on calling itself 10 there.
_FIRST_BUILD_OF_11: Final = 22000
_STARTS_BY_ITSELF: Final = (0, 1, 2)
_FIRMWARES: Final[dict[int | None, Firmware]] = {1: "BIOS", 2: "UEFI"}
_LETTER: Final = "\\DosDevices\\"
_GPT_MARK: Final = b"DMIO:ID:"
_MOST_LETTERS: Final = 256


@dataclass(frozen=True)
class VolumeLetter:
    """A letter ("C:") and the partition that has it: by the GPT's partition id, or by disk signature and place."""

    letter: str
    part_uuid: str = ""
    disk_signature: str = ""
    start_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class SystemHive:
    """What SYSTEM tells. firmware: None when it does not tell. bits: of the processor that Windows is made for."""

    hostname: str
    bits: int
    firmware: Firmware | None
    letters: tuple[VolumeLetter, ...]
    applications: tuple[Application, ...]


def read_release(software: Hive, *, bits: int) -> OperatingSystem:
    """The release from SOFTWARE: name with edition, and the version with the build ("10.0.14393.4046")."""
    key = software.root.find(_RELEASE)
    if key is None:
        return OperatingSystem(family="windows", id="windows", bits=bits)
    build = key.text("CurrentBuildNumber") or key.text("CurrentBuild")
    major, minor = key.number("CurrentMajorVersionNumber"), key.number("CurrentMinorVersionNumber")
    # Before Windows 10 there is a text alone; since then it stands still at 6.3.
    version = f"{major}.{minor or 0}" if major is not None else key.text("CurrentVersion")
    revision = key.number("UBR")
    name = key.text("ProductName") or _name_of(key)
    if build.isdecimal() and int(build[:9]) >= _FIRST_BUILD_OF_11 and name.startswith("Windows 10"):
        name = name.replace("Windows 10", "Windows 11", 1)
    parts = [version, build, str(revision) if revision is not None else ""]
    return OperatingSystem(
        family="windows",
        id="windows",
        name=" ".join(filter(None, (name, key.text("CSDVersion")))),
        version_id=key.text("DisplayVersion") or key.text("ReleaseId"),
        version=".".join(filter(None, parts)),
        bits=bits,
    )


def read_system(system: Hive) -> SystemHive:
    """Raises HiveError; what SYSTEM does not hold is left empty."""
    # Read offline there is no CurrentControlSet: Select says which one it would be.
    select = system.root.find("Select")
    number = (select.number("Current") if select else None) or 1
    controls = system.root.find(f"ControlSet{number:03d}") or system.root.find("ControlSet001")
    if controls is None:
        return SystemHive(hostname="", bits=64, firmware=None, letters=(), applications=())
    control, services = controls.find("Control"), controls.find("Services")
    tcpip = services.find("Tcpip\\Parameters") if services else None
    processor = _text(control, "Session Manager\\Environment", "PROCESSOR_ARCHITECTURE")
    return SystemHive(
        hostname=(tcpip.text("Hostname") if tcpip else "")
        or _text(control, "ComputerName\\ComputerName", "ComputerName"),
        bits=32 if processor.lower() == "x86" else 64,
        firmware=_FIRMWARES.get(control.number("PEFirmwareType")) if control else None,
        letters=_letters(system.root.find("MountedDevices")),
        applications=_applications(control, services, tcpip),
    )


def _name_of(key: Key) -> str:
    kind = "Windows Server" if key.text("InstallationType").lower().startswith("server") else "Windows"
    return " ".join(filter(None, (kind, key.text("EditionID"))))


def _text(key: Key | None, path: str, name: str) -> str:
    found = key.find(path) if key else None
    return found.text(name) if found else ""


def _letters(key: Key | None) -> tuple[VolumeLetter, ...]:
    found: list[VolumeLetter] = []
    for value in key.values() if key else ():
        if not value.name.startswith(_LETTER) or value.kind != BINARY or len(found) >= _MOST_LETTERS:
            continue
        letter, data = value.name.removeprefix(_LETTER), value.data()
        if data.startswith(_GPT_MARK) and len(data) == 24:
            found.append(VolumeLetter(letter, part_uuid=str(uuid.UUID(bytes_le=data[8:24]))))
        elif len(data) == 12:
            found.append(VolumeLetter(letter, disk_signature=f"{u32(data, 0):08x}", start_bytes=u64(data, 4)))
    return tuple(found)


def _applications(control: Key | None, services: Key | None, tcpip: Key | None) -> tuple[Application, ...]:
    """Roles that a migration must know of, from the services that start by themselves."""
    found: list[Application] = []
    domain = (tcpip.text("NV Domain") or tcpip.text("Domain")) if tcpip else ""
    if _text(control, "ProductOptions", "ProductType").lower() == "lanmannt":
        found.append(
            Application(
                kind="directory_service",
                name="Active Directory Domain Services",
                detail=domain,
                evidence="SYSTEM: Control\\ProductOptions",
            )
        )
    elif domain and _starts(services, "Netlogon"):
        # Netlogon starts on demand where there is no domain; a name of a domain alone is a suffix for look-ups.
        found.append(
            Application(
                kind="domain_member",
                name="Active Directory domain",
                detail=domain,
                evidence="SYSTEM: Services\\Netlogon",
            )
        )
    if services is not None and _starts(services, "ClusSvc"):
        databases = [key.name for key in services.children() if key.name.upper().startswith(("MSSQL$", "MSSQLSERVER"))]
        name = "SQL Server in a failover cluster" if databases else "Windows failover cluster"
        found.append(Application(kind="cluster_database", name=name, evidence="SYSTEM: Services\\ClusSvc"))
    for service, name in (("hasplms", "Sentinel HASP licence key"), ("SentinelKeysServer", "Sentinel licence key")):
        if _starts(services, service):
            found.append(Application(kind="hardware_bound", name=name, evidence=f"SYSTEM: Services\\{service}"))
    return tuple(found)


def _starts(services: Key | None, name: str) -> bool:
    key = services.find(name) if services else None
    return key is not None and key.number("Start") in _STARTS_BY_ITSELF
