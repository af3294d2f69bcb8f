"""Conditions of a policy statement: the operators and keys that SMS understands."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SOURCE_ADDRESS_KEY: Final = "g:SourceIp"
USER_NAME_KEY: Final = "g:UserName"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Circumstances:
    """What a condition can look at. source_address: "" when it is not known."""

    user_name: str = ""
    source_address: str = ""


def _is_one_of(values: Sequence[str], given: str) -> bool:
    return given in values


def _is_none_of(values: Sequence[str], given: str) -> bool:
    return given not in values


def _is_in(values: Sequence[str], given: str) -> bool:
    address = ipaddress.ip_address(given)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in read_network(value) for value in values)


def _is_outside(values: Sequence[str], given: str) -> bool:
    return not _is_in(values, given)


# Which operator may look at which key.
OPERATORS: Final[Mapping[str, tuple[str, Callable[[Sequence[str], str], bool]]]] = {
    "StringEquals": (USER_NAME_KEY, _is_one_of),
    "StringNotEquals": (USER_NAME_KEY, _is_none_of),
    "IpAddress": (SOURCE_ADDRESS_KEY, _is_in),
    "NotIpAddress": (SOURCE_ADDRESS_KEY, _is_outside),
}


def read_network(text: str) -> _Network:
    """An address or a network (``10.0.0.0/8``). Raises ValueError."""
    return ipaddress.ip_network(text, strict=False)


def holds(condition: Mapping[str, Mapping[str, Sequence[str]]], given: Circumstances) -> bool | None:
    """Whether all of it holds; None when it cannot be told, because what it looks at is not known.

    The caller decides for the safe side: an Allow then does not apply, a Deny does.
    """
    verdict: bool | None = True
    for operator, keys in condition.items():
        for key, values in keys.items():
            one = _holds_one(operator, key, values, given)
            if one is False:
                return False
            verdict = verdict if one else None
    return verdict


def _holds_one(operator: str, key: str, values: Sequence[str], given: Circumstances) -> bool | None:
    wanted_key, test = OPERATORS.get(operator, ("", _is_one_of))
    value = {SOURCE_ADDRESS_KEY: given.source_address, USER_NAME_KEY: given.user_name}.get(key, "")
    if key != wanted_key or not value:
        return None
    try:
        return test(values, value)
    except ValueError:
        return None
