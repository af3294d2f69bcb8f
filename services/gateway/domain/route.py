"""One operation of the API with the permission that it needs; a route without one cannot be made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_ACTION: Final = re.compile(r"sms:(?P<type>[a-z_]+):[a-z_]+")
_PARAMETER: Final = re.compile(r"{([a-z_]+)}")
_RESOURCE: Final = re.compile(r"[a-z_]+:[A-Za-z0-9_*{}.-]+")
READS: Final = frozenset({"GET", "HEAD"})

Endpoint = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """action: ``sms:<type>:<verb>``. resource: ``<type>:<id>`` templates over path parameters, separated by blanks.

    keeps_answer: False where the answer holds a secret; a repeated request then gets no second copy of it.
    """

    method: str
    path: str
    action: str
    resource: str
    operation_id: str
    tag: str
    endpoint: Endpoint
    keeps_answer: bool = True
    status: int = 200

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"{self.operation_id}: {self.action!r} is no action sms:<type>:<verb>")
        known = set(_PARAMETER.findall(self.path))
        for template in self.resource.split():
            if not _RESOURCE.fullmatch(template):
                raise ValueError(f"{self.operation_id}: {template!r} is no resource <type>:<id>")
            if unknown := set(_PARAMETER.findall(template)) - known:
                raise ValueError(f"{self.operation_id}: the path has no {', '.join(sorted(unknown))}")

    @property
    def changes_state(self) -> bool:
        """Whether a request is answered once and traced."""
        return self.method not in READS

    def resources(self, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """The things that a request names, by its path parameters."""
        return tuple(template.format_map(parameters) for template in self.resource.split())

    def specificity(self) -> tuple[tuple[int, str], ...]:
        """Sorts paths so that fixed segments go before parameters: /v3/tasks/delete before /v3/tasks/{task_id}."""
        return tuple((1, "") if "{" in part else (0, part) for part in self.path.split("/"))


def default_resource(action: str) -> str:
    """``<type of the action>:*``. Raises ValueError for what is no action."""
    found = _ACTION.fullmatch(action)
    if found is None:
        raise ValueError(f"{action!r} is no action sms:<type>:<verb>")
    return f"{found['type']}:*"
