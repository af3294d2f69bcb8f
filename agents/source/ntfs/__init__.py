"""A reader of NTFS without the kernel: boot sector, MFT, runs, folders, allocation. It only reads, and trusts none."""

from agents.source.ntfs.records import NtfsError
from agents.source.ntfs.volume import NtfsFile, NtfsVolume

__all__ = ["NtfsError", "NtfsFile", "NtfsVolume"]
