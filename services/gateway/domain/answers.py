"""The first answer to a state-changing request: when it is given again, and when the request may be carried out."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Final

from contracts.base import Model
from services.gateway.domain.reply import Reply

# A signature dated 300 s ahead of our clock is good for 600 s.
KEPT_S: Final = 600


class Answer(Model):
    """What is stored of one request, before its effect and again with its answer.

    content_digest: of method, path, query and body. asked_at_s: Unix time. minute: asked_at_s in minutes, to find what
    is old. body_base64: "" until it is answered, and for a secret.
    """

    content_digest: str
    asked_at_s: float
    minute: int
    is_answered: bool = False
    is_secret: bool = False
    status: int = 0
    body_base64: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error_code: str = ""

    def answered(self, reply: Reply, *, keeps_body: bool) -> Answer:
        """The record with its answer. Failures hold no secret and are kept in any case."""
        is_secret = not keeps_body and not reply.error_code
        return self.model_copy(
            update={
                "is_answered": True,
                "is_secret": is_secret,
                "status": reply.status,
                "body_base64": "" if is_secret else base64.b64encode(reply.body).decode(),
                "headers": reply.headers,
                "error_code": reply.error_code,
            }
        )

    def reply(self) -> Reply:
        """The first answer, byte for byte."""
        return Reply(
            status=self.status,
            body=base64.b64decode(self.body_base64),
            headers=self.headers,
            error_code=self.error_code,
        )


class Next(StrEnum):
    """What to do with a request whose record was looked up."""

    CARRY_OUT = "carry out"
    """There is no record, or one that has expired, or who carried it out was killed."""
    REPEAT = "repeat"
    """It was answered: give that answer."""
    WAIT = "wait"
    """Somebody is carrying it out."""
    REFUSE = "refuse"
    """The key belongs to another request."""


def decide(found: Answer | None, *, content_digest: str, now_s: float, claim_s: float) -> Next:
    """now_s: Unix time. claim_s: who has not answered by then was killed."""
    if found is None or now_s - found.asked_at_s > KEPT_S:
        return Next.CARRY_OUT
    if found.content_digest != content_digest:
        return Next.REFUSE
    if found.is_answered:
        return Next.REPEAT
    return Next.WAIT if now_s - found.asked_at_s <= claim_s else Next.CARRY_OUT


def answer_id(user_id: str, *, signature: str, idempotency_key: str | None) -> str:
    """The record's id, which is also the key that services get: of the client's own key, else of the signature.

    The client's key is a signed header, so one signature has one key.
    """
    kind, value = ("key", idempotency_key) if idempotency_key else ("signature", signature)
    return hashlib.sha256(f"{kind}\n{user_id}\n{value}".encode()).hexdigest()
