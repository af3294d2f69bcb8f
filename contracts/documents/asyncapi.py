"""The AsyncAPI 3 document: channels, operations and messages of the bus."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import Any

from contracts.base import Message
from contracts.documents.channels import address_of, parameters_of
from contracts.documents.schemas import file_name
from contracts.envelope import MESSAGE_ID_HEADER
from contracts.messages import load_messages
from contracts.subjects import ROOT

_REPLIES = "replies"


def asyncapi_document() -> dict[str, Any]:
    """The whole document; payloads refer to the files of ``contracts/schemas``."""
    messages = load_messages()
    by_address: dict[str, list[tuple[str, int]]] = defaultdict(list)
    replies = []
    for key, message in messages.items():
        address = address_of(message)
        if address is None:
            replies.append(key)
        else:
            by_address[address].append(key)
    channels = {_channel_name(address): _channel(address, keys) for address, keys in sorted(by_address.items())}
    channels[_REPLIES] = _reply_channel(replies)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Server Migration Service: the bus",
            "version": ROOT.removeprefix("sms."),
            "description": "Everything that services and agents say to each other. CloudEvents 1.0 attributes are "
            "NATS headers, the payload is the JSON data alone.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            _channel_name(address): _operation(address, messages[keys[0]])
            for address, keys in sorted(by_address.items())
        },
        "components": {
            "messages": {_message_name(key): _message(key, message) for key, message in messages.items()},
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
        },
    }


def _channel(address: str, keys: list[tuple[str, int]]) -> dict[str, Any]:
    channel: dict[str, Any] = {"address": address, "messages": _references(keys)}
    if names := parameters_of(address):
        channel["parameters"] = {name: {"description": f"The {name.replace('_', ' ')}."} for name in names}
    return channel


def _reply_channel(keys: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "address": None,
        "description": "The asker's own inbox; sms.reply.refused may answer every request.",
        "messages": _references(keys),
    }


def _operation(address: str, message: type[Message]) -> dict[str, Any]:
    """Seen from the party that owns the subject: it receives what it is asked, and sends what it says."""
    is_asked = message.KIND in {"request", "command"}
    operation: dict[str, Any] = {
        "action": "receive" if is_asked else "send",
        "channel": {"$ref": f"#/channels/{_channel_name(address)}"},
    }
    is_agent_command = address.startswith(f"{ROOT}.agent.") and message.KIND == "command"
    if message.KIND == "request" or is_agent_command:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{_REPLIES}"}}
    return operation


def _message(key: tuple[str, int], message: type[Message]) -> dict[str, Any]:
    return {
        "name": key[0],
        "title": f"{message.__name__} (version {key[1]})",
        "description": inspect.getdoc(message) or "",
        "tags": [{"name": message.KIND}],
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"schemas/{file_name(key)}"},
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    required = [MESSAGE_ID_HEADER, "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-dataschema"]
    optional = ["ce-subject", "ce-datacontenttype", "ce-smsaccount", "ce-smsactor"]
    optional += ["ce-correlationid", "ce-causationid", "traceparent"]
    return {"type": "object", "required": required, "properties": dict.fromkeys([*required, *optional], text)}


def _references(keys: list[tuple[str, int]]) -> dict[str, Any]:
    return {_message_name(key): {"$ref": f"#/components/messages/{_message_name(key)}"} for key in keys}


def _message_name(key: tuple[str, int]) -> str:
    return f"{key[0]}.v{key[1]}"


def _channel_name(address: str) -> str:
    """Names may hold letters, digits, dots, dashes and underscores only."""
    return address.removeprefix(f"{ROOT}.").replace("{", "").replace("}", "")
