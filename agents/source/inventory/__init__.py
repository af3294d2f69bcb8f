"""The facts of a source server, read with nothing but the kernel's own files and the disks themselves."""

from agents.source.inventory.collect import collect

__all__ = ["collect"]
