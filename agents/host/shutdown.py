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

from agents.host.folders import all_targets
from agents.host.helper import end_helper
from agents.host.machine import end_machine
from agents.host.rehearsal.begin import stop_rehearsal
from contracts.errors import MigrationError

_PARALLEL: Final = 16
_logger: Final = logging.getLogger("sms.host")


def end_targets(data_folder: Path, *, power_down_s: float) -> None:
    """End rehearsals, then helpers, each with time to write out what it has, then machines by their power button and
    by the plug.

    Goes on when one of them fails. Safe to repeat.
    """
    folders = all_targets(data_folder)
    rehearsals = [(folder, rehearsal_id) for folder in folders for rehearsal_id in folder.rehearsal_ids()]
    _each([partial(stop_rehearsal, folder, rehearsal_id) for folder, rehearsal_id in rehearsals])
    _each([partial(end_helper, folder) for folder in folders])
    machines = [(folder, layer_id) for folder in folders for layer_id in folder.machine_ids()]
    _each([partial(end_machine, folder, layer_id, timeout_s=power_down_s) for folder, layer_id in machines])


def _each(works: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(_PARALLEL) as threads:
        for done in [threads.submit(work) for work in works]:
            try:
                done.result()
            except (MigrationError, OSError, ValueError) as error:
                _logger.error("not ended: %s", error)
