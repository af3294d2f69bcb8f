"""As much of a list as one message can carry; the asker asks again behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from contracts.base import Model

M = TypeVar("M", bound=Model)
# The bus carries 1 MiB; the envelope, and what JSON makes of other alphabets, need their part.
PAGE_BYTES: Final = 600_000


def that_fit(found: Iterable[M], *, limit: int) -> tuple[M, ...]:
    """The first of them, at most limit; at least one if there is any."""
    page: list[M] = []
    size = 0
    for one in found:
        size += len(one.model_dump_json().encode())
        if len(page) >= limit or (page and size > PAGE_BYTES):
            break
        page.append(one)
    return tuple(page)
