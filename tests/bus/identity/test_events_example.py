"""examples/listen_to_events.py as it is, against a bus with logins."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.envelope import Envelope
from contracts.messages.identity import CredentialSecret
from contracts.messages.registry import ServerConnected
from contracts.subjects import evt
from tests.bus.identity.secure_bus import REPOSITORY, SecureBus, new_account
from tests.servers import wait_until

PROGRAM = REPOSITORY / "examples" / "listen_to_events.py"


@contextmanager
def listening(bus: SecureBus, folder: Path, account: str, key: CredentialSecret) -> Iterator[tuple[Path, Path]]:
    """What it has printed, and what it has complained about."""
    secret_file, said, errors = folder / "secret-key", folder / "said", folder / "errors"
    secret_file.write_text(f"{key.secret_key}\n")
    command = [sys.executable, "-m", "examples.listen_to_events", bus.files.url, str(bus.files.ca_file)]
    command += [account, key.access_key, str(secret_file)]
    with said.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=REPOSITORY)
        try:
            yield said, errors
        finally:
            process.kill()
            process.wait()


async def say_connected(bus: SecureBus, account: str, server_id: str) -> str:
    """An event of the registry; returns its id."""
    message = ServerConnected(server_id=server_id)
    envelope = Envelope.of(message, source="/services/registry", account=account)
    registry = await bus.service("registry")
    subject = evt(account, "server", server_id, "connected")
    await registry.publish(subject, message.model_dump_json().encode(), headers=envelope.headers())
    await registry.flush()
    await registry.close()
    return envelope.id


async def test_the_example_hears_its_own_account_and_no_other(bus: SecureBus, tmp_path: Path) -> None:
    account, other = new_account(), new_account()
    key = await bus.new_credential(account)
    with listening(bus, tmp_path, account, key) as (said, errors):
        spoken: list[str] = []
        async with asyncio.timeout(60):
            # Core NATS keeps nothing: what is said before the subscription stands is not heard.
            while not any(event_id in said.read_text() for event_id in spoken):
                await say_connected(bus, other, "s0")
                spoken.append(await say_connected(bus, account, "s1"))
                await asyncio.sleep(0.2)
    lines = said.read_text().splitlines()
    assert all(f" sms.registry.server-connected {evt(account, 'server', 's1', 'connected')} " in line for line in lines)
    assert other not in said.read_text()
    assert key.secret_key not in said.read_text() + errors.read_text()


async def test_the_bus_refuses_the_example_another_account(bus: SecureBus, tmp_path: Path) -> None:
    account, other = new_account(), new_account()
    key = await bus.new_credential(account)
    with listening(bus, tmp_path, other, key) as (said, errors):
        wait_until(lambda: "permissions violation" in errors.read_text().lower(), what="the refusal")
        await say_connected(bus, other, "s1")
        await say_connected(bus, account, "s1")
        assert said.read_text() == ""
        assert f"sms.v1.evt.{other}.>" in errors.read_text()


def test_the_example_needs_nothing_but_the_contracts_and_the_client() -> None:
    code = PROGRAM.read_text().splitlines()
    imported = {line.split()[1].split(".")[0] for line in code if line.startswith(("import ", "from "))}
    assert imported - set(sys.stdlib_module_names) == {"contracts", "nats"}
    body = [line for line in code if line.startswith("    ") and '"""' not in line]
    assert len(body) <= 20
