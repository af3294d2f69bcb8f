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

from cli.profile_file import Profile
from cli.signing import query_string, sign
from contracts.base import Model


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


class Connections:
    """Kept-alive HTTPS connections to one server."""

    def __init__(self, profile: Profile, number: int) -> None:
        self.profile = profile
        self.host = profile.endpoint.removeprefix("https://")
        self._tls = ssl.create_default_context(cafile=str(profile.ca_file))
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._number = number

    async def open(self) -> None:
        """All of them, so that no handshake is measured."""
        for _ in range(self._number):
            self._free.put_nowait(await self._connect())

    async def send(self, planned: Planned) -> int:
        """The status of the answer."""
        reader, writer = await self._free.get()
        try:
            writer.write(self._request(planned))
            status, length = await _head(reader)
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            writer.close()
            reader, writer = await self._connect()
            status = 0
        self._free.put_nowait((reader, writer))
        return status

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name, _, port = self.host.rpartition(":")
        return await asyncio.open_connection(name, int(port), ssl=self._tls)

    def _request(self, planned: Planned) -> bytes:
        body = planned.body.encode()
        headers = {"Host": self.host} | ({"Content-Type": "application/json"} if body else {})
        signed = sign(
            method=planned.method,
            path=planned.path,
            query=planned.query,
            headers=headers,
            body=body,
            access_key=self.profile.access_key,
            secret_key=self.profile.secret_key.get_secret_value(),
            now=datetime.now(UTC),
        )
        query = f"?{query_string(planned.query)}" if planned.query else ""
        lines = [
            f"{planned.method} {planned.path}{query} HTTP/1.1",
            *(f"{name}: {value}" for name, value in signed.items()),
        ]
        return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


async def _head(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Status and length of the body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    return int(lines[0].split()[1]), lengths[0] if lengths else 0


async def run(plan: LoadPlan) -> LoadResult:
    """Send everything at its time."""
    profile = Profile.model_validate_json(plan.profile_file.read_bytes())
    connections = Connections(profile, plan.connections)
    await connections.open()
    answers: list[Answered] = []
    started = time.perf_counter()
    late_s = 0.0

    async def one(planned: Planned) -> None:
        status = await connections.send(planned)
        seconds = time.perf_counter() - started - planned.at_s
        answers.append(Answered(kind=planned.kind, status=status, seconds=seconds))

    async with asyncio.TaskGroup() as group:
        for planned in plan.requests:
            wait_s = started + planned.at_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            late_s = max(late_s, time.perf_counter() - started - planned.at_s)
            group.create_task(one(planned))
    return LoadResult(answers=tuple(answers), sent_late_s=late_s, seconds=time.perf_counter() - started)


def statuses(answers: tuple[Answered, ...]) -> dict[str, int]:
    """How often each status came; 0 stands for a broken connection."""
    return {str(status): number for status, number in sorted(Counter(each.status for each in answers).items())}


if __name__ == "__main__":
    result = asyncio.run(run(LoadPlan.model_validate(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
    sys.stdout.write(result.model_dump_json())
