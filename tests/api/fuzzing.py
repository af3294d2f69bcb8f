"""Generated requests to one operation, signed, and judged by the API's document."""

from __future__ import annotations

import random
from typing import Any

import hypothesis
import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import HealthCheck, Phase
from requests.auth import AuthBase
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3.util import parse_url

from services.gateway.documents import document
from tests.api.bench import ApiBench

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations(of: dict[str, Any]) -> dict[str, Any]:
    """The operations of a document by their ids."""
    found = [each.ok() for each in openapi.from_dict(of).get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


OPERATIONS = operations(document())


class RequestsSignature(AuthBase):
    """Signs whatever `requests` is about to send, by the official signer."""

    def __init__(self, key: tuple[str, str]) -> None:
        self._signer = Signer(BasicCredentials(*key, "project"))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url = parse_url(str(request.url))
        query = [tuple((part + "=").split("=")[:2]) for part in (url.query or "").split("&") if part]
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {"Host": f"{url.host}:{url.port}"}
        if key := request.headers.get("X-Sms-Idempotency-Key"):
            headers["X-Sms-Idempotency-Key"] = key if isinstance(key, str) else key.decode()
        decoded = [(requests.utils.unquote(name), requests.utils.unquote(value)) for name, value in query]
        made = SdkRequest(
            method=str(request.method),
            host=headers["Host"],
            resource_path=url.path or "/",
            query_params=decoded,
            header_params=headers,
            body=body,
        )
        request.headers.update(self._signer.sign(made).header_params)
        return request


def fuzz(api: ApiBench, key: tuple[str, str], operation: Any, *, examples: int, seed: int) -> None:
    """Valid and invalid requests, half of each. Raises what the checks find, with the request that showed it."""
    session = requests.Session()
    ca_file = str(api.files.ca_file)
    session.auth = RequestsSignature(key)

    for mode in GenerationMode:
        strategy = operation.as_strategy(generation_mode=mode)

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=max(1, examples // 2),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=strategy)
        def judge(case: Any) -> None:
            case.call_and_validate(base_url=api.url, session=session, checks=CHECKS, timeout=30, verify=ca_file)

        judge()


def seed_of(seed: int, operation_id: str) -> int:
    return random.Random(f"{seed} {operation_id}").randrange(2**32)
