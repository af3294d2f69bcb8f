"""What is built once per user: a folder for it, names that say what it was built from, one builder at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/sms`` or ``~/.cache/sms``; made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "sms"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def recipe_digest(*ingredients: str | bytes | Path) -> str:
    """Twelve hexadecimal digits that change with any ingredient; of a path its contents count, not its name."""
    digest = hashlib.sha256()
    for ingredient in ingredients:
        content = ingredient.read_bytes() if isinstance(ingredient, Path) else ingredient
        raw = content.encode() if isinstance(content, str) else content
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()[:12]


@contextmanager
def one_builder(name: str) -> Iterator[None]:
    """Two runs that need the same thing build it once: the second waits and finds it."""
    path = cache_folder() / f".{name}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
