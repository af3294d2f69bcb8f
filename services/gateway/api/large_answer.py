"""Answers that are large and often asked for: written out as they are."""

from __future__ import annotations

from typing import TypeVar, cast

from fastapi import Response

from services.gateway.domain.wire.base import WireReply

R = TypeVar("R", bound=WireReply)


def large(reply: R) -> R:
    """The finished answer, which the framework passes on untouched; the type is that of what it says.

    The framework would validate what was just made, and write it out by way of Python objects: for a list of a
    thousand servers five times the work (35 ms instead of 7).
    """
    return written(reply.model_dump_json(exclude_none=True), type(reply))


def written(body: str, _: type[R]) -> R:
    """As `large`, for what is JSON already."""
    return cast(R, Response(body, media_type="application/json"))
