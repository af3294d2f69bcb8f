"""The metadata service of one helper VM: ``python -m agents.host.helper_vm.metadata FILE``, one connection each.

QEMU starts it for every connection that the guest makes to 169.254.169.254, with the connection as its standard
input and output: nobody else can reach it, and it knows whom it answers. A token by PUT comes first, so that a program
in the guest that can be talked into a GET learns nothing. The enrolment token is given out once; a second request for
it raises an alarm, for which the host agent ends the helper.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

from agents.host.records import read_record, write_record
from contracts.base import Model

ADDRESS: Final = "169.254.169.254"
TTL_HEADER: Final = "X-SMS-Metadata-Token-TTL-Seconds"
TOKEN_HEADER: Final = "X-SMS-Metadata-Token"  # noqa: S105 - the name of a header
_LONGEST_TTL_S: Final = 21600
# A booting VM asks within a minute, on a slow host within a few.
SECRET_LIFE_S: Final = 900
_RESULT_LIMIT_BYTES: Final = 32 << 20
_REQUEST_TIMEOUT_S: Final = 30
_FORWARDED: Final = ("X-Forwarded-For", "Forwarded", "Via")


class Metadata(Model):
    """``helper/vm/metadata.json``, mode 0600. configuration: JSON, without secrets. enrolment: JSON with the one-time
    token, "" when there is none (any more); key: of the session tokens; expires_at: of the enrolment, Unix seconds."""

    configuration: str
    enrolment: str = ""
    had_enrolment: bool = False
    expires_at: float = 0.0
    key: str


def write_metadata(path: Path, *, configuration: str, enrolment: str) -> None:
    """What the VM that starts now may ask for."""
    record = Metadata(
        configuration=configuration,
        enrolment=enrolment,
        had_enrolment=bool(enrolment),
        expires_at=time.time() + SECRET_LIFE_S,
        key=os.urandom(32).hex(),
    )
    for stale in (alarm_file(path), result_file(path)):
        stale.unlink(missing_ok=True)
    write_record(path, record)


def alarm_file(path: Path) -> Path:
    """There when somebody asked for the enrolment a second time."""
    return path.with_name("metadata-alarm")


def result_file(path: Path) -> Path:
    """What the guest has put as the result of its one order."""
    return path.with_name("result.json")


class Handler(BaseHTTPRequestHandler):
    """One request of the guest."""

    protocol_version = "HTTP/1.0"
    timeout = _REQUEST_TIMEOUT_S

    def __init__(self, connection: socket.socket, path: Path) -> None:
        self._file = path
        super().__init__(connection, ("guest", 0), None)  # type: ignore[arg-type]  # no server of the library's

    def do_PUT(self) -> None:
        """The session token, or the result of an order."""
        if self._is_forwarded():
            return
        if self.path == "/v1/token":
            self._give_token()
        elif self.path == "/v1/result" and self._has_token():
            self._take_result()

    def do_GET(self) -> None:
        """The configuration, or the enrolment, once."""
        if self._is_forwarded() or not self._has_token():
            return
        if self.path == "/v1/configuration":
            self._answer(200, self._record().configuration)
        elif self.path == "/v1/enrolment":
            self._give_enrolment()
        else:
            self._answer(404)

    def _give_token(self) -> None:
        try:
            ttl_s = int(self.headers.get(TTL_HEADER, ""))
        except ValueError:
            ttl_s = 0
        if not 0 < ttl_s <= _LONGEST_TTL_S:
            self._answer(400)
            return
        expiry = str(int(time.time()) + ttl_s)
        self._answer(200, f"{expiry}.{_signature(self._record(), expiry)}")

    def _give_enrolment(self) -> None:
        with _locked(self._file):
            record = self._record()
            is_due = bool(record.enrolment) and time.time() < record.expires_at
            if record.enrolment:
                write_record(self._file, record.model_copy(update={"enrolment": ""}))
            elif record.had_enrolment:
                alarm_file(self._file).touch()
                self.log_error("the enrolment was asked for a second time")
        self._answer(200 if is_due else 410, record.enrolment if is_due else "")

    def _take_result(self) -> None:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= _RESULT_LIMIT_BYTES:
            self._answer(413)
            return
        content = self.rfile.read(length)
        fresh = result_file(self._file).with_name(".result.new")
        fresh.write_bytes(content)
        fresh.replace(result_file(self._file))
        self._answer(204)

    def _has_token(self) -> bool:
        expiry, _, signature = self.headers.get(TOKEN_HEADER, "").partition(".")
        wanted = _signature(self._record(), expiry)
        is_valid = hmac.compare_digest(signature.encode(), wanted.encode()) and expiry.isdecimal()
        if not (is_valid and time.time() < int(expiry)):
            self._answer(401)
            return False
        return True

    def _is_forwarded(self) -> bool:
        # Something in between would mean that somebody else speaks through the guest.
        if any(self.headers.get(name) for name in _FORWARDED):
            self._answer(403)
            return True
        return False

    def _record(self) -> Metadata:
        record = read_record(self._file, Metadata)
        if record is None:
            raise FileNotFoundError(self._file)
        return record

    def _answer(self, status: int, text: str = "") -> None:
        content = text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name
        """Paths and statuses hold no secret."""
        sys.stderr.write(f"metadata: {format % arguments}\n")


def _signature(record: Metadata, expiry: str) -> str:
    return hmac.new(bytes.fromhex(record.key), expiry.encode(), "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name("metadata.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def enrolment_of(token_id: str, secret: str) -> str:
    """What the guest gets once; "" for no token."""
    return json.dumps({"token_id": token_id, "token_secret": secret}) if token_id else ""


def main() -> int:
    """Standard error is the guest's connection too, so it goes to the log first of all."""
    path = Path(sys.argv[1])
    log = os.open(path.with_name("metadata.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    with socket.socket(fileno=os.dup(0)) as connection:
        Handler(connection, path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
