"""Published versions of messages stay readable, and the checker that guards this finds what would break them."""

from __future__ import annotations

import json

import pytest

from contracts.base import Model
from contracts.documents.compatibility import breaking_changes
from contracts.documents.schemas import message_schema
from contracts.generate import PROJECT
from contracts.messages import load_messages

PUBLISHED = sorted((PROJECT / "contracts" / "published").glob("*.json"))


def test_there_are_published_versions() -> None:
    assert PUBLISHED


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_a_published_message_is_still_understood(file) -> None:  # type: ignore[no-untyped-def] # pytest's own
    schema = json.loads(file.read_text(encoding="utf-8"))
    _, type_name, version = schema["$id"].split(":")
    current = load_messages().get((type_name, int(version)))
    assert current is not None, f"{type_name} version {version} was published and is gone"
    assert breaking_changes(schema, message_schema(current)) == [], (
        "a new version (VERSION and a class beside the old one) is needed for this change"
    )


class Inner(Model):
    size_bytes: int
    label: str = ""


class Published(Model):
    name: str
    disks: tuple[Inner, ...] = ()
    inner: Inner | None = None
    sizes: dict[str, Inner] = {}
    note: str = ""


def changes(changed: type[Model]) -> list[str]:
    return breaking_changes(Published.model_json_schema(), changed.model_json_schema())


def test_the_same_schema_breaks_nothing() -> None:
    assert changes(Published) == []


def test_a_new_field_with_a_default_breaks_nothing() -> None:
    class Changed(Published):
        further: int = 0

    assert changes(Changed) == []


def test_a_new_field_without_a_default_is_found() -> None:
    class Changed(Published):
        further: int

    assert changes(Changed) == ["further is new and has no default"]


def test_a_removed_field_is_found() -> None:
    class Changed(Model):
        name: str
        disks: tuple[Inner, ...] = ()
        inner: Inner | None = None
        sizes: dict[str, Inner] = {}

    assert changes(Changed) == ["note was removed"]


def test_a_renamed_field_is_found_as_removed() -> None:
    class Changed(Model):
        title: str
        disks: tuple[Inner, ...] = ()
        inner: Inner | None = None
        sizes: dict[str, Inner] = {}
        note: str = ""

    assert changes(Changed) == ["name was removed", "title is new and has no default"]


def test_a_retyped_field_is_found() -> None:
    class Changed(Published):
        name: int  # type: ignore[assignment] # that is what is tried

    assert changes(Changed) == ["name: type was string, is integer"]


def test_a_field_that_becomes_required_is_found() -> None:
    class Changed(Published):
        note: str

    assert changes(Changed) == ["note has become required"]


def test_a_change_deep_inside_is_found_through_lists_optionals_and_maps() -> None:
    class InnerChanged(Model):
        size_bytes: str
        label: str = ""

    class ThroughList(Published):
        disks: tuple[InnerChanged, ...] = ()  # type: ignore[assignment] # that is what is tried

    class ThroughOptional(Published):
        inner: InnerChanged | None = None  # type: ignore[assignment] # that is what is tried

    class ThroughMap(Published):
        sizes: dict[str, InnerChanged] = {}  # type: ignore[assignment] # that is what is tried

    assert changes(ThroughList) == ["disks[].size_bytes: type was integer, is string"]
    assert changes(ThroughOptional) == ["inner.size_bytes: type was integer, is string"]
    assert changes(ThroughMap) == ["sizes[].size_bytes: type was integer, is string"]


def test_a_word_that_an_enumeration_gains_is_found() -> None:
    old = {"properties": {"state": {"enum": ["a", "b"], "type": "string"}}}
    new = {"properties": {"state": {"enum": ["a", "b", "c"], "type": "string"}}}
    assert breaking_changes(old, new) == ["state: enum was ['a', 'b'], is ['a', 'b', 'c']"]
