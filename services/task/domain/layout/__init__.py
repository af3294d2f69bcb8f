"""Plan the target's disks from the source's inventory: pure, the same inputs give the same plan."""

from services.task.domain.layout.options import LayoutOptions
from services.task.domain.layout.plan import plan_layout

__all__ = ["LayoutOptions", "plan_layout"]
