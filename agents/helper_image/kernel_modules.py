"""Which modules of a kernel are needed, in the order in which they are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def dependencies(modules_dep: str) -> dict[str, tuple[str, ...]]:
    """modules.dep: a module's path to the paths that must be loaded before it, nearest first."""
    found = {}
    for line in modules_dep.splitlines():
        path, _, needed = line.partition(":")
        found[path] = tuple(needed.split())
    return found


def with_dependencies(names: Iterable[str], known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Paths for the names of modprobe, every one after what it needs; names that are built in are passed over."""
    by_name = {_name(path): path for path in known}
    order: dict[str, None] = {}
    for name in names:
        path = by_name.get(_plain(name))
        if path is None:
            continue
        # modules.dep lists everything that is needed, the deepest last.
        for needed in (*reversed(known[path]), path):
            order.setdefault(needed)
    return tuple(order)


def _name(path: str) -> str:
    return _plain(Path(path).name.partition(".ko")[0])


def _plain(name: str) -> str:
    return name.replace("-", "_")
