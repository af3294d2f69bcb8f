"""The form of a policy: who may do what, in the vendor's JSON."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

POLICY_VERSION: Final = "1.1"


class _Written(BaseModel):
    # Unlike in messages, an unknown field is an error: a misspelt "Condition" must not widen what is allowed.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class PolicyStatement(_Written):
    """action: ``sms:server:*``. resource: ``sms:*:<account>:server:<id>``, or ``*`` for everything.

    condition: operator, key, values; every operator and key must hold, of the values one.
    """

    effect: Literal["Allow", "Deny"] = Field(alias="Effect")
    action: tuple[str, ...] = Field(alias="Action")
    resource: tuple[str, ...] = Field(default=("*",), alias="Resource")
    condition: dict[str, dict[str, tuple[str, ...]]] = Field(default={}, alias="Condition")


class PolicyDocument(_Written):
    """A policy as it is written."""

    version: Literal["1.1"] = Field(default=POLICY_VERSION, alias="Version")
    statement: tuple[PolicyStatement, ...] = Field(alias="Statement")
