"""The target's disks: attach, partition, format, mount, and all of it undone again."""

from agents.target.disks.prepared import PreparedDisks

__all__ = ["PreparedDisks"]
