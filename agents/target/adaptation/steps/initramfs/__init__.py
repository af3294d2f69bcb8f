"""S11: the initial RAM disk has the drivers for the target's disks, now and after the next kernel update."""

from agents.target.adaptation.steps.initramfs.plan import (
    activates_lvm,
    modules_for_target,
    plan_driver_lists,
    plan_initramfs,
)

__all__ = ["activates_lvm", "modules_for_target", "plan_driver_lists", "plan_initramfs"]
