"""Whether a target can be as its options say: CPUs, memory, and how much there is of the options at all."""

from __future__ import annotations

from typing import Final

from contracts.errors import MigrationError
from contracts.errors.task_settings import TASK_SETTING_INVALID
from contracts.messages.task import TaskOptions
from services.task.domain.flavors import GIB, MOST_CPUS, MOST_MEMORY_GIB

# A kernel with its initramfs does not start with less.
LEAST_MEMORY_BYTES: Final = 128 << 20
# A task's and a wave's record travel in messages of at most 1 MiB, with much else in them.
_LARGEST_OPTIONS_BYTES: Final = 64 << 10


def refuse_unfit_options(options: TaskOptions) -> None:
    """Raises MigrationError SMS.TASK.SETTING_INVALID."""
    size = len(options.model_dump_json().encode())
    limits = (
        ("number of CPUs", options.cpu_count, 1, MOST_CPUS),
        ("memory in bytes", options.memory_bytes, LEAST_MEMORY_BYTES, MOST_MEMORY_GIB * GIB),
        ("size of all options in bytes", size, 0, _LARGEST_OPTIONS_BYTES),
    )
    for setting, value, least, most in limits:
        if not least <= value <= most:
            raise MigrationError(
                TASK_SETTING_INVALID,
                setting=setting,
                value=value,
                reason="it is too little" if value < least else "it is too much",
                expected=f"{least} to {most}",
            )
