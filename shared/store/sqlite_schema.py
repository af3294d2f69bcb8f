"""Tables and indexes of the embedded store."""

from __future__ import annotations

from typing import Final

from shared.store.port import Collection, Scalar

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    collection TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (collection, account, id));
CREATE TABLE IF NOT EXISTS inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL,
    message_id TEXT NOT NULL, applied_at_s INTEGER NOT NULL, UNIQUE (collection, account, id, message_id));
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, subject TEXT NOT NULL,
    headers TEXT NOT NULL, payload TEXT NOT NULL);
"""


def field(name: str) -> str:
    """The SQL expression of a top-level field of the data, as the indexes have it: an index is used only then."""
    return "account" if name == "account" else f"json_extract(data,'$.{name}')"


def _literal(value: Scalar) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value))


def index_statements(collection: Collection) -> list[str]:
    """Partial indexes, one per findable field and unique rule; names are checked by Collection."""
    statements = [
        f"CREATE INDEX IF NOT EXISTS field_{collection.name}_{name} ON records({field(name)}, account, id)"
        f" WHERE collection='{collection.name}'"
        for name in collection.fields
    ]
    for rule in collection.unique:
        conditions = [f"collection='{collection.name}'"]
        conditions += [f"typeof({field(name)})='text'" for name in rule.fields]
        conditions += [f"{field(name)}={_literal(value)}" for name, value in rule.only_where.items()]
        columns = ", ".join(field(name) for name in rule.fields)
        statements.append(
            f"CREATE UNIQUE INDEX IF NOT EXISTS unique_{collection.name}__{rule.name} ON records({columns})"
            f" WHERE {' AND '.join(conditions)}"
        )
    return statements
