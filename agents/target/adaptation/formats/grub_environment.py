"""GRUB's environment block: exactly 1024 bytes, padded with #."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SIZE_BYTES: Final = 1024
_HEAD: Final = b"# GRUB Environment Block\n"


def is_environment(content: bytes) -> bool:
    """Whether GRUB would read it."""
    return len(content) == SIZE_BYTES and content.startswith(_HEAD)


def environment_values(content: bytes) -> dict[str, str]:
    """Its variables."""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def environment_block(values: Mapping[str, str]) -> bytes | None:
    """A block with these variables; None when they have no room in it."""
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    content = _HEAD + lines.encode("utf-8", "surrogateescape")
    return content.ljust(SIZE_BYTES, b"#") if len(content) <= SIZE_BYTES else None
