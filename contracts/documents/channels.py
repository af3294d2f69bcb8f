"""On which subject each message travels, as an address with parameters (``{account}``)."""

from __future__ import annotations

import re
from typing import Final

from contracts.base import Message
from contracts.messages.agent import AgentCommand, EnrolAgent
from contracts.messages.reply import HealthRequest
from contracts.messages.target_provisioner import ProvisionerCommand
from contracts.subjects import ROOT

# Each message's docstring begins with where it travels, so that reader and document have one source.
_WHERE: Final = re.compile(r"(Event|Request|Command|Status|Verb|Audit record) ``([^`]+)``")
_PARAMETER: Final = re.compile(r"<([^>]+)>")


def address_of(message: type[Message]) -> str | None:
    """The subject of a message with its parameters, None for replies, which go to the asker's inbox.

    Raises ValueError for a message whose docstring does not say where it travels.
    """
    if message.KIND == "reply":
        return None
    if issubclass(message, AgentCommand):
        return f"{ROOT}.agent.{{account}}.{{agent_id}}.cmd.{message.VERB}"
    if issubclass(message, ProvisionerCommand):
        return f"{ROOT}.cmd.target_provisioner.{message.TYPE.rsplit('.', 1)[1]}"
    if message is EnrolAgent:
        return f"{ROOT}.enrol.{{account}}.{{credential_id}}"
    if message is HealthRequest:
        return f"{ROOT}.req.{{service}}.health"
    return _written_address(message)


def parameters_of(address: str) -> list[str]:
    """The names in braces."""
    return re.findall(r"{([^}]+)}", address)


def _written_address(message: type[Message]) -> str:
    found = _WHERE.match(message.__doc__ or "")
    if found is None:
        raise ValueError(f"the docstring of {message.__name__} does not begin with where it travels")
    kind, words = found.groups()
    where = _PARAMETER.sub(lambda match: "{" + match[1].replace(" ", "_") + "}", words)
    return {
        "Event": f"{ROOT}.evt.{{account}}.{where}",
        "Request": f"{ROOT}.req.{where}",
        "Command": f"{ROOT}.cmd.{where}",
        "Status": f"{ROOT}.agent.{{account}}.{{agent_id}}.status.{where}",
        "Verb": f"{ROOT}.host.{where}",
        "Audit record": f"{ROOT}.audit.{{account}}.{where}",
    }[kind]
