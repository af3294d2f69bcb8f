"""The HTTPS API under load: 1,000 source servers listed, and 200 mixed requests a second for 30 s, open loop.

``python -m benchmarks.api [--servers N] [--rate N] [--seconds N] [--seed N] [--output FILE]`` starts an all-in-one in a
folder of its own (stores are SQLite), registers the servers over the bus, and lets a process of its own send.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.rig.cpu_share import cpu_ms, per_request
from benchmarks.rig.http_load import Answered, LoadPlan, LoadResult, Planned, statuses
from benchmarks.rig.result import Machine
from benchmarks.rig.source_fleet import fleet
from cli.api import ApiClient, connect
from cli.installation import DataFolder
from cli.profile_file import load_profile
from contracts.base import Model
from contracts.messages.registry import ServerDetails

_RESULT: Final = Path(__file__).parent / "results" / "api.json"
_METHOD: Final = (
    "All services of `sms up`, the load generator and the bus share the machine's CPUs. Latency counts from the "
    "planned time of a request to the last byte of its answer, over TLS on loopback with connections kept alive; every "
    "request is signed anew. All servers send heartbeats as in real life. The list is one page with every server."
)
# Kind, share in percent, method, path.
_MIX: Final = (
    ("show a server", 35, "GET", "/v3/sources/{server}"),
    ("list 50 servers", 20, "GET", "/v3/sources"),
    ("list tasks", 15, "GET", "/v3/tasks"),
    ("overview", 5, "GET", "/v3/sources/overview"),
    ("list templates", 10, "GET", "/v3/vm/templates"),
    ("rename a server", 10, "PUT", "/v3/sources/{server}"),
    ("tag a server", 5, "PUT", "/v3/sources/{server}/tags"),
)


class Count(Model):
    """How many servers a list holds in all."""

    count: int


class Latency(Model):
    """Milliseconds."""

    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    statuses: dict[str, int]


class ApiResult(Model):
    """list_all: one page of all servers, one request at a time. mixed: all kinds together; by_kind: each.

    list_all_cpu_ms, mixed_cpu_ms: processor time of one request in each process, heartbeats included; what others do
    on the machine changes these figures far less than the latencies.
    """

    benchmark: str = "api"
    command: str
    began_at: str
    method: str = _METHOD
    machine: Machine
    servers: int
    load_average_before: float
    list_all: Latency
    list_all_cpu_ms: dict[str, float]
    rate: float
    mixed: Latency
    mixed_cpu_ms: dict[str, float]
    by_kind: dict[str, Latency]
    sent_late_ms: float
    errors: int


def main(arguments: Sequence[str]) -> int:
    """Measure, write the result, print the table; fails when a request did."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="api-bench-") as folder:
        data = DataFolder.at(Path(folder) / "data")
        _sms("up", "--detach", "--data", str(data.path), "--listen", "127.0.0.1:0", "--bus-listen", "127.0.0.1:0")
        try:
            result = asyncio.run(_measure(options, data, Path(folder)))
        finally:
            _sms("down", "--data", str(data.path))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(_table(result))
    return 1 if result.errors else 0


async def _measure(options: argparse.Namespace, data: DataFolder, folder: Path) -> ApiResult:
    profile = data.profile_file
    async with fleet(data, options.servers) as ids, connect(load_profile(profile)) as client:
        await _until_checked(client, ids)
        load_average = os.getloadavg()[0]
        listing = [
            Planned(
                at_s=index * 0.3, kind="list all", method="GET", path="/v3/sources", query=(("limit", str(len(ids))),)
            )
            for index in range(100)
        ]
        started = cpu_ms(data)
        listed = await _send(LoadPlan(profile_file=profile, connections=1, requests=tuple(listing)), folder)
        between = cpu_ms(data)
        mix = tuple(_mixed(ids, rate=options.rate, seconds=options.seconds, seed=options.seed))
        mixed = await _send(LoadPlan(profile_file=profile, connections=64, requests=mix), folder)
        ended = cpu_ms(data)
    kinds = {kind: _latency([each for each in mixed.answers if each.kind == kind]) for kind, *_ in _MIX}
    every = (*listed.answers, *mixed.answers)
    return ApiResult(
        command=f"python -m benchmarks.api --servers {options.servers} --rate {options.rate} "
        f"--seconds {options.seconds} --seed {options.seed}",
        began_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=Machine.look_at(folder),
        servers=len(ids),
        load_average_before=load_average,
        list_all=_latency(listed.answers),
        list_all_cpu_ms=per_request(started, between, len(listed.answers)),
        rate=options.rate,
        mixed=_latency(mixed.answers),
        mixed_cpu_ms=per_request(between, ended, len(mixed.answers)),
        by_kind=kinds,
        sent_late_ms=round(mixed.sent_late_s * 1000, 1),
        errors=sum(1 for each in every if not 200 <= each.status < 300),
    )


async def _until_checked(client: ApiClient, ids: Sequence[str]) -> None:
    """Every server is registered, and the newest ones have their reports: the services have nothing to do any more."""
    async with asyncio.timeout(300):
        while not await _are_checked(client, ids):  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.5)


async def _are_checked(client: ApiClient, ids: Sequence[str]) -> bool:
    if (await client.get("/v3/sources", Count, limit=1)).count < len(ids):
        return False
    newest = [await client.get(f"/v3/sources/{server_id}/details", ServerDetails) for server_id in ids[-20:]]
    return all(details.feasibility is not None for details in newest)


async def _send(plan: LoadPlan, folder: Path) -> LoadResult:
    """In a process of its own, so that it competes with nobody for a loop."""
    file = folder / "plan.json"
    file.write_text(plan.model_dump_json(), encoding="utf-8")
    command = (sys.executable, "-m", "benchmarks.rig.http_load", str(file))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit("the load generator failed")
    return LoadResult.model_validate_json(said)


def _mixed(ids: Sequence[str], *, rate: float, seconds: float, seed: int) -> Iterator[Planned]:
    """Arrivals of a Poisson process, as those of many independent clients."""
    source = random.Random(seed)
    at_s, number = 0.0, 0
    while at_s < seconds:
        kind, _, method, path = source.choices(_MIX, weights=[share for _, share, _, _ in _MIX])[0]
        number += 1
        bodies = {
            "rename a server": {"name": f"web-{number}"},
            "tag a server": {"tags": [{"key": "wave", "value": str(number)}]},
        }
        yield Planned(
            at_s=at_s,
            kind=kind,
            method=method,
            path=path.format(server=source.choice(ids)),
            query=(("limit", "50"),) if path in {"/v3/sources", "/v3/tasks"} else (),
            body=json.dumps(bodies[kind]) if kind in bodies else "",
        )
        at_s += source.expovariate(rate)


def _latency(answers: Sequence[Answered]) -> Latency:
    times = sorted(each.seconds * 1000 for each in answers)
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [*times] * 99
    return Latency(
        requests=len(times),
        p50_ms=round(cuts[49], 1),
        p95_ms=round(cuts[94], 1),
        p99_ms=round(cuts[98], 1),
        max_ms=round(times[-1], 1),
        statuses=statuses(tuple(answers)),
    )


def _table(result: ApiResult) -> str:
    rows = {f"list {result.servers:,} servers": result.list_all, f"mixed, {result.rate:g}/s": result.mixed} | {
        f"  {kind}": latency for kind, latency in result.by_kind.items()
    }
    lines = [f"{'':<24}{'requests':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}  statuses"]
    lines += [
        f"{name:<24}{row.requests:>9}{row.p50_ms:>9}{row.p95_ms:>9}{row.p99_ms:>9}{row.max_ms:>9}  {row.statuses}"
        for name, row in rows.items()
    ]
    lines += [
        f"ms of processor time per request, {what}: {', '.join(f'{name} {ms}' for name, ms in cpu.items())}"
        for what, cpu in (("list", result.list_all_cpu_ms), ("mixed", result.mixed_cpu_ms))
    ]
    return "\n".join([*lines, f"errors: {result.errors}; load average before: {result.load_average_before:.2f}"])


def _sms(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"sms {' '.join(words)}: {done.stdout}{done.stderr}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--output", type=Path, default=_RESULT)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
