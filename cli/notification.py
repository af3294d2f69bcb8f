"""`sms notification`: who is told what happens to migrations."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from pydantic import BaseModel

from cli.api import on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.notification import (
    ChannelDetails,
    ChannelList,
    ChannelSecret,
    ChannelTested,
    ChannelView,
)
from contracts.messages.reply import Accepted

app = typer.Typer(help="Notifications by webhook and mail.", no_args_is_help=True)

# A test waits for the receiver, and the API for the test.
_TEST_WITHIN_S = 30.0

NameOption = Annotated[str, typer.Option(help="A name for people.")]
WebhookOption = Annotated[str, typer.Option(help="https address that gets a POST; - reads it from standard input.")]
MailOption = Annotated[list[str] | None, typer.Option(help="Recipient of mail; may be repeated.")]
TopicOption = Annotated[
    list[str] | None, typer.Option(help="finished, failed, stalled or lag; may be repeated. Default: all.")
]
StalledOption = Annotated[int | None, typer.Option(min=0, help="Seconds without progress while copying.")]
LagOption = Annotated[int | None, typer.Option(min=0, help="Age of the replica in seconds; 0: not watched.")]


class _Channel(BaseModel):
    """A body of the API: what is None is left out."""

    name: str | None = None
    kind: str | None = None
    url: str | None = None
    recipients: list[str] | None = None
    topics: list[str] | None = None
    stalled_after_s: int | None = None
    lag_above_s: int | None = None
    is_enabled: bool | None = None
    rotate_secret: bool | None = None


@app.command("create")
def create(
    name: NameOption,
    webhook: WebhookOption = "",
    mail: MailOption = None,
    topic: TopicOption = None,
    stalled_after: StalledOption = None,
    lag_above: LagOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a channel. The secret that signs its webhooks is shown now and never again."""
    if bool(webhook) == bool(mail):
        raise MigrationError(USAGE, reason="Either --webhook or --mail is needed.", command="sms notification create")
    body = _Channel(
        name=name,
        kind="webhook" if webhook else "email",
        url=_address(webhook) or None,
        recipients=mail or None,
        topics=topic or None,
        stalled_after_s=stalled_after,
        lag_above_s=lag_above,
    )
    _show_with_secret(on_api(data, lambda api: api.post("/v3/notifications", body, ChannelSecret)), output)


@app.command("list")
def list_channels(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the channels of the account."""
    found = on_api(data, lambda api: api.get("/v3/notifications", ChannelList, limit=500))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("id", "name", "kind", "to", "topics", "enabled"),
        ((one.id, one.name, one.kind, _receiver(one), ", ".join(one.topics), one.is_enabled) for one in found.channels),
    )


@app.command("show")
def show(channel: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show a channel and how its last notifications fared."""
    found = on_api(data, lambda api: api.get(f"/v3/notifications/{segment(channel)}", ChannelDetails))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    _print_channel(found.channel)
    print_table(
        ("time", "topic", "task", "state", "attempts", "code", "cause"),
        (
            (
                one.created_at,
                f"{one.topic} (over)" if one.is_over else one.topic,
                one.task_id,
                one.state,
                one.attempts,
                one.failure.code if one.failure else "",
                one.failure.cause if one.failure else one.note,
            )
            for one in found.deliveries
        ),
    )


@app.command("update")
def update(
    channel: str,
    name: NameOption = "",
    webhook: WebhookOption = "",
    mail: MailOption = None,
    topic: TopicOption = None,
    stalled_after: StalledOption = None,
    lag_above: LagOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether anything is sent.")] = None,
    rotate_secret: Annotated[bool, typer.Option("--rotate", help="Sign with a new secret from now on.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change a channel; what is not named stays as it is."""
    body = _Channel(
        name=name or None,
        url=_address(webhook) or None,
        recipients=mail or None,
        topics=topic or None,
        stalled_after_s=stalled_after,
        lag_above_s=lag_above,
        is_enabled=enabled,
        rotate_secret=rotate_secret or None,
    )
    path = f"/v3/notifications/{segment(channel)}"
    _show_with_secret(on_api(data, lambda api: api.put(path, body, ChannelSecret)), output)


@app.command("delete")
def delete(channel: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Remove a channel; what was still to be sent over it is not."""
    on_api(data, lambda api: api.delete(f"/v3/notifications/{segment(channel)}", Accepted))
    if output is OutputFormat.JSON:
        print_json({"id": channel, "deleted": True})
        return
    out.print(f"deleted {channel}", markup=False)


@app.command("test")
def send_test(channel: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Send one notification now; exit status 0 when it was delivered, else the cause."""
    path = f"/v3/notifications/{segment(channel)}/test"
    tested = on_api(data, lambda api: api.post(path, None, ChannelTested, timeout_s=_TEST_WITHIN_S))
    if output is OutputFormat.JSON:
        print_json(tested.model_dump(mode="json"))
    if tested.failure is not None:
        raise MigrationError(tested.failure)
    if output is not OutputFormat.JSON:
        print_fields({"delivered": f"in {tested.seconds:.2f} s", "delivery": tested.delivery_id, "note": tested.note})


def _address(webhook: str) -> str:
    """Addresses of webhooks are often as good as passwords: a pipe keeps them out of the list of processes."""
    return sys.stdin.readline().strip() if webhook == "-" else webhook


def _show_with_secret(made: ChannelSecret, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        secret = {"secret": made.secret} if made.secret else {}
        print_json(made.channel.model_dump(mode="json") | secret)
        return
    _print_channel(made.channel)
    if made.secret:
        print_fields({"secret": made.secret})
        out.print("Give the secret to the receiver, which checks the signatures with it: it is not shown again.")


def _print_channel(channel: ChannelView) -> None:
    print_fields(
        {
            "id": channel.id,
            "name": channel.name,
            "kind": channel.kind,
            "to": _receiver(channel),
            "topics": ", ".join(channel.topics),
            "stalled after": f"{channel.stalled_after_s} s",
            "lag above": f"{channel.lag_above_s} s" if channel.lag_above_s else "",
            "enabled": channel.is_enabled,
        }
    )


def _receiver(channel: ChannelView) -> str:
    return channel.url or ", ".join(channel.recipients)
