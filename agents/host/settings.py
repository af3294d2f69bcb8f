"""The host agent's settings: one JSON file, named on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import Field, ValidationError

from contracts.base import Model


class HostSettings(Model):
    """What the host agent needs to know.

    data_folder: targets lie in its ``targets`` folder. bus_seed_file: the nkey seed of the bus user ``host``;
    None for a bus without logins (tests). helper_command: what is started as the helper; it reads its configuration
    (HelperConfiguration, JSON) from standard input. adapt_command: adapts one layer, LayerToAdapt in, AdaptedLayer
    out. helper_image: the folder that `make helper-image` builds, for helpers that are virtual machines.
    helper_addresses: where sources reach a helper on this host. boot_probe_kernel: a Linux kernel for the KVM
    probe; None looks for the host's own.
    """

    data_folder: Path
    bus_url: str
    bus_ca_file: Path | None = None
    bus_seed_file: Path | None = None
    helper_command: tuple[str, ...] = (sys.executable, "-m", "agents.main", "target", "--config-stdin")
    adapt_command: tuple[str, ...] = (sys.executable, "-m", "agents.main", "adapt")
    helper_image: Path | None = None
    helper_memory_bytes: int = Field(default=2 << 30, ge=1 << 30)
    helper_cpu_count: int = Field(default=2, ge=1)
    helper_bus_url: str = ""
    helper_ca_file: Path | None = None
    helper_addresses: tuple[str, ...] = ("127.0.0.1",)
    helper_listen_address: str = "127.0.0.1"
    boot_probe_kernel: Path | None = None
    boot_probe_timeout_s: float = Field(default=20, gt=0)
    watch_interval_s: float = Field(default=2, gt=0)
    restart_delay_s: float = Field(default=1, gt=0, le=5)
    reply_within_s: float = Field(default=3, gt=0)


def load_settings(path: Path) -> HostSettings:
    """Read the file. Raises ValueError with a text for a person when it cannot be used."""
    try:
        return HostSettings.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in found["loc"]) or found["msg"] for found in error.errors())
        raise ValueError(f"the settings file {path} is not valid: {fields}") from error
