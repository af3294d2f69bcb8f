"""What a Windows system is, read from its disks while it does not run."""

from agents.source.inventory.windows.collect import collect_windows

__all__ = ["collect_windows"]
