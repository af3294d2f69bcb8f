"""One session with the source: a control connection that acknowledges, and data connections that receive."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import datetime

from agents.target.receive.apply import Applier
from agents.target.receive.reception import Reception
from agents.transfer.connection import Connection
from agents.transfer.frames import Kind, protocol_error
from agents.transfer.messages import ACK, Join, LostEntries, dump
from contracts.errors.code import MigrationError

_MAX_STREAMS = 16
_HEARTBEAT_S = 2.0
_ACK_INTERVAL_S = 0.01


class TargetSession:
    """Owns the threads of its connections. The newest session replaces an older one, which is closed first."""

    def __init__(
        self,
        control: Connection,
        reception: Reception,
        new_applier: Callable[[], Applier],
        *,
        expires_at: datetime,
    ) -> None:
        self.join_token = secrets.token_hex(16)
        self.expires_at = expires_at
        self._control = control
        self._reception = reception
        self._new_applier = new_applier
        self._connections: dict[int, Connection] = {}
        self._threads: list[threading.Thread] = []
        self._is_closing = threading.Event()

    def start(self) -> None:
        """Begin to acknowledge."""
        self._control.set_timeout(None)
        self._spawn(self._acknowledge, "acknowledge")

    def join(self, connection: Connection, join: Join) -> None:
        """Take over a data connection. Raises MigrationError for a wrong token or a stream that is taken."""
        if not hmac.compare_digest(join.join_token, self.join_token):
            raise protocol_error("data connection of another session")
        if join.stream in self._connections or len(self._connections) >= _MAX_STREAMS:
            raise protocol_error(f"second connection for stream {join.stream}")
        connection.set_timeout(None)
        self._connections[join.stream] = connection
        self._spawn(lambda: self._receive(connection), f"receive-{join.stream}")

    def close(self) -> None:
        """End all connections; returns when no thread applies anything any more."""
        self._is_closing.set()
        self._reception.close_session()
        connections = [self._control, *self._connections.values()]
        for connection in connections:
            connection.close()
        for thread in self._threads:
            thread.join()
        for connection in connections:
            connection.release()

    def _spawn(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _receive(self, connection: Connection) -> None:
        applier = self._new_applier()
        try:
            while not self._is_closing.is_set():
                frame = connection.receive()
                if self._reception.admit(frame):
                    applier.apply(frame)
                    self._report(applier)
                    self._reception.done(frame)
        except MigrationError as error:
            self._reception.fail(error.failure)
        except BaseException as error:
            # Acknowledged by nobody, the source would wait for ever: so it connects again and sends it anew.
            connection.close()
            self._control.close()
            if not isinstance(error, (OSError, EOFError)):
                raise
        finally:
            applier.close()

    def _report(self, applier: Applier) -> None:
        """What the source must know before it sees the frame acknowledged."""
        for result in applier.results:
            self._control.send_control(Kind.VERIFY_RESULT, result)
        if applier.lost:
            self._control.send_control(Kind.LOST_ENTRIES, dump(LostEntries(rows=tuple(applier.lost))))
        applier.results.clear()
        applier.lost.clear()

    def _acknowledge(self) -> None:
        marks = (-1, -1)
        try:
            while not self._is_closing.is_set():
                marks = self._reception.wait_for_progress(marks, _HEARTBEAT_S)
                if failure := self._reception.failure:
                    self._control.send_control(Kind.FAILURE, dump(failure))
                    return
                self._control.send_control(Kind.ACK, ACK.pack(*marks))
                # Frames come faster than acknowledgements are of use.
                self._is_closing.wait(_ACK_INTERVAL_S)
        except OSError:
            pass
        finally:
            self._control.close()
