"""The API's document: up to date, complete, and true to the vendor's 49 operations."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from services.gateway.documents import PATH, document, text

DOCUMENT = document()
OPERATIONS = {
    (method, path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method in {"get", "post", "put", "delete"}
}


def vendors_operations() -> list[tuple[str, str, str]]:
    with (Path(__file__).parents[1] / "api" / "sms_v3_operations.csv").open(encoding="utf-8") as lines:
        return [(row["method"], row["path"], row["sdk_operation"]) for row in csv.DictReader(lines)]


def _place(method: str, path: str) -> str:
    return f"{method.upper()} {re.sub('{[^}]*}', '{}', path)}"


def test_the_checked_in_document_is_that_of_the_code() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "run `make generate`"


def test_the_vendors_49_operations_are_there_by_their_names() -> None:
    wanted = {name: _place(method, path) for method, path, name in vendors_operations()}
    found = {operation["operationId"]: _place(method, path) for (method, path), operation in OPERATIONS.items()}
    assert len(wanted) == 49
    missing = {name: place for name, place in wanted.items() if found.get(name) != place}
    assert missing == {}, f"{49 - len(missing)}/49 operations; missing: {sorted(missing)}"


@pytest.mark.parametrize("place", sorted(OPERATIONS), ids=" ".join)
def test_an_operation_says_what_it_needs_and_how_it_fails(place: tuple[str, str]) -> None:
    operation = OPERATIONS[place]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", operation["operationId"])
    assert operation["description"] if "description" in operation else operation["summary"]
    assert re.fullmatch(r"sms:[a-z_]+:[a-z_]+", operation["x-sms-action"])
    assert operation["x-sms-resource"]
    for status in ("400", "401", "403", "404", "409", "500", "503"):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorReply"}
    assert any(status.startswith("2") for status in operation["responses"])


def test_every_request_must_be_signed() -> None:
    [scheme] = DOCUMENT["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    assert DOCUMENT["security"] == [{"sdk-hmac-sha256": []}]
    assert not any("security" in operation for operation in OPERATIONS.values())


def test_the_document_is_openapi_3_1_and_its_references_lead_somewhere() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    schemas = DOCUMENT["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert references <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
