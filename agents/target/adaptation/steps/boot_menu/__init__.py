"""S09, S10 and S12: kernel arguments and the default entry, in whichever boot menu the system has."""

from agents.target.adaptation.steps.boot_menu.plan import plan_boot_menu, plan_settings

__all__ = ["plan_boot_menu", "plan_settings"]
