"""What is checked in was generated from the code, and is whole."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from contracts.documents.asyncapi import asyncapi_document
from contracts.documents.channels import address_of
from contracts.documents.schemas import file_name, message_schema
from contracts.generate import PROJECT, documents, stale_documents
from contracts.messages import load_messages

MESSAGES = load_messages()


def test_checked_in_documents_equal_the_code() -> None:
    assert stale_documents(PROJECT) == [], "run `make generate` and look at the difference"


@pytest.mark.parametrize("key", MESSAGES, ids=lambda key: f"{key[0]}.v{key[1]}")
def test_every_message_has_a_valid_schema_and_says_where_it_travels(key: tuple[str, int]) -> None:
    message = MESSAGES[key]
    jsonschema.Draft202012Validator.check_schema(message_schema(message))
    address = address_of(message)
    assert (address is None) == (message.KIND == "reply")
    assert address is None or re.fullmatch(r"sms\.v1(\.([A-Za-z0-9_-]+|{[a-z_]+}))+", address)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document()
    files = documents()
    for reference in references_in(document):
        if reference.startswith("#/"):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
        else:
            assert f"contracts/{reference}" in files


def test_the_asyncapi_document_has_what_version_3_demands() -> None:
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"]
    assert document["info"]["version"]
    for name, channel in document["channels"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        parameters = set(re.findall(r"{([^}]+)}", channel["address"] or ""))
        assert set(channel.get("parameters", {})) == parameters
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"]["$ref"].startswith("#/channels/")
    shown = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert shown == {file_name(key).removesuffix(".json") for key in MESSAGES}


def references_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for inner in value.values() for reference in references_in(inner)]
    if isinstance(value, list):
        return [reference for inner in value for reference in references_in(inner)]
    return []


def test_documents_are_json_that_reads_back() -> None:
    for path, text in documents().items():
        if path.endswith(".json"):
            assert json.loads(text)
