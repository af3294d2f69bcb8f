"""Print an account's events: python -m examples.listen_to_events BUS_URL CA_FILE ACCOUNT ACCESS_KEY SECRET_KEY_FILE."""

import asyncio
import ssl
import sys
from pathlib import Path

import nats

from contracts.envelope import Envelope
from contracts.login import events_inbox, fresh_password, user_name


async def listen(bus_url: str, ca_file: str, account: str, access_key: str, secret_key: str) -> None:
    """Until it is interrupted."""
    client = await nats.connect(
        bus_url,
        tls=ssl.create_default_context(cafile=ca_file),
        tls_handshake_first=True,
        user=user_name("events", access_key),
        password=lambda: fresh_password(access_key, secret_key),  # each login needs a new one
        inbox_prefix=events_inbox(access_key),
        max_reconnect_attempts=-1,
    )
    async for event in (await client.subscribe(f"sms.v1.evt.{account}.>")).messages:
        envelope = Envelope.from_headers(dict(event.headers))
        print(envelope.id, envelope.type, event.subject, event.data.decode(), flush=True)


if __name__ == "__main__":
    *options, secret_key_file = sys.argv[1:]
    asyncio.run(listen(*options, Path(secret_key_file).read_text(encoding="ascii").strip()))
