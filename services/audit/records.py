"""The collections of audit, and what several handlers read from them."""

from __future__ import annotations

from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.audit import AUDIT_NO_ACCOUNT, NO_CHECKPOINT
from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import TraceHead
from services.audit.domain.entries import Entry
from services.audit.domain.tree import Tile, Tree
from shared.store import Collection, Store, TypedCollection, Unique
from shared.store.typed import Stored

HEADS: Final = Collection(name="heads")
ENTRIES: Final = Collection(
    name="entries",
    fields=("task_id", "type_name", "actor", "access_key", "outcome", "resource", "other_resource", "request_id"),
    unique=(Unique(name="one_record_per_message", fields=("account", "message_id")),),
)
TREES: Final = Collection(name="trees")
TILES: Final = Collection(name="tiles")
CHECKPOINTS: Final = Collection(name="checkpoints")
COLLECTIONS: Final = (HEADS, ENTRIES, TREES, TILES, CHECKPOINTS)

HEAD: Final = "head"
TREE: Final = "tree"
PAGE: Final = 500
# A reply must fit into one bus message of 1 MiB.
MAX_REPLY_CHARACTERS: Final = 700_000
_NUMBER_DIGITS: Final = 12


class TraceRecords:
    """Typed access to what one audit service keeps."""

    def __init__(self, store: Store) -> None:
        self.heads = TypedCollection(store, HEADS, TraceHead)
        self.entries = TypedCollection(store, ENTRIES, Entry)
        self.trees = TypedCollection(store, TREES, Tree)
        self.tiles = TypedCollection(store, TILES, Tile)
        self.checkpoints = TypedCollection(store, CHECKPOINTS, Checkpoint)

    async def load_head(self, account: str) -> TraceHead:
        """The end of the chain; that of an empty one when there is none."""
        stored = await self.heads.load(account, HEAD)
        return stored.value if stored else TraceHead()

    async def load_tree(self, account: str) -> Stored[Tree]:
        """The tree; an empty one of version 0 when there is none."""
        stored = await self.trees.load(account, TREE)
        return stored or Stored(account=account, id=TREE, version=0, value=Tree())

    async def load_checkpoint(self, account: str, number: int) -> Checkpoint:
        """number: 0 for the newest. Raises MigrationError SMS.AUDIT.NO_CHECKPOINT."""
        count = (await self.load_tree(account)).value.checkpoint
        stored = await self.checkpoints.load(account, checkpoint_key(number or count))
        if stored is None:
            raise MigrationError(NO_CHECKPOINT, number=number or "at all", count=count)
        return stored.value

    async def list_checkpoints(
        self, account: str, *, after: int = 0, limit: int = PAGE, newest_first: bool = False
    ) -> list[Checkpoint]:
        """Those behind after, in order of their numbers."""
        key = checkpoint_key(after) if after > 0 else ""
        found = await self.checkpoints.find(account, after=key, limit=limit, newest_first=newest_first)
        return [stored.value for stored in found]


def checkpoint_key(number: int) -> str:
    """The id of a checkpoint: ids sort as numbers do."""
    return f"{number:0{_NUMBER_DIGITS}}"


def account_of(envelope: Envelope) -> str:
    """Raises MigrationError SMS.AUDIT.NO_ACCOUNT."""
    if not envelope.account:
        raise MigrationError(AUDIT_NO_ACCOUNT, subject=envelope.subject)
    return envelope.account
