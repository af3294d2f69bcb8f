"""Where webhooks may go: an address is judged as it is written, and again by every address that its name has."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARACTERS: Final = 2048
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_NUMBER: Final = re.compile(r"([0-9]+|0[xX][0-9a-fA-F]*)")
# Everything printable in ASCII but space, quotes, <, >, \, ^, `, { | }: what RFC 3986 lets a URL hold, and no more.
_URL: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")


class AddressError(ValueError):
    """The address may not be used; the text says why, and holds nothing that could be secret."""


@dataclass(frozen=True, kw_only=True)
class WebhookTarget:
    """A webhook's address in parts. host: a name in lower case or an IP address without brackets. target: path and
    query, as they are sent."""

    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class AddressPolicy:
    """allowed_networks: reached although they are not public. hosts: when not empty, the only ones."""

    allowed_networks: tuple[IpNetwork, ...] = ()
    hosts: tuple[str, ...] = ()
    allows_http: bool = False

    @classmethod
    def of(cls, *, networks: tuple[str, ...], hosts: tuple[str, ...], allows_http: bool) -> AddressPolicy:
        """From settings. networks: CIDR."""
        return cls(
            allowed_networks=tuple(ipaddress.ip_network(network) for network in networks),
            hosts=tuple(host.lower().rstrip(".") for host in hosts),
            allows_http=allows_http,
        )

    def parse(self, url: str) -> WebhookTarget:
        """Take a webhook's address apart. Raises AddressError."""
        if len(url) > MAX_URL_CHARACTERS or not _URL.fullmatch(url):
            raise AddressError("it holds characters that a URL may not hold, or is too long")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise AddressError("it is no URL") from error
        self._check_form(parts.scheme, parts.netloc, parts.fragment, port)
        host = _host(parts.hostname or "")
        self._check_host(host)
        is_tls = parts.scheme == "https"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return WebhookTarget(is_tls=is_tls, host=host, port=port or (443 if is_tls else 80), target=target)

    def check(self, address: str) -> str:
        """The address that may be connected to, without a mapping. Raises AddressError."""
        try:
            found = ipaddress.ip_address(address.split("%", 1)[0])
        except ValueError as error:
            raise AddressError("its name has no usable address") from error
        plain = _unmapped(found)
        if any(plain in network for network in self.allowed_networks):
            return str(plain)
        if not _is_public(plain):
            raise AddressError("its address is not a public one")
        return str(plain)

    def _check_form(self, scheme: str, netloc: str, fragment: str, port: int | None) -> None:
        if scheme != "https" and not (scheme == "http" and self.allows_http):
            raise AddressError("its scheme is not https")
        if "@" in netloc:
            raise AddressError("it holds a user name or password")
        if fragment or port == 0:
            raise AddressError("it holds a fragment, or port 0")

    def _check_host(self, host: str) -> None:
        if self.hosts and not any(_is_host(host, pattern) for pattern in self.hosts):
            raise AddressError("the host is not among those that the operator allows")
        if _is_ip(host):
            self.check(host)


def _host(host: str) -> str:
    if ":" in host:
        if not _is_ip(host):
            raise AddressError("its host is no IPv6 address")
        return host
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise AddressError("its host is neither a name nor an address")
    # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to the C library.
    if _NUMBER.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]) and not _is_ip(host):
        raise AddressError("its host is an address that is written in an unusual way")
    return host.rstrip(".")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _unmapped(address: IpAddress) -> IpAddress:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.sixtofour or address.teredo or address.is_site_local):
        # A tunnel's end may lie anywhere.
        return False
    is_special = address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local
    return address.is_global and not address.is_private and not address.is_reserved and not is_special
