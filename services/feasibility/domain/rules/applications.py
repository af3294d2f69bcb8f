"""Rules about applications that do not arrive as they are, or not at all."""

from __future__ import annotations

from contracts.errors import feasibility as codes
from contracts.inventory import Application, ApplicationKind, SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned

GROUP = "Applications"
_SEVERAL_NODES = 2


def check_databases(inventory: SourceInventory, _: Basis) -> Finding:
    """A database of several nodes does not stand still in one place. Where only a cluster's name is known, it may
    have this node alone."""
    databases = _of_kind(inventory, "cluster_database")
    looked_at: dict[str, object] = {"databases": listed([_described(one) for one in databases])}
    certain = [_described(one) for one in databases if one.members >= _SEVERAL_NODES]
    if certain:
        return refused(codes.CLUSTER_DATABASE, looked_at, count=len(certain), places=listed(certain))
    if databases:
        possible = [_described(one) for one in databases]
        return warned(codes.CLUSTER_DATABASE_POSSIBLE, looked_at, count=len(possible), places=listed(possible))
    return passed(**looked_at)


def check_directory_services(inventory: SourceInventory, _: Basis) -> Finding:
    """A domain controller that is copied is a second one with the same identity."""
    places = [_described(one) for one in _of_kind(inventory, "directory_service")]
    if places:
        return refused(codes.DIRECTORY_SERVICE, {"services": listed(places)}, count=len(places), places=listed(places))
    return passed(services="none")


def check_domain(inventory: SourceInventory, _: Basis) -> Finding:
    """The membership does not survive a new machine."""
    places = [_described(one) for one in _of_kind(inventory, "domain_member")]
    if places:
        return warned(codes.DOMAIN_MEMBER, {"domains": listed(places)}, count=len(places), places=listed(places))
    return passed(domains="none")


def check_hardware_bound(inventory: SourceInventory, _: Basis) -> Finding:
    """Licence keys, security modules, licences for one network card."""
    places = [_described(one) for one in _of_kind(inventory, "hardware_bound")]
    if places:
        return refused(codes.HARDWARE_BOUND, {"bound": listed(places)}, count=len(places), places=listed(places))
    return passed(bound="none")


def _of_kind(inventory: SourceInventory, kind: ApplicationKind) -> list[Application]:
    return [application for application in inventory.applications if application.kind == kind]


def _described(application: Application) -> str:
    detail = f" {application.detail}" if application.detail else ""
    return f"{application.name}{detail} in {application.evidence}"


RULES = (
    Rule(id="databases", name="Databases of several nodes", group=GROUP, decide=check_databases),
    Rule(id="directory_services", name="Directory services", group=GROUP, decide=check_directory_services),
    Rule(id="domain", name="Membership of a domain", group=GROUP, severity="WARN", decide=check_domain),
    Rule(id="hardware_bound", name="Applications bound to hardware", group=GROUP, decide=check_hardware_bound),
)
