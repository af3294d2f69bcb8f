"""Every constraint on source servers (Table 5-1 of the overview) beside the rule that carries it.

Each line is shown on a recorded server that breaks the constraint: the rule must find it, with the severity of what
happens then. What cannot go is an ERROR; what arrives changed, or stays behind, is a WARN.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from contracts.envelope import Envelope
from contracts.errors import Failure
from contracts.inventory import SourceInventory
from contracts.messages.agent import AgentRegistered
from contracts.subjects import agent_status
from services.feasibility.adapters.os_table_file import load_os_table
from services.feasibility.domain.assess import assess
from services.feasibility.domain.rule import Basis, Policy
from services.feasibility.domain.rules import ALL_RULES
from services.registry.agent_handlers import AgentHandlers
from services.registry.domain.ports import Servers
from services.registry.domain.server import Server
from services.registry.settings import RegistrySettings

FOLDER = Path(__file__).parent / "inventories"
TABLE = load_os_table()


@dataclass(frozen=True)
class Constraint:
    item: str
    statement: str
    rule: str
    code: str
    result: str
    server: str
    is_strict: bool = False
    names: str = ""


# How many statements the table makes of each item; the limit on the number of source servers is the last test's.
STATEMENTS = {
    "OSs": 3,
    "Space": 3,
    "File systems": 2,
    "Shared": 1,
    "External": 1,
    "Encrypted": 2,
    "Btrfs on LVM": 1,
    "Databases": 2,
    "Hardware": 1,
    "Dynamic disks": 1,
    "Domain": 1,
    "First disk": 1,
    "Thin volumes": 1,
}
# One line a statement; the first of the table, on the number of source servers, is the registry's: the last test.
CONSTRAINTS = (
    Constraint(
        "OSs", "Windows releases are those of the table", "os_listed", "OS_NOT_LISTED", "ERROR", "windows_11", True
    ),
    Constraint(
        "OSs",
        "Linux releases are those of the table",
        "os_listed",
        "OS_NOT_LISTED",
        "ERROR",
        "ubuntu_22_04_not_listed",
        True,
    ),
    Constraint("OSs", "only one system on a server", "os_single", "SEVERAL_SYSTEMS", "ERROR", "ubuntu_20_04_dual_boot"),
    Constraint(
        "Space",
        "Windows: 320 MB on a partition of 600 MB and more",
        "windows_space",
        "WINDOWS_SPACE",
        "ERROR",
        "windows_2012_r2_dynamic_disks_full",
        names="/ (104857600 of ",
    ),
    Constraint(
        "Space",
        "Windows: 40 MB on a smaller partition",
        "windows_space",
        "WINDOWS_SPACE",
        "ERROR",
        "windows_2012_r2_dynamic_disks_full",
        names="/System Reserved (31457280 of 367001600 bytes free)",
    ),
    Constraint(
        "Space",
        "Linux: 200 MB on the root",
        "root_space",
        "ROOT_SPACE",
        "ERROR",
        "debian_11_full_root_network_card_licence",
    ),
    Constraint(
        "File systems",
        "Windows: NTFS only",
        "file_systems",
        "FILE_SYSTEM",
        "ERROR",
        "windows_2019_domain_controller_fat_volume",
    ),
    Constraint(
        "File systems",
        "Linux: ext2/3/4, VFAT, XFS, Btrfs only",
        "file_systems",
        "FILE_SYSTEM",
        "ERROR",
        "physical_3_tib_system_on_second_disk",
    ),
    Constraint(
        "Shared", "NFS, CIFS and NAS stay behind", "network_storage", "NETWORK_STORAGE", "WARN", "debian_11_nfs_home"
    ),
    Constraint(
        "External",
        "external storage stays behind",
        "external_storage",
        "EXTERNAL_STORAGE",
        "WARN",
        "rhel_8_4_multipath_san",
    ),
    Constraint(
        "Encrypted", "protected folders cannot go", "encryption", "ENCRYPTED", "ERROR", "debian_11_fscrypt_home"
    ),
    Constraint("Encrypted", "encrypted volumes cannot go", "encryption", "ENCRYPTED", "ERROR", "ubuntu_20_uefi_luks"),
    Constraint("Btrfs on LVM", "cannot go", "btrfs_on_lvm", "BTRFS_ON_LVM", "ERROR", "storage_server_thin_raid"),
    Constraint(
        "Databases",
        "databases of several nodes cannot go",
        "databases",
        "CLUSTER_DATABASE",
        "ERROR",
        "ubuntu_16_04_galera_node",
    ),
    Constraint(
        "Databases",
        "Active Directory cannot go",
        "directory_services",
        "DIRECTORY_SERVICE",
        "ERROR",
        "windows_2019_domain_controller_fat_volume",
    ),
    Constraint(
        "Hardware",
        "what is bound to hardware cannot go",
        "hardware_bound",
        "HARDWARE_BOUND",
        "ERROR",
        "centos_7_5_licence_key",
    ),
    Constraint(
        "Dynamic disks",
        "arrive as basic disks",
        "dynamic_disks",
        "DYNAMIC_DISKS",
        "WARN",
        "windows_2012_r2_dynamic_disks_full",
    ),
    Constraint("Domain", "the target must join again", "domain", "DOMAIN_MEMBER", "WARN", "rhel_8_5_domain_member"),
    Constraint(
        "First disk",
        "system volumes are on the first disk",
        "first_disk",
        "SYSTEM_NOT_ON_FIRST_DISK",
        "ERROR",
        "physical_3_tib_system_on_second_disk",
    ),
    Constraint("Thin volumes", "thin pools cannot go", "lvm_thin", "LVM_THIN", "ERROR", "ubuntu_18_04_thin_pool"),
)


def server_of(constraint: Constraint) -> SourceInventory:
    if constraint.server == "windows_11":
        server = SourceInventory.model_validate_json((FOLDER / "windows_2016.json").read_text())
        system = server.operating_system.model_copy(update={"name": "Windows 11 Pro", "version": "10.0.22631"})
        return server.model_copy(update={"operating_system": system})
    return SourceInventory.model_validate_json((FOLDER / f"{constraint.server}.json").read_text())


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda one: f"{one.item}: {one.statement}")
def test_constraint_is_carried_by_its_rule(constraint: Constraint) -> None:
    report = assess(server_of(constraint), Basis(table=TABLE, policy=Policy(is_strict=constraint.is_strict)))
    found = next(check for check in report.checks if check.id == constraint.rule)
    assert (found.result, found.code) == (constraint.result, f"SMS.FEASIBILITY.{constraint.code}")
    assert found.group
    assert found.cause
    assert found.remedy
    assert found.looked_at
    assert constraint.names in found.cause


def test_every_statement_of_the_table_has_a_line_and_every_line_a_rule() -> None:
    assert Counter(constraint.item for constraint in CONSTRAINTS) == STATEMENTS
    assert {constraint.rule for constraint in CONSTRAINTS} <= {rule.id for rule in ALL_RULES}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.id)
def test_rule_passes_the_plain_server(rule) -> None:  # type: ignore[no-untyped-def] # Rule
    plain = SourceInventory.model_validate_json((FOLDER / "debian_11_bios.json").read_text())
    assert rule.check(plain, Basis(table=TABLE)).result == "OK"


class RegistryOf:
    """An account with so many source servers; the registry's port Servers, as far as a registration uses it."""

    def __init__(self, count: int) -> None:
        self.servers = count
        self.refused: list[Failure] = []
        self.saved: list[Server] = []

    async def load(self, account: str, server_id: str) -> None:
        return None

    async def count(self, account: str) -> int:
        return self.servers

    async def all_of(self, account: str) -> list[Server]:
        return []

    async def save(self, server: Server, **_: object) -> None:
        self.saved.append(server)

    async def refuse_unknown(self, account: str, server_id: str, failure: Failure, **_: object) -> None:
        self.refused.append(failure)


class DefaultQuota:
    async def of(self, account: str) -> int:
        return RegistrySettings().server_quota


@pytest.mark.parametrize(("known", "is_taken"), [(999, True), (1000, False)])
async def test_one_thousand_source_servers_may_be_in_migration_for_each_account(known: int, is_taken: bool) -> None:
    registry = RegistryOf(known)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    agents = AgentHandlers(cast(Servers, registry), DefaultQuota(), RegistrySettings(), lambda: now, lambda: 0.0)
    plain = SourceInventory.model_validate_json((FOLDER / "debian_11_bios.json").read_text())
    message = AgentRegistered(role="source", session_id="a", inventory=plain)
    subject = agent_status("acme", "s1", "registered")
    await agents.on_registered(message, Envelope.of(message, source="/test", account="acme", subject=subject, time=now))
    assert bool(registry.saved) is is_taken
    assert [failure.code for failure in registry.refused] == ([] if is_taken else ["SMS.REGISTRY.QUOTA"])
    for failure in registry.refused:
        assert failure.cause.count("1000") == 2
        assert failure.remedy
