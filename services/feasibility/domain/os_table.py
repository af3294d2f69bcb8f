"""The compatibility table of operating systems, and which of its rows stands for a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from contracts.inventory import OperatingSystem

# What stands before the version in the table, and the ID of os-release that means it.
_NAMES: Final = (
    ("Red Hat Enterprise Linux", "rhel"),
    ("CentOS Stream", "centos stream"),
    ("CentOS", "centos"),
    ("Oracle Linux", "ol"),
    ("SUSE Linux Enterprise Server", "sles"),
    ("Ubuntu Server", "ubuntu"),
    ("Debian GNU/Linux", "debian"),
    ("EulerOS", "euleros"),
    ("Amazon Linux", "amzn"),
    ("Alibaba Cloud Linux", "alinux"),
    ("TencentOS Server", "tencentos"),
)
_ALIASES: Final = {"alios": "alinux", "aliyun": "alinux", "tlinux": "tencentos", "sles_sap": "sles", "redhat": "rhel"}
_FIRST_WINDOWS_BUILD: Final = 6000
_SERVER_BUILDS: Final = {
    6001: "2008",
    6002: "2008",
    6003: "2008",
    7600: "2008 R2",
    7601: "2008 R2",
    9200: "2012",
    9600: "2012 R2",
    14393: "2016",
    17763: "2019",
    20348: "2022",
    26100: "2025",
}
_CLIENT_BUILDS: Final = (
    (6000, "Windows Vista"),
    (7600, "Windows 7"),
    (9200, "Windows 8"),
    (9600, "Windows 8.1"),
    (10240, "Windows 10"),
    (22000, "Windows 11"),
)

Version = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class OsRow:
    """One row as it stands in the table. uefi_supported: yes, no or n/a."""

    name: str
    bits: int = 64
    uefi_supported: str = "n/a"
    remarks: str = ""

    @property
    def system(self) -> str:
        """The system that the row is of, as `system_of` names it; "" for a name that is not known."""
        return next((system for prefix, system in _NAMES if self.name.startswith(prefix)), "")

    @property
    def version(self) -> Version:
        """The version in the row's name; a service pack is its minor number."""
        prefix = next((text for text, _ in _NAMES if self.name.startswith(text)), "")
        rest = self.name[len(prefix) :].partition("(")[0]
        return _without_third_zero(_numbers(rest))

    @property
    def variant(self) -> str:
        """What stands in brackets behind the version, such as TK4."""
        return self.name.partition("(")[2].rstrip(")")


@dataclass(frozen=True)
class OsTable:
    """All rows in the tables' order. kernels: (system, release) of those that the block-level table names."""

    rows: tuple[OsRow, ...] = ()
    kernels: tuple[tuple[str, str], ...] = ()

    def row_for(self, system: OperatingSystem) -> OsRow | None:
        """The row that names exactly this release (8.11.1 is Debian GNU/Linux 8.11.0); None when there is none."""
        if system.family == "windows":
            return self._windows_row(windows_release(system))
        version = version_of(system)
        fitting = [row for row in self._rows_of(system) if row.version and _begins_with(version, row.version)]
        if not version or not fitting:
            return None
        return min(fitting, key=lambda row: (-len(row.version), _variant_rank(row.variant, system.name)))

    def nearest_row(self, system: OperatingSystem) -> OsRow | None:
        """The row of the same system with the nearest version, for the user to compare with."""
        version = version_of(system) or (0,)
        rows = [row for row in self._rows_of(system) if row.version]
        return min(rows, key=lambda row: _distance(row.version, version), default=None)

    def block_level_kernel(self, kernel_release: str) -> str:
        """The row of the block-level table with exactly this kernel, "" when there is none."""
        return next((f"{name} {release}" for name, release in self.kernels if release == kernel_release), "")

    def _windows_row(self, name: str) -> OsRow | None:
        """The longest name that the product's begins with: an edition stands behind it, and R2 is a release."""
        fitting = [row for row in self.rows if re.match(rf"{re.escape(row.name)}(?![\w.])", name, re.IGNORECASE)]
        return max(fitting, key=lambda row: len(row.name), default=None)

    def _rows_of(self, system: OperatingSystem) -> list[OsRow]:
        wanted = system_of(system)
        return [row for row in self.rows if wanted and row.system == wanted]


def windows_release(system: OperatingSystem) -> str:
    """The product's name, by its build where that is known: Windows 11 goes on calling itself 10 in its registry."""
    numbers = _numbers(system.version)
    build = numbers[2] if len(numbers) > 2 else 0
    if build < _FIRST_WINDOWS_BUILD:
        return system.name
    if "server" in system.name.lower():
        return f"Windows Server {_SERVER_BUILDS.get(build, f'of build {build}')}"
    return next(name for first, name in reversed(_CLIENT_BUILDS) if build >= first)


def system_of(system: OperatingSystem) -> str:
    """The ID of os-release, with its aliases; CentOS Stream is told from CentOS."""
    identifier = system.id.lower()
    if identifier == "centos" and "stream" in system.name.lower():
        return "centos stream"
    return _ALIASES.get(identifier, identifier)


def version_of(system: OperatingSystem) -> Version:
    """The version's numbers. EulerOS calls its 2.2 "2.0 (SP2)"."""
    numbers = _numbers(system.version or system.version_id)
    service_pack = re.search(r"\bSP(\d+)", f"{system.name} {system.version}")
    if system_of(system) in ("euleros", "sles") and service_pack and numbers[1:2] in ((), (0,)):
        return (*numbers[:1], int(service_pack.group(1)))
    return numbers


def _variant_rank(variant: str, name: str) -> int:
    if not variant:
        return 1
    return 0 if variant in name else 2


def _numbers(text: str) -> Version:
    service_pack = re.search(r"\bSP(\d+)", text)
    found = re.search(r"\d{1,9}(?:\.\d{1,9})*", text)
    numbers = tuple(int(part) for part in found.group(0).split(".")) if found else ()
    return (*numbers[:1], int(service_pack.group(1))) if service_pack else numbers


def _without_third_zero(version: Version) -> Version:
    return version[:2] if len(version) == 3 and version[2] == 0 else version


def _begins_with(version: Version, beginning: Version) -> bool:
    padded = version + (0,) * (len(beginning) - len(version))
    return padded[: len(beginning)] == beginning


def _distance(one: Version, other: Version) -> tuple[int, ...]:
    length = max(len(one), len(other))
    padded = (version + (0,) * (length - len(version)) for version in (one, other))
    return tuple(abs(left - right) for left, right in zip(*padded, strict=True))
