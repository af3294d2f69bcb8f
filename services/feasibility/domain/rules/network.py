"""Rules about what the server uses over a network."""

from __future__ import annotations

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, warned
from services.feasibility.domain.volumes import described


def check_network_storage(inventory: SourceInventory, _: Basis) -> Finding:
    """Network file systems are not migrated."""
    places = [described(mount) for mount in inventory.mounts if mount.is_network]
    if places:
        return warned(codes.NETWORK_STORAGE, {"network": listed(places)}, count=len(places), places=listed(places))
    return passed(network="none")


GROUP = "Network"

RULES = (
    Rule(id="network_storage", name="Network file systems", group=GROUP, severity="WARN", decide=check_network_storage),
)
