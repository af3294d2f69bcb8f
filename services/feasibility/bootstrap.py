"""The only place that builds the feasibility service's adapters."""

from __future__ import annotations

from typing import Final

from services.feasibility.adapters.os_table_file import load_os_table
from services.feasibility.adapters.records import REPORTS, ReportRecords
from services.feasibility.adapters.registry import RegistryOnTheBus
from services.feasibility.domain.rule import Basis, Policy
from services.feasibility.handlers import Handlers
from services.feasibility.settings import FeasibilitySettings
from services.feasibility.subscriptions import subscribe
from shared.service import ServiceContext

COLLECTIONS: Final = (REPORTS,)


async def wire(context: ServiceContext) -> None:
    """Build the parts and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, FeasibilitySettings) else FeasibilitySettings()
    policy = Policy(supports_uefi=settings.supports_uefi, is_strict=settings.is_strict)
    basis = Basis(table=load_os_table(), policy=policy)
    subscribe(context.bus, Handlers(ReportRecords(context.store), RegistryOnTheBus(context.bus), basis))
