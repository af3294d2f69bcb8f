"""What a flavor means on the local provider: ``local.<CPUs>c<memory in GiB>g``."""

from __future__ import annotations

import re
from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.template import TEMPLATE_FLAVOR_UNKNOWN

GIB: Final = 1 << 30
MOST_CPUS: Final = 64
MOST_MEMORY_GIB: Final = 512
SMALLEST: Final = "local.1c1g"
DEFAULT: Final = "local.2c1g"
LARGEST: Final = f"local.{MOST_CPUS}c{MOST_MEMORY_GIB}g"
# No leading zeros: one flavor has one name.
_FLAVOR: Final = re.compile(r"local\.([1-9][0-9]{0,2})c([1-9][0-9]{0,3})g", re.ASCII)


class Flavor(Model):
    """CPUs and memory of a target."""

    cpu_count: int
    memory_bytes: int


def parse_flavor(name: str) -> Flavor:
    """ "" is the default. Raises MigrationError SMS.TEMPLATE.FLAVOR_UNKNOWN for what the provider does not have."""
    match = _FLAVOR.fullmatch(name or DEFAULT)
    if match is not None:
        cpus, memory_gib = int(match[1]), int(match[2])
        if cpus <= MOST_CPUS and memory_gib <= MOST_MEMORY_GIB:
            return Flavor(cpu_count=cpus, memory_bytes=memory_gib * GIB)
    raise MigrationError(
        TEMPLATE_FLAVOR_UNKNOWN, flavor=repr(name[:64]), smallest=SMALLEST, largest=LARGEST, default=DEFAULT
    )
