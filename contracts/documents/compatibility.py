"""Whether old readers and new writers still understand each other: compares two versions of a message's schema.

Pure. A message travels from writers to readers of another age in both directions, so a field of a published
version can neither go, nor change its type, nor become required; a new one needs a default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_DESCRIBES_ONLY = frozenset({"title", "description", "examples", "default", "$id", "$schema", "$defs", "x-sms-kind"})


def breaking_changes(published: Schema, current: Schema) -> list[str]:
    """Sentences, one per change that a reader or writer of the published schema would not survive."""
    return list(_Comparison(published, current).compare(published, current, path=""))


class _Comparison:
    def __init__(self, published: Schema, current: Schema) -> None:
        self._published_models = published.get("$defs", {})
        self._current_models = current.get("$defs", {})
        # A model may refer to itself, and the same pair need not be looked at twice.
        self._seen: set[tuple[str, str]] = set()

    def compare(self, old: Schema, new: Schema, *, path: str) -> Iterator[str]:
        names = (old.get("$ref", ""), new.get("$ref", ""))
        if all(names):
            if names in self._seen:
                return
            self._seen.add(names)
        old, new = _resolved(old, self._published_models), _resolved(new, self._current_models)
        if "properties" in old and "properties" in new:
            yield from self._compare_fields(old, new, path=path)
            return
        yield from self._compare_values(old, new, path=path)

    def _compare_fields(self, old: Schema, new: Schema, *, path: str) -> Iterator[str]:
        old_fields, new_fields = old["properties"], new["properties"]
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in old_fields.items():
            where = f"{path}.{name}" if path else name
            if name not in new_fields:
                yield f"{where} was removed"
                continue
            if name in is_required - was_required:
                yield f"{where} has become required"
            yield from self.compare(field, new_fields[name], path=where)
        for name in new_fields.keys() - old_fields.keys():
            if name in is_required:
                yield f"{path}.{name} is new and has no default" if path else f"{name} is new and has no default"

    def _compare_values(self, old: Schema, new: Schema, *, path: str) -> Iterator[str]:
        for keyword in ("items", "additionalProperties"):
            if isinstance(old.get(keyword), Mapping) and isinstance(new.get(keyword), Mapping):
                yield from self.compare(old[keyword], new[keyword], path=f"{path}[]")
        if "anyOf" in old and "anyOf" in new and len(old["anyOf"]) == len(new["anyOf"]):
            for old_choice, new_choice in zip(old["anyOf"], new["anyOf"], strict=True):
                yield from self.compare(old_choice, new_choice, path=path)
            old, new = _without(old, "anyOf"), _without(new, "anyOf")
        yield from _changed_keywords(old, new, path=path)


def _changed_keywords(old: Schema, new: Schema, *, path: str) -> Iterator[str]:
    inner = {"items", "additionalProperties"}
    for keyword in sorted((old.keys() | new.keys()) - _DESCRIBES_ONLY - inner):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        # A writer of today may use a word that a reader of yesterday refuses, and the other way round.
        yield f"{path or 'the message'}: {keyword} was {before}, is {after}"


def _resolved(schema: Schema, models: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    return models[reference.rsplit("/", 1)[1]] if isinstance(reference, str) else schema


def _without(schema: Schema, keyword: str) -> Schema:
    return {name: value for name, value in schema.items() if name != keyword}
