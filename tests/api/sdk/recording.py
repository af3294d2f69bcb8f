"""The official SDK's client, watched: which operations were answered well, and with the SDK's own type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from huaweicloudsdkcore.sdk_response import SdkResponse
from huaweicloudsdksms.v3 import SmsClient


def all_operations() -> frozenset[str]:
    """Every operation that the SDK's client has, by its own methods."""
    names = [name for name, each in vars(SmsClient).items() if inspect.isfunction(each)]
    return frozenset(name for name in names if hasattr(SmsClient, f"_{name}_http_info"))


class RecordingClient:
    """Used as the client itself. succeeded: operations that came back with a status below 300 and as the model that
    the SDK declares for them; one that raised, or whose answer the SDK could not type, is not in it."""

    def __init__(self, client: SmsClient) -> None:
        self._client = client
        self.succeeded: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._client, name)
        return self._watched(name, operation) if name in all_operations() else operation

    def _watched(self, name: str, operation: Callable[[Any], SdkResponse]) -> Callable[[Any], SdkResponse]:
        model = "".join(part.capitalize() for part in name.split("_")) + "Response"

        def watched(request: Any) -> SdkResponse:
            answer = operation(request)
            assert type(answer).__name__ == model, f"{name} answered {type(answer).__name__}"
            if isinstance(answer, SdkResponse) and answer.status_code < 300:
                self.succeeded.add(name)
            return answer

        return watched
