"""From a raw bus message to a model and its envelope, with everything checked that a sender could forge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from nats.aio.msg import Msg
from pydantic import ValidationError

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.login import agent_inbox, enrol_inbox
from contracts.subjects import ROOT

M = TypeVar("M", bound=Message)
Models = Mapping[tuple[str, int], type[M]]

_ACCOUNT_POSITION: Final = {"evt": 3, "agent": 3, "audit": 3, "enrol": 3}


class UnreadableMessageError(Exception):
    """The message will not become readable by being sent again."""


class UnknownTypeError(UnreadableMessageError):
    """The message has a type or version that its subscriber does not handle."""


def read_envelope(raw: Msg) -> Envelope:
    """The envelope, its subject being the one that the message really came on.

    What the bus enforces wins over what the sender wrote: the account of an account's subject must be that of
    the envelope, and the id of an agent's message must begin with the agent's id, so that nobody can have
    another's message dropped as a duplicate. Raises UnreadableMessageError.
    """
    try:
        envelope = Envelope.from_headers(dict(raw.headers or {}))
    except (ValueError, TypeError) as error:
        raise UnreadableMessageError(str(error)) from error
    parts = raw.subject.split(".")
    position = _ACCOUNT_POSITION.get(parts[2] if len(parts) > 2 else "")
    if position is not None and raw.subject.startswith(f"{ROOT}."):
        account = parts[position]
        if envelope.account != account:
            raise UnreadableMessageError("the envelope names another account than the subject")
        is_status = parts[2] == "agent" and "status" in parts[5:6]
        if is_status and not envelope.id.startswith(parts[4]):
            raise UnreadableMessageError("the message id does not begin with the agent's id")
    return replace(envelope, subject=raw.subject)


def read_message(raw: Msg, models: Models[M]) -> tuple[M, Envelope]:
    """The model and its envelope. Raises UnknownTypeError or UnreadableMessageError."""
    envelope = read_envelope(raw)
    model = models.get((envelope.type, envelope.version))
    if model is None:
        raise UnknownTypeError(f"type {envelope.type} version {envelope.version}")
    try:
        return model.model_validate_json(raw.data), envelope
    except ValidationError as error:
        # The input is left out: it may hold anything.
        raise UnreadableMessageError(str(error.errors(include_input=False, include_url=False))[:500]) from error


def by_type(models: type[M] | tuple[type[M], ...]) -> dict[tuple[str, int], type[M]]:
    """The models of a subscription by the type and version in the envelope."""
    listed = models if isinstance(models, tuple) else (models,)
    return {(model.TYPE, model.VERSION): model for model in listed}


def may_reply_to(request_subject: str, reply_subject: str) -> bool:
    """Whether a service may answer there.

    A reply subject is the sender's choice: without this check an agent could make a service publish anywhere
    with the service's own permissions. Commands to agents come from services alone.
    """
    parts = request_subject.split(".")
    kind = parts[2] if len(parts) > 2 else ""
    if kind == "agent" and len(parts) > 4 and "cmd" not in parts[5:6]:
        return reply_subject.startswith(f"{agent_inbox(parts[4])}.")
    if kind == "enrol" and len(parts) > 4:
        return reply_subject.startswith(f"{enrol_inbox(parts[4])}.")
    return reply_subject.startswith("_INBOX")
