"""`sms credential`: the access keys of users, for agents, programs and people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.access_names import find_user
from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.messages.identity import CredentialList, CredentialSecret
from contracts.messages.reply import Accepted
from services.gateway.domain.wire.identity import CredentialChanges, NewCredential

app = typer.Typer(help="Access keys.", no_args_is_help=True)

DescriptionOption = Annotated[str, typer.Option(help="What it is for, shown in the list.")]


@app.command("create")
def create(
    user: Annotated[str, typer.Option(help="Whose key it is; without it the account's root user's.")] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    description: DescriptionOption = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create an access key. The secret key is shown now and never again."""

    async def work(api: ApiClient) -> CredentialSecret:
        path = f"/v3/users/{(await find_user(api, user)).id}/credentials" if user else "/v3/credentials"
        return await api.post(path, NewCredential(description=description), CredentialSecret)

    _print_secret(on_api(data, work), output)


@app.command("list")
def list_credentials(
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List access keys, without their secrets."""

    async def work(api: ApiClient) -> CredentialList:
        path = f"/v3/users/{(await find_user(api, user)).id}/credentials" if user else "/v3/credentials"
        return await api.get(path, CredentialList)

    found = on_api(data, work)
    if output is OutputFormat.JSON:
        credentials = [credential.model_dump(mode="json") for credential in found.credentials]
        print_json({"count": len(credentials), "credentials": credentials})
        return
    print_table(
        ("access key", "user", "active", "created", "last used", "description"),
        (
            (one.access_key, one.user_name, one.is_active, one.created_at, one.last_used_at, one.description)
            for one in found.credentials
        ),
    )


@app.command("rotate")
def rotate(
    access_key: str,
    data: DataOption = DEFAULT_DATA_FOLDER,
    description: DescriptionOption = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a second key for the same user; the first works until `sms credential disable`."""
    path, body = f"/v3/credentials/{segment(access_key)}/rotate", NewCredential(description=description)
    _print_secret(on_api(data, lambda api: api.post(path, body, CredentialSecret)), output)


@app.command("disable")
def disable(access_key: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Disable an access key; agents that came with it are cut off within seconds."""
    _set_active(access_key, data, output, is_active=False)


@app.command("enable")
def enable(access_key: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Use a disabled access key again; its user may have two active ones."""
    _set_active(access_key, data, output, is_active=True)


@app.command("delete")
def delete(access_key: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Delete an access key for good; agents that came with it are cut off within seconds."""
    on_api(data, lambda api: api.delete(f"/v3/credentials/{segment(access_key)}", Accepted))
    if output is OutputFormat.JSON:
        print_json({"access_key": access_key, "deleted": True})
        return
    out.print(f"deleted {access_key}", markup=False)


def _set_active(access_key: str, data: Path, output: OutputFormat, *, is_active: bool) -> None:
    path, body = f"/v3/credentials/{segment(access_key)}", CredentialChanges(is_active=is_active)
    on_api(data, lambda api: api.put(path, body, Accepted))
    if output is OutputFormat.JSON:
        print_json({"access_key": access_key, "is_active": is_active})
        return
    out.print(f"{'enabled' if is_active else 'disabled'} {access_key}", markup=False)


def _print_secret(secret: CredentialSecret, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json({"access_key": secret.access_key, "secret_key": secret.secret_key, "user": secret.user_name})
        return
    print_fields({"access key": secret.access_key, "secret key": secret.secret_key, "user": secret.user_name})
    if secret.secret_key:
        out.print("Keep the secret key in a file of mode 0600: it is not shown again.")
        return
    out.print("The key was made by an earlier try, whose answer was lost. Delete it and create another one.")
