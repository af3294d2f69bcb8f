"""Writes the bus server's files of an installation: keys, certificates, configuration. Repeatable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.nkey import ACCOUNT, USER, public_text, read_seed, seed_text
from contracts.permissions import BUS_USERS, CONNECTION_CUTTER
from shared.bus_server.certificates import (
    KeyAndCertificate,
    is_still_good,
    make_authority,
    make_server_certificate,
)
from shared.bus_server.configuration import BusServerSettings, server_configuration

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class BusFiles:
    """Where everything of the bus lies.

    configuration: for ``nats-server -c``. ca_file: what every client trusts, and the only file that is handed
    out. url: for services on this host. issuer_seed_file: for identity alone, as is the seed of
    CONNECTION_CUTTER.
    """

    configuration: Path
    ca_file: Path
    keys_folder: Path
    issuer_seed_file: Path
    store_folder: Path
    pid_file: Path
    url: str

    def seed_file(self, user: str) -> Path:
        """The nkey seed of a bus user, mode 0600;"""
        return self.keys_folder / f"{user}.nk"


@dataclass(frozen=True, kw_only=True)
class ApiFiles:
    """The certificate of the HTTPS API and its key, PEM, of the authority that the bus has."""

    certificate_file: Path
    key_file: Path


def write_bus_configuration(
    folder: Path, *, listen: str, advertise: str = "", names: Sequence[str] = (), now: datetime
) -> BusFiles:
    """Write (or complete) the bus files below the installation's data folder.

    listen: HOST:PORT of the server. advertise: HOST:PORT that clients behind NAT are told. names: further host
    names and addresses under which clients reach it. Keys and the authority are made once and kept; the server
    certificate is made again when the names have changed or it expires within a month.
    """
    keys = _private_folder(folder / "keys")
    bus = _private_folder(folder / "bus")
    ca_file = folder / "ca.pem"
    authority = _authority(keys / "authority.key", ca_file, now=now)
    all_names = sorted({*_LOCAL_NAMES, *names, *_host_names(listen, advertise)})
    _server_certificate(bus, authority, all_names, now=now, common_name="SMS bus")
    issuer = _seed(keys / "issuer.nk", prefix=ACCOUNT)
    users = (*BUS_USERS, CONNECTION_CUTTER)
    public_keys = {name: _seed(keys / f"{name}.nk", prefix=USER) for name in users}
    host, port = _split(listen)
    files = BusFiles(
        configuration=bus / "nats-server.conf",
        ca_file=ca_file,
        keys_folder=keys,
        issuer_seed_file=keys / "issuer.nk",
        store_folder=bus / "jetstream",
        pid_file=bus / "nats-server.pid",
        url=f"tls://{_reachable(host)}:{port}",
    )
    settings = BusServerSettings(
        server_name="sms",
        listen=listen,
        advertise=advertise,
        store_folder=files.store_folder,
        pid_file=files.pid_file,
        certificate_file=bus / "server.pem",
        key_file=bus / "server.key",
        issuer=issuer,
        public_keys=public_keys,
    )
    _write(files.configuration, server_configuration(settings).encode(), mode=0o600)
    return files


def write_api_certificate(folder: Path, *, listen: str, names: Sequence[str] = (), now: datetime) -> ApiFiles:
    """Write (or renew, as the bus's) the certificate of the HTTPS API, after `write_bus_configuration`.

    listen: HOST:PORT of the API. names: further host names and addresses under which clients reach it.
    """
    api = _private_folder(folder / "api")
    authority = _authority(folder / "keys" / "authority.key", folder / "ca.pem", now=now)
    all_names = sorted({*_LOCAL_NAMES, *names, *_host_names(listen, "")})
    _server_certificate(api, authority, all_names, now=now, common_name="SMS API")
    return ApiFiles(certificate_file=api / "server.pem", key_file=api / "server.key")


def _authority(key_file: Path, ca_file: Path, *, now: datetime) -> KeyAndCertificate:
    if key_file.exists() and ca_file.exists():
        return KeyAndCertificate(key_file.read_bytes(), ca_file.read_bytes())
    authority = make_authority(now=now)
    _write(key_file, authority.key_pem, mode=0o600)
    _write(ca_file, authority.certificate_pem, mode=0o644)
    return authority


def _server_certificate(
    folder: Path, authority: KeyAndCertificate, names: Sequence[str], *, now: datetime, common_name: str
) -> None:
    certificate_file = folder / "server.pem"
    if certificate_file.exists() and is_still_good(certificate_file.read_bytes(), names, now=now):
        return
    server = make_server_certificate(authority, names, now=now, common_name=common_name)
    _write(folder / "server.key", server.key_pem, mode=0o600)
    _write(certificate_file, server.certificate_pem, mode=0o644)


def _seed(path: Path, *, prefix: int) -> str:
    """Make a seed file unless there is one; returns its public key."""
    if not path.exists():
        _write(path, seed_text(Ed25519PrivateKey.generate(), prefix=prefix).encode(), mode=0o600)
    return public_text(read_seed(path.read_text().strip(), prefix=prefix).public_key(), prefix=prefix)


def _private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file whole: a kill leaves the old one or the new one, never half a key."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"not HOST:PORT: {address!r}")
    return host.strip("[]"), int(port)


def _host_names(listen: str, advertise: str) -> set[str]:
    hosts = {_split(address)[0] for address in (listen, advertise) if address}
    return hosts - {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
