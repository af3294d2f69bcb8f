"""The agent's side of the metadata service that a provider gives to its helper."""

from __future__ import annotations

import http.client
import json
import time
from typing import Final
from urllib.parse import urlsplit

from agents.target.start import HelperConfiguration
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.agent_work import METADATA_UNAVAILABLE
from contracts.rehearsal import LayerToAdapt

_TTL_S: Final = 300
_TIMEOUT_S: Final = 20
_PATIENCE_S: Final = 120
_PAUSE_S: Final = 1.0
_LIMIT_BYTES: Final = 32 << 20


class HelperOrder(Model):
    """What a helper is booted for: to serve a task, or to adapt one layer and end. has_enrolment: a one-time token
    waits."""

    has_enrolment: bool = False
    serve: HelperConfiguration | None = None
    adapt: LayerToAdapt | None = None


class MetadataClient:
    """Asks with a session token, which it gets first. The network may come up later than the agent."""

    def __init__(self, url: str) -> None:
        """url: ``http://HOST``. Raises MigrationError SMS.AGENT.METADATA when nobody answers in two minutes."""
        self._host = urlsplit(url).netloc
        self._url = url
        self._session = self._new_session()

    def order(self) -> HelperOrder:
        """What to do, with the one-time token in it when there is one. Raises MigrationError SMS.AGENT.METADATA."""
        order = HelperOrder.model_validate_json(self._ask("GET", "/v1/configuration", self._session))
        if order.serve is None or not order.has_enrolment:
            return order
        enrolment = json.loads(self._ask("GET", "/v1/enrolment", self._session))
        return order.model_copy(update={"serve": order.serve.model_copy(update=enrolment)})

    def put_result(self, content: str) -> None:
        """What came of an order. Raises MigrationError SMS.AGENT.METADATA."""
        # The work may have taken longer than a session lasts.
        self._ask("PUT", "/v1/result", self._new_session(), content.encode())

    def _new_session(self) -> dict[str, str]:
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            try:
                token = self._ask("PUT", "/v1/token", {"X-SMS-Metadata-Token-TTL-Seconds": str(_TTL_S)})
                return {"X-SMS-Metadata-Token": token.decode("ascii")}
            except MigrationError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSE_S)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read(_LIMIT_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise MigrationError(METADATA_UNAVAILABLE, url=self._url + path, reason=error) from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise MigrationError(METADATA_UNAVAILABLE, url=self._url + path, reason=f"status {answer.status}")
        return content
