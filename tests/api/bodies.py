"""The smallest body that an operation's schema takes, from the API's document."""

from __future__ import annotations

import re
from typing import Any

from services.gateway.documents import document

DOCUMENT = document()
# Texts of which one fits each pattern that the API has.
CANDIDATES = (
    "x1",
    "LINUX",
    "00:00",
    "00:10",
    "v1-1",
    "10.0.0.1",
    "0" * 32,
    "2026-01-01T00:00:00Z",
    "https://example.org/hook",
    "someone@example.org",
    "A1b2C3d4E5f6G7h8",
    "a" * 64,
    "USD",
    "0.5",
)


def body_of(operation_id: str, **given: object) -> Any:
    """None for an operation without a body. given: fields that a test wants otherwise."""
    operation = _operation(operation_id)
    if "requestBody" not in operation:
        return None
    made = smallest(operation["requestBody"]["content"]["application/json"]["schema"])
    return made | given if isinstance(made, dict) else made


def smallest(schema: dict[str, Any]) -> Any:
    """Required fields alone, each as short as it may be."""
    if "$ref" in schema:
        return smallest(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return smallest(next(each for each in schema[key] if each.get("type") != "null"))
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {name: smallest(properties[name]) for name in schema.get("required", ())}
    if kind == "array":
        return [smallest(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind in {"integer", "number"}:
        least = schema.get("minimum", 1)
        return int(least) if kind == "integer" else least
    return False if kind == "boolean" else _text(schema)


def _text(schema: dict[str, Any]) -> str:
    shortest, pattern = schema.get("minLength", 1), schema.get("pattern", "")
    for candidate in CANDIDATES:
        if (
            len(candidate) >= shortest
            and len(candidate) <= schema.get("maxLength", 1000)
            and re.search(pattern, candidate)
        ):
            return candidate
    return "x" * shortest


def _operation(operation_id: str) -> dict[str, Any]:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            if operation["operationId"] == operation_id:
                return dict(operation)
    raise KeyError(operation_id)
