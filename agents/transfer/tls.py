"""TLS of the data channel: version 1.3, both sides with a certificate, one authority, no session tickets."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from contracts.errors.code import MigrationError
from contracts.errors.transfer import PEER_REFUSED

# OpenSSL's SSL_OP_PRIORITIZE_CHACHA, which the ssl module names only from Python 3.12 on.
_OP_PRIORITIZE_CHACHA = 1 << 21
# Since Linux 2.6.11; a write of less never waits.
_PIPE_BYTES = 64 << 10
Role = Literal["source", "target"]
_USAGE = {"source": ExtendedKeyUsageOID.CLIENT_AUTH, "target": ExtendedKeyUsageOID.SERVER_AUTH}


def source_context(*, certificate: str, key: str, authority: str) -> ssl.SSLContext:
    """The source's (client's) context, from PEM texts. The peer's name is checked by check_peer, not by TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _fill(context, certificate, key, authority)


def target_context(*, certificate: str, key: str, authority: str) -> ssl.SSLContext:
    """The target's (server's) context, from PEM texts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    if not _has_aes():
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.Options(_OP_PRIORITIZE_CHACHA)
    return _fill(context, certificate, key, authority)


def check_peer(der: bytes, *, task_id: str, role: Role, now: datetime | None = None) -> datetime:
    """Check the certificate of a peer whose chain TLS has verified; returns when it expires (UTC).

    It must have exactly the extended key usage of its role and exactly one URI,
    ``sms://<account>/task/<task_id>/<role>``. OpenSSL alone accepts a leaf without any usage.
    Raises MigrationError SMS.TRANSFER.PEER_REFUSED.
    """
    if not der:
        raise MigrationError(PEER_REFUSED, reason="it presented none")
    try:
        leaf = x509.load_der_x509_certificate(der)
        usages = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise MigrationError(PEER_REFUSED, reason="it lacks the usage or the name that is needed") from error
    if usages != [_USAGE[role]]:
        raise MigrationError(PEER_REFUSED, reason=f"it is not for the role {role} alone")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not _names_role(uris[0], task_id, role):
        raise MigrationError(PEER_REFUSED, reason=f"it does not name the {role} of this task")
    if leaf.not_valid_after_utc <= (now or datetime.now(UTC)):
        raise MigrationError(PEER_REFUSED, reason="it has expired")
    return leaf.not_valid_after_utc


def _names_role(uri: str, task_id: str, role: str) -> bool:
    scheme, _, rest = uri.partition("://")
    parts = rest.split("/")
    return scheme == "sms" and len(parts) == 4 and parts[1:] == ["task", task_id, role] and parts[0] != ""


def _fill(context: ssl.SSLContext, certificate: str, key: str, authority: str) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.load_verify_locations(cadata=authority)
    # The ssl module takes a key only from a file: pipes are files that no disk ever holds. A file in memory would do as
    # well, but memfd_create came with Linux 3.17.
    with _pipe_with(certificate) as certificate_path, _pipe_with(key) as key_path:
        context.load_cert_chain(certificate_path, key_path)
    return context


@contextmanager
def _pipe_with(text: str) -> Iterator[str]:
    """The path of a pipe that holds a text and its end, to be read once. Raises ValueError for more than it takes."""
    data = (text.strip() + "\n").encode()
    if len(data) > _PIPE_BYTES:
        raise ValueError(f"{len(data)} bytes; a pipe takes {_PIPE_BYTES}")
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, data)
        finally:
            os.close(writing)
        yield f"/proc/self/fd/{reading}"
    finally:
        os.close(reading)


def _has_aes() -> bool:
    try:
        return " aes" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return True
