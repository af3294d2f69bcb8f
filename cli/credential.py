"""`sms credential`: the access keys that agents log in with for the first time."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.base import Model
from contracts.messages.identity import CredentialList, CredentialSecret
from contracts.messages.reply import Accepted


class NewCredential(Model):
    """The body of a creation. description: shown in lists."""

    description: str = ""


class CredentialChanges(Model):
    """The body of a change."""

    is_active: bool


app = typer.Typer(help="Access keys for agents.", no_args_is_help=True)


@app.command("create")
def create(
    data: DataOption = DEFAULT_DATA_FOLDER,
    description: Annotated[str, typer.Option(help="What it is for, shown in the list.")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create an access key. The secret key is shown now and never again."""
    body = NewCredential(description=description)
    secret = on_api(data, lambda api: api.post("/v3/credentials", body, CredentialSecret))
    if output is OutputFormat.JSON:
        print_json({"access_key": secret.access_key, "secret_key": secret.secret_key})
        return
    print_fields({"access key": secret.access_key, "secret key": secret.secret_key})
    out.print("Keep the secret key in a file of mode 0600: it is not shown again.")


@app.command("list")
def list_credentials(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List access keys, without their secrets."""
    found = on_api(data, lambda api: api.get("/v3/credentials", CredentialList))
    if output is OutputFormat.JSON:
        credentials = [credential.model_dump(mode="json") for credential in found.credentials]
        print_json({"count": len(credentials), "credentials": credentials})
        return
    print_table(
        ("access key", "active", "created", "description"),
        ((one.access_key, one.is_active, one.created_at, one.description) for one in found.credentials),
    )


@app.command("disable")
def disable(access_key: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Disable an access key; agents that came with it are cut off within seconds."""
    path, body = f"/v3/credentials/{segment(access_key)}", CredentialChanges(is_active=False)
    on_api(data, lambda api: api.put(path, body, Accepted))
    if output is OutputFormat.JSON:
        print_json({"access_key": access_key, "is_active": False})
        return
    out.print(f"disabled {access_key}", markup=False)
