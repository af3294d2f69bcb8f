"""Ending everything that runs for the targets of a data folder, in the order in which nothing is lost.

The host agent has ended before: it would start a helper again. Records stay, so that the next start finds what ran:
a helper is started again by the agent, a machine that was ended is told as stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from agents.host.folders import TargetFolder, all_targets
from agents.host.helper import end_helper
from agents.host.machine import end_machine, is_running
from contracts.errors import MigrationError

# A Debian guest needs 5 to 20 s to power down here without KVM; one that does not listen is not waited for for ever.
POWER_DOWN_S: Final = 30.0
_PARALLEL: Final = 16
_logger: Final = logging.getLogger("sms.host")


def end_targets(data_folder: Path, *, power_down_s: float = POWER_DOWN_S) -> int:
    """End helpers, each with time to write out what it has, then machines by their power button, then by the plug.

    Returns how many machines were running. Goes on when one of them fails. Safe to repeat.
    """
    folders = all_targets(data_folder)
    _each([partial(end_helper, folder) for folder in folders])
    running = [(folder, layer_id) for folder in folders for layer_id in folder.machine_ids()]
    count = sum(is_running(folder, layer_id) for folder, layer_id in running)
    _each([partial(_end_machine, folder, layer_id, power_down_s) for folder, layer_id in running])
    return count


def _end_machine(folder: TargetFolder, layer_id: str, power_down_s: float) -> None:
    end_machine(folder, layer_id, timeout_s=power_down_s)


def _each(works: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(_PARALLEL) as threads:
        for done in [threads.submit(work) for work in works]:
            try:
                done.result()
            except (MigrationError, OSError, ValueError) as error:
                _logger.error("not ended: %s", error)
