"""How a record, its outbox rows and the declared indexes look as MongoDB documents; no driver in here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.store.port import Collection, OutgoingMessage, PendingMessage, Record, Scalar, Unique

_HANDLE_SEPARATOR: Final = "\x1f"


def document_key(account: str, identifier: str) -> str:
    """The _id. An account is a subject token and holds no slash."""
    return f"{account}/{identifier}"


def path(name: str) -> str:
    """Where a declared field stands in a document."""
    return "account" if name == "account" else f"data.{name}"


def live_query(where: Mapping[str, Scalar] | None) -> dict[str, Any]:
    """Records that were not deleted and whose fields equal where."""
    return {"live": True} | {path(name): value for name, value in (where or {}).items()}


def rule_condition(rule: Unique) -> dict[str, Any]:
    """Which documents a unique rule binds, as its partial index needs it."""
    condition: dict[str, Any] = {"live": True}
    condition |= {path(name): {"$type": "string"} for name in rule.fields}
    return condition | {path(name): value for name, value in rule.only_where.items()}


def read_record(collection: Collection, document: Mapping[str, Any]) -> Record:
    """The record of a live document."""
    return Record(
        collection=collection.name,
        account=document["account"],
        id=document["id"],
        version=document["version"],
        data=document["data"],
    )


def outbox_row(message: OutgoingMessage, order: int) -> dict[str, Any]:
    """An outbox row; order: nanoseconds, growing within a process."""
    return {
        "id": message.message_id,
        "order": order,
        "subject": message.subject,
        "headers": json.dumps(dict(message.headers)),
        "payload": message.payload,
    }


def read_rows(collection: str, document: Mapping[str, Any]) -> list[tuple[int, PendingMessage]]:
    """The outbox rows of a document with their order."""
    rows = []
    order = 0
    for row in document["outbox"]:
        # Two processes' clocks may differ; the order within a document is that of the array.
        order = max(order, row["order"])
        message = OutgoingMessage(
            message_id=row["id"], subject=row["subject"], headers=json.loads(row["headers"]), payload=row["payload"]
        )
        token = _HANDLE_SEPARATOR.join((collection, document["_id"], row["id"]))
        rows.append((order, PendingMessage(token=token, message=message)))
    return rows


def message_ids_by_document(tokens: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """The handles that `read_rows` made, taken apart: (collection, _id) and the rows' message ids."""
    found: dict[tuple[str, str], list[str]] = {}
    for token in tokens:
        collection, key, message_id = token.split(_HANDLE_SEPARATOR)
        found.setdefault((collection, key), []).append(message_id)
    return found
