"""The work behind the replies: one thing at a time per target, and no reply that waits for long work."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Final

from pydantic import ValidationError

from agents.host.folders import TargetFolder, all_targets
from agents.host.helper import load_helper, revive_helper, stop_helper, volume_finding
from agents.host.settings import HostSettings
from agents.host.verbs import LOOKING, PROGRESS, VERBS, census
from agents.host.volume import mark_lost
from contracts.base import Message
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_BAD_NAME, TARGET_HOST_FAULT
from contracts.messages.host import HostCensusRequest, HostWorking
from contracts.messages.reply import Refused

_logger: Final = logging.getLogger("sms.host")
# A finished piece of work waits this long for the request that asks for its outcome again.
_KEPT_S: Final = 60.0


class Desk:
    """Takes requests as (verb, JSON) and answers each within reply_within_s; the same request joins its work."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._work: dict[tuple[str, bytes], asyncio.Task[Message]] = {}

    async def answer(self, verb: str, data: bytes) -> Message:
        """The reply: what the verb answers, Refused, or HostWorking when it takes longer."""
        key = (verb, data)
        work = self._work.get(key)
        if work is None:
            work = self._work[key] = asyncio.create_task(self._do(verb, data), name=f"host-{verb}")
        done, _ = await asyncio.wait([work], timeout=self._settings.reply_within_s)
        if not done:
            work.add_done_callback(lambda _: asyncio.get_running_loop().call_later(_KEPT_S, self._forget, key, work))
            return await self._working(verb, data)
        self._forget(key, work)
        return work.result()

    async def watch(self) -> None:
        """See to the helpers for ever: start those again that died, end those whose volume is lost."""
        while True:
            for folder in await asyncio.to_thread(all_targets, self._settings.data_folder):
                if not self._locks[folder.target_id].locked():
                    await self._see_to(folder)
            await asyncio.sleep(self._settings.watch_interval_s)

    async def _see_to(self, folder: TargetFolder) -> None:
        async with self._locks[folder.target_id]:
            try:
                if await asyncio.to_thread(load_helper, folder) is None:
                    return
                if finding := await asyncio.to_thread(volume_finding, folder):
                    _logger.error("volume lost: target %s: %s", folder.target_id, finding)
                    await asyncio.to_thread(mark_lost, folder, finding)
                    await asyncio.to_thread(stop_helper, folder)
                elif await asyncio.to_thread(revive_helper, folder, self._settings):
                    _logger.warning("helper started again: target %s", folder.target_id)
                    await asyncio.sleep(self._settings.restart_delay_s)
            except (MigrationError, OSError, ValueError) as error:
                _logger.error("helper not seen to: target %s: %s", folder.target_id, error)

    async def _working(self, verb: str, data: bytes) -> HostWorking:
        look = PROGRESS.get(verb)
        if look is None:
            return HostWorking()
        request = VERBS[verb][0].model_validate_json(data)
        folder = TargetFolder.of(self._settings.data_folder, request.target_id)
        try:
            return await asyncio.to_thread(look, folder, request)
        except (MigrationError, OSError, ValueError) as error:
            # It may end at this very moment; how far it is matters less than that it goes on.
            _logger.debug("no progress of %s: %s", verb, error)
            return HostWorking()

    async def _do(self, verb: str, data: bytes) -> Message:
        try:
            return await self._carry_out(verb, data)
        except MigrationError as error:
            return Refused(failure=error.failure)
        except ValidationError as error:
            # Only where and what kind: pydantic's own text repeats the input, which may hold a token.
            found = [(item["loc"], item["type"]) for item in error.errors(include_input=False)]
            return Refused(failure=TARGET_HOST_FAULT.failure(verb=verb, reason=f"request not valid: {found}"))
        except Exception as error:
            _logger.exception("verb %s failed", verb)
            return Refused(failure=TARGET_HOST_FAULT.failure(verb=verb, reason=f"{type(error).__name__}: {error}"))

    async def _carry_out(self, verb: str, data: bytes) -> Message:
        if verb == "census":
            return await asyncio.to_thread(census, HostCensusRequest.model_validate_json(data), self._settings)
        if verb not in VERBS:
            raise MigrationError(TARGET_BAD_NAME, name=verb[:80], kind="verb")
        model, carry_out = VERBS[verb]
        request = model.model_validate_json(data)
        folder = TargetFolder.of(self._settings.data_folder, request.target_id)
        if verb in LOOKING:
            return await asyncio.to_thread(carry_out, folder, request, self._settings)
        async with self._locks[request.target_id]:
            return await asyncio.to_thread(carry_out, folder, request, self._settings)

    def _forget(self, key: tuple[str, bytes], work: asyncio.Task[Message]) -> None:
        if self._work.get(key) is work:
            del self._work[key]
