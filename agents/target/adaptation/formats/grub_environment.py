"""GRUB's environment block: exactly 1024 bytes, padded with #."""

from __future__ import annotations

from typing import Final

SIZE_BYTES: Final = 1024
_HEAD: Final = b"# GRUB Environment Block\n"


def is_environment(content: bytes) -> bool:
    """Whether GRUB would read it."""
    return len(content) == SIZE_BYTES and content.startswith(_HEAD)


def environment_values(content: bytes) -> dict[str, str]:
    """Its variables."""
    lines = content.decode(errors="replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
