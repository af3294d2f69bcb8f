"""An open-loop load generator as a process: ``python -m benchmarks.rig.http_load PLAN`` sends what a plan says.

A request leaves when its time has come, whether earlier ones were answered or not, and its latency counts from then:
a server that stalls cannot slow its own test down. PLAN is a JSON file of a `LoadPlan`; the result goes to stdout.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cli.profile_file import Profile
from cli.signing import query_string, sign
from contracts.base import Model

_BROKEN: Final = 0


class Planned(Model):
    """One request. at_s: when it is sent, from the start."""

    at_s: float
    kind: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: str = ""


class LoadPlan(Model):
    """connections: how many are kept open; a request waits for a free one, and that counts."""

    profile_file: Path
    connections: int
    requests: tuple[Planned, ...]


class Answered(Model):
    """One request's outcome. seconds: from its planned time to the last byte of its answer."""

    kind: str
    status: int
    seconds: float


class LoadResult(Model):
    """sent_late_s: how far the generator itself was behind at worst; a large one spoils the measurement."""

    answers: tuple[Answered, ...]
    sent_late_s: float
    seconds: float


class Connection(asyncio.Protocol):
    """One kept-alive connection, with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._end = 0
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See Protocol."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See Protocol."""
        self._received += data
        if not self._end:
            head, separator, _ = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            self._end = len(head) + len(separator) + _body_bytes(bytes(head))
        if len(self._received) >= self._end and self._answer is not None and not self._answer.done():
            self._answer.set_result(int(self._received[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """See Protocol."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(_BROKEN)

    async def send(self, request: bytes) -> int:
        """The status of the answer, once its last byte is there."""
        if self._transport is None:
            return _BROKEN
        self._received, self._end = bytearray(), 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_open(self) -> bool:
        """Whether it can carry a further request."""
        return self._transport is not None


class Connections:
    """Kept-alive HTTPS connections to one server."""

    def __init__(self, host: str, ca_file: Path | None, number: int) -> None:
        self._host = host
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._number = number

    async def open(self) -> None:
        """All of them, so that no handshake is measured."""
        for _ in range(self._number):
            self._free.put_nowait(await self._connect())

    async def send(self, request: bytes) -> int:
        """The status of the answer; 0 for a connection that broke."""
        connection = await self._free.get()
        status = await connection.send(request)
        self._free.put_nowait(connection if connection.is_open else await self._connect())
        return status

    async def _connect(self) -> Connection:
        name, _, port = self._host.rpartition(":")
        _, made = await asyncio.get_running_loop().create_connection(Connection, name, int(port), ssl=self._tls)
        return made


def _body_bytes(head: bytes) -> int:
    lengths = [int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"]
    return lengths[0] if lengths else 0


def _signed(planned: Planned, profile: Profile, host: str) -> bytes:
    body = planned.body.encode()
    headers = {"Host": host} | ({"Content-Type": "application/json"} if body else {})
    signed = sign(
        method=planned.method,
        path=planned.path,
        query=planned.query,
        headers=headers,
        body=body,
        access_key=profile.access_key,
        secret_key=profile.secret_key.get_secret_value(),
        now=datetime.now(UTC),
    )
    query = f"?{query_string(planned.query)}" if planned.query else ""
    lines = [
        f"{planned.method} {planned.path}{query} HTTP/1.1",
        *(f"{name}: {value}" for name, value in signed.items()),
    ]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


async def run(plan: LoadPlan) -> LoadResult:
    """Send everything at its time."""
    profile = Profile.model_validate_json(plan.profile_file.read_bytes())
    host = profile.endpoint.removeprefix("https://")
    # Signed ahead of the first one, within the server's clock window: that work is the clients', not the server's.
    requests = [(planned, _signed(planned, profile, host)) for planned in plan.requests]
    connections = Connections(host, profile.ca_file, plan.connections)
    await connections.open()
    answers: list[Answered] = []
    started = time.perf_counter()
    late_s = 0.0

    async def one(planned: Planned, request: bytes) -> None:
        status = await connections.send(request)
        seconds = time.perf_counter() - started - planned.at_s
        answers.append(Answered(kind=planned.kind, status=status, seconds=seconds))

    async with asyncio.TaskGroup() as group:
        for planned, request in requests:
            wait_s = started + planned.at_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            late_s = max(late_s, time.perf_counter() - started - planned.at_s)
            group.create_task(one(planned, request))
    return LoadResult(answers=tuple(answers), sent_late_s=late_s, seconds=time.perf_counter() - started)


def statuses(answers: tuple[Answered, ...]) -> dict[str, int]:
    """How often each status came; 0 stands for a broken connection."""
    return {str(status): number for status, number in sorted(Counter(each.status for each in answers).items())}


if __name__ == "__main__":
    result = asyncio.run(run(LoadPlan.model_validate(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
    sys.stdout.write(result.model_dump_json())
