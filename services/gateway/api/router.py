"""How an area declares its routes; what is declared is data, and `app.make_app` serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from services.gateway.domain.route import Endpoint, Route, default_resource

E = TypeVar("E", bound=Endpoint)


class ApiRouter:
    """The routes of one area. tag: their heading in the API's document.

    Options of each method: action ``sms:<type>:<verb>``; resource: templates ``<type>:{parameter}``, default
    ``<type of the action>:*``; operation_id; keeps_answer False when the answer holds a secret; status of success.
    The endpoint takes `ApiCall`, path and query parameters and at most one body, as FastAPI reads them, and its
    return annotation is the answer's model.
    """

    def __init__(self, *, tag: str) -> None:
        self._tag = tag
        self.routes: list[Route] = []

    def get(
        self, path: str, *, action: str, operation_id: str, resource: str = "", status: int = 200
    ) -> Callable[[E], E]:
        """A query."""
        return self._declare("GET", path, action, operation_id, resource, status, keeps_answer=True)

    def post(
        self,
        path: str,
        *,
        action: str,
        operation_id: str,
        resource: str = "",
        status: int = 200,
        keeps_answer: bool = True,
    ) -> Callable[[E], E]:
        """Make or do something."""
        return self._declare("POST", path, action, operation_id, resource, status, keeps_answer=keeps_answer)

    def put(
        self,
        path: str,
        *,
        action: str,
        operation_id: str,
        resource: str = "",
        status: int = 200,
        keeps_answer: bool = True,
    ) -> Callable[[E], E]:
        """Replace something."""
        return self._declare("PUT", path, action, operation_id, resource, status, keeps_answer=keeps_answer)

    def delete(
        self,
        path: str,
        *,
        action: str,
        operation_id: str,
        resource: str = "",
        status: int = 200,
        keeps_answer: bool = True,
    ) -> Callable[[E], E]:
        """Remove something."""
        return self._declare("DELETE", path, action, operation_id, resource, status, keeps_answer=keeps_answer)

    def _declare(
        self, method: str, path: str, action: str, operation_id: str, resource: str, status: int, *, keeps_answer: bool
    ) -> Callable[[E], E]:
        def declare(endpoint: E) -> E:
            route = Route(
                method=method,
                path=path,
                action=action,
                resource=resource or default_resource(action),
                operation_id=operation_id,
                tag=self._tag,
                endpoint=endpoint,
                keeps_answer=keeps_answer,
                status=status,
            )
            self.routes.append(route)
            return endpoint

        return declare
