"""The target's end of the data channel: listens, checks who connects, and runs the threads that receive."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agents.target.receive.apply import Applier
from agents.target.receive.durability import DurabilityThread
from agents.target.receive.journal import Journal
from agents.target.receive.probe import serve_probe
from agents.target.receive.reception import Reception
from agents.target.receive.session import TargetSession
from agents.target.receive.verify import Verifier
from agents.target.receive.volume import Backing, Volume
from agents.transfer.connection import HELLO_TIMEOUT_S, Connection
from agents.transfer.frames import Kind, Payload, protocol_error
from agents.transfer.messages import Begin, HeldRange, Hello, HelloReply, Join, dump, parse, plan_digest
from agents.transfer.tls import check_peer
from contracts.errors.code import Failure, MigrationError
from contracts.errors.transfer import HELLO_REFUSED, PEER_REFUSED

_logger: Final = logging.getLogger("sms.agent.target")
_MAX_HANDSHAKES = 32
_EXPIRY_CHECK_S = 1.0


class TargetServer:
    """Receives one task's copy. Everything runs in threads of its own; the methods may be called from any thread.

    volumes: root directory of each volume's file system by the plan's index; what is mounted below one of them
    is neither seen nor touched. mount_points: the plan's, by index, for the digest that both ends compare.
    applied_survives_restart: what a killed process had written is still trusted by the next one on the same boot
    (true when the file systems stay mounted; false when the kernel that holds the cache goes away with it).
    A state_folder belongs to one task and one set of disks. backings: of volumes that are folders only, by index.
    """

    def __init__(
        self,
        *,
        task_id: str,
        listen: tuple[str, int],
        tls: ssl.SSLContext,
        volumes: Mapping[int, Path],
        mount_points: Mapping[int, str],
        state_folder: Path,
        applied_survives_restart: bool,
        backings: Mapping[int, Backing] | None = None,
    ) -> None:
        self._hello = Hello(task_id=task_id, role="target", plan_digest=plan_digest(dict(mount_points)))
        self._listen = listen
        self._tls = tls
        staging = b".sms-receive-" + hashlib.sha256(task_id.encode()).hexdigest()[:12].encode()
        behind = backings or {}
        self._volumes = {
            index: Volume(index, path, staging_name=staging, backing=behind.get(index))
            for index, path in volumes.items()
        }
        self._journal = Journal(state_folder / "receive.journal")
        self._reception = Reception(self._journal, applied_survives_restart=applied_survives_restart)
        self._durability = DurabilityThread(self._reception, self._volumes.values)
        self._verifier = Verifier(self._volumes.values())
        self._lock = threading.Lock()
        self._session: TargetSession | None = None
        self._listener: socket.socket | None = None
        self._handshakes = threading.BoundedSemaphore(_MAX_HANDSHAKES)
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> tuple[str, int]:
        """Begin to listen; returns address and port."""
        for volume in self._volumes.values():
            volume.remove_temporary()
        self._listener = socket.create_server(self._listen, backlog=64)
        self._durability.start()
        for work, name in ((self._accept, "accept"), (self._watch_expiry, "expiry")):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """End all connections, put everything that was applied on disk, and give the volumes back.

        Afterwards they can be unmounted; the staging folder is gone unless a round was under way. Raises
        nothing: failure() tells.
        """
        self._is_stopping.set()
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            if self._session:
                self._session.close()
                self._session = None
        if self._threads:
            self._durability.stop()
        for thread in self._threads:
            thread.join()
        for volume in self._volumes.values():
            volume.close()
        self._journal.close()

    def failure(self) -> Failure | None:
        """Why the last session ended, if it was a failure of the target; a new session clears it."""
        return self._reception.failure

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Present a renewed certificate from the next connection on."""
        self._tls = tls

    def _accept(self) -> None:
        assert self._listener  # noqa: S101 - start has set it
        while not self._is_stopping.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            if not self._handshakes.acquire(blocking=False):
                plain.close()
                continue
            threading.Thread(target=self._greet, args=(plain,), name="greet", daemon=True).start()

    def _greet(self, plain: socket.socket) -> None:
        """Handshake, certificate, first frame; then the connection belongs to a session or is closed."""
        connection = None
        try:
            connection = Connection.accept(plain, self._tls)
            task_id = self._hello.task_id
            expires_at = check_peer(connection.peer_certificate, task_id=task_id, role="source")
            connection.set_timeout(HELLO_TIMEOUT_S)
            frame = connection.receive()
            if frame.kind is Kind.HELLO:
                self._begin(connection, parse(Hello, frame.payload), expires_at)
            elif frame.kind is Kind.JOIN:
                self._join(connection, parse(Join, frame.payload))
            elif frame.kind is Kind.PROBE:
                _measure(connection, frame.payload)
            else:
                raise protocol_error(f"{frame.kind.name} as the first frame")
        except (OSError, EOFError, MigrationError) as error:
            if isinstance(error, (MigrationError, ssl.SSLError)):
                # Its own words are a stranger's.
                code = error.code if isinstance(error, MigrationError) else PEER_REFUSED.code
                _logger.warning("refused a connection: %s", code)
            if connection:
                _refuse(connection, error)
            else:
                plain.close()
        finally:
            self._handshakes.release()

    def _begin(self, connection: Connection, hello: Hello, expires_at: datetime) -> None:
        for what in ("protocol_version", "task_id", "plan_digest"):
            actual, expected = getattr(hello, what), getattr(self._hello, what)
            if actual != expected:
                raise MigrationError(HELLO_REFUSED, what=what, actual=actual, expected=expected)
        if hello.role != "source":
            raise MigrationError(HELLO_REFUSED, what="role", actual=hello.role, expected="source")
        with self._lock:
            if self._session:
                self._session.close()
            session = TargetSession(connection, self._reception, self._new_applier, expires_at=expires_at)
            self._session = session
            state = self._reception.state
            reply = HelloReply(
                hello=self._hello,
                target_id=state.target_id,
                sessions=tuple(HeldRange(first=mark.first, held=mark.applied) for mark in state.sessions),
                highest_seen=state.highest_seen,
                held_bytes=state.applied_bytes,
                join_token=session.join_token,
            )
            connection.send_control(Kind.HELLO_REPLY, dump(reply))
            begin = parse(Begin, connection.expect(Kind.BEGIN))
            self._reception.open_session(begin.first, is_continued=begin.is_continued)
            session.start()

    def _join(self, connection: Connection, join: Join) -> None:
        with self._lock:
            if not self._session:
                raise protocol_error("data connection without a session")
            self._session.join(connection, join)

    def _new_applier(self) -> Applier:
        return Applier(self._volumes, self._verifier)

    def _watch_expiry(self) -> None:
        """TLS does not end a connection when its certificate expires; this does."""
        while not self._is_stopping.wait(_EXPIRY_CHECK_S):
            with self._lock:
                if self._session and datetime.now(UTC) >= self._session.expires_at:
                    self._session.close()
                    self._session = None


def _measure(connection: Connection, payload: Payload) -> None:
    """A measurement of the network is no session: it ends here. Raises MigrationError for what is no measurement."""
    with contextlib.suppress(OSError, EOFError):  # the source goes when it has what it wants
        serve_probe(connection, payload)
    connection.close()
    connection.release()


def _refuse(connection: Connection, error: Exception) -> None:
    """Tell the peer why, if it can still be told, and close."""
    if isinstance(error, MigrationError):
        with contextlib.suppress(OSError):
            connection.send_control(Kind.FAILURE, dump(error.failure))
            time.sleep(0.05)  # lets the text leave before the reset
    connection.close()
    connection.release()
