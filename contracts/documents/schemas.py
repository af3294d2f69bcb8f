"""The JSON Schema of each message."""

from __future__ import annotations

from typing import Any

from contracts.base import Message

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(key: tuple[str, int]) -> str:
    """The file of a message, by (type, version): ``sms.task.create.v1.json``."""
    return f"{key[0]}.v{key[1]}.json"


def message_schema(message: type[Message]) -> dict[str, Any]:
    """The schema of a message's data, as a reader has to accept it."""
    return {
        "$schema": JSON_SCHEMA_DIALECT,
        "$id": f"sms:{message.TYPE}:{message.VERSION}",
        "x-sms-kind": message.KIND,
    } | message.model_json_schema(mode="validation")
