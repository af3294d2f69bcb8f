"""Carries a state-changing request out once, and gives its first answer to every repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.api import API_ANSWER_NOT_KEPT, API_KEY_REUSED, API_STILL_RUNNING
from services.gateway.domain.answers import KEPT_S, Answer, Next, decide
from services.gateway.domain.ports import Answers, FoundAnswer, TraceEntry
from services.gateway.domain.reply import Reply

_POLL_S: Final = 0.1
# A repeat waits for the first request no longer than a client would.
_WAIT_S: Final = 20.0
_FAILED: Final = 500


@dataclass(frozen=True, kw_only=True)
class Once:
    """One request that must not be carried out twice. shown_key: the client's own, for messages about it."""

    account: str
    identifier: str
    content_digest: str
    keeps_answer: bool
    shown_key: str = ""


class Answering:
    """now_s: Unix time. claim_s: longer than any endpoint takes."""

    def __init__(self, answers: Answers, now_s: Callable[[], float], *, claim_s: float) -> None:
        self._answers = answers
        self._now_s = now_s
        self._claim_s = claim_s
        self._running: dict[tuple[str, str], asyncio.Event] = {}

    async def answer(
        self, once: Once, run: Callable[[], Awaitable[Reply]], trace: Callable[[Reply], TraceEntry]
    ) -> Reply:
        """The first answer to the request: from the store, or by running it.

        Raises MigrationError: SMS.API.KEY_REUSED, SMS.API.ANSWER_NOT_KEPT, SMS.API.STILL_RUNNING, and
        SMS.DB.UNAVAILABLE, when it may have been carried out and a repeat will tell.
        """
        key = (once.account, once.identifier)
        deadline_s = self._now_s() + _WAIT_S
        while (running := self._running.get(key)) is not None:
            await _until(running, within_s=deadline_s - self._now_s())
        self._running[key] = asyncio.Event()
        try:
            return await self._answer_alone(once, run, trace, deadline_s)
        finally:
            self._running.pop(key).set()

    async def _answer_alone(
        self,
        once: Once,
        run: Callable[[], Awaitable[Reply]],
        trace: Callable[[Reply], TraceEntry],
        deadline_s: float,
    ) -> Reply:
        """No other request of this process has the same key; one of another process may."""
        # Nearly every request is a new one: claimed without a look first.
        if (claim := await self._claim(once, None)) is not None:
            return await self._carry_out(once, *claim, run, trace)
        while self._now_s() < deadline_s:
            found = await self._answers.load(once.account, once.identifier)
            answer = found.answer if found else None
            step = decide(answer, content_digest=once.content_digest, now_s=self._now_s(), claim_s=self._claim_s)
            if found is not None and step is Next.REPEAT:
                return _repeated(found)
            if step is Next.REFUSE:
                raise MigrationError(API_KEY_REUSED, key=once.shown_key, kept_s=KEPT_S)
            if step is Next.CARRY_OUT and (claim := await self._claim(once, found)) is not None:
                return await self._carry_out(once, *claim, run, trace)
            await asyncio.sleep(_POLL_S)
        raise MigrationError(API_STILL_RUNNING, seconds=int(_WAIT_S))

    async def _claim(self, once: Once, found: FoundAnswer | None) -> tuple[Answer, int] | None:
        now_s = self._now_s()
        claimed = Answer(content_digest=once.content_digest, asked_at_s=now_s, minute=int(now_s // 60))
        version = await self._answers.save(once.account, once.identifier, claimed, over=found.version if found else 0)
        return None if version is None else (claimed, version)

    async def _carry_out(
        self,
        once: Once,
        claimed: Answer,
        version: int,
        run: Callable[[], Awaitable[Reply]],
        trace: Callable[[Reply], TraceEntry],
    ) -> Reply:
        reply = await run()
        if reply.status >= _FAILED:
            # Whether it had an effect is not known. A repeat asks again with the same idempotency key, by which the
            # service that owns the effect recognises it.
            await self._answers.forget(once.account, once.identifier, version=version, trace=trace(reply))
            return reply
        answered = claimed.answered(reply, keeps_body=once.keeps_answer)
        saved = await self._answers.save(once.account, once.identifier, answered, over=version, trace=trace(reply))
        if saved is None:  # taken for dead and overtaken: the other's answer is the first one
            found = await self._answers.load(once.account, once.identifier)
            if found is not None and found.answer.is_answered:
                return _repeated(found)
        return reply


async def _until(running: asyncio.Event, *, within_s: float) -> None:
    """Raises MigrationError SMS.API.STILL_RUNNING."""
    try:
        async with asyncio.timeout(within_s):
            await running.wait()
    except TimeoutError as error:
        raise MigrationError(API_STILL_RUNNING, seconds=int(_WAIT_S)) from error


def _repeated(found: FoundAnswer) -> Reply:
    if found.answer.is_secret:
        raise MigrationError(API_ANSWER_NOT_KEPT)
    return found.answer.reply()
