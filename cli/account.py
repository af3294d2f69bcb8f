"""`sms account`: owners of things; made and closed from the installation's own account."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from cli.api import on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.account import AccountList, AccountQuotas, AccountView, NewAccount
from services.gateway.domain.wire.identity import AccountChanges, NewAccountBody

app = typer.Typer(help="Accounts of the installation.", no_args_is_help=True)

ServersOption = Annotated[
    int | None, typer.Option("--max-migrating-servers", min=0, help="Source servers that may be in migration.")
]
BalanceOption = Annotated[
    str, typer.Option("--balance", help="What the account has to spend; `none` when nobody counts it.")
]


@app.command("create")
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    max_migrating_servers: ServersOption = None,
    balance: BalanceOption = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create an account with the first key of its root user, whose secret key is shown now and never again."""
    quotas = _quotas(AccountQuotas(), max_migrating_servers, balance)
    body = NewAccountBody(name=name, description=description, quotas=quotas)
    made = on_api(data, lambda api: api.post("/v3/accounts", body, NewAccount))
    if output is OutputFormat.JSON:
        print_json(made.model_dump(mode="json"))
        return
    print_fields({"account": made.account.name, "access key": made.access_key, "secret key": made.secret_key})
    out.print("Keep the secret key in a file of mode 0600: it is not shown again.")


@app.command("list")
def list_accounts(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the accounts."""
    found = on_api(data, lambda api: api.get("/v3/accounts", AccountList, limit=1000))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("account", "enabled", "servers in migration", "balance", "created", "description"),
        (
            (
                one.name,
                one.is_enabled,
                one.quotas.max_migrating_servers,
                one.quotas.balance,
                one.created_at,
                one.description,
            )
            for one in found.accounts
        ),
    )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Without it the own account.")] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show an account with its quotas."""
    _print(on_api(data, lambda api: api.get(f"/v3/accounts/{segment(name or '-')}", AccountView)), output)


@app.command("set")
def set_quotas(
    name: str,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    max_migrating_servers: ServersOption = None,
    balance: BalanceOption = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Set quotas and description of an account; what is not named stays."""
    path = f"/v3/accounts/{segment(name)}"
    before = on_api(data, lambda api: api.get(path, AccountView))
    quotas = _quotas(before.quotas, max_migrating_servers, balance)
    body = AccountChanges(description=description, quotas=quotas)
    _print(on_api(data, lambda api: api.put(path, body, AccountView)), output)


@app.command("enable")
def enable(name: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Let the keys and agents of an account in again."""
    body = AccountChanges(is_enabled=True)
    _print(on_api(data, lambda api: api.put(f"/v3/accounts/{segment(name)}", body, AccountView)), output)


@app.command("disable")
def disable(name: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Refuse every key and agent of an account, and cut those that are connected within seconds."""
    body = AccountChanges(is_enabled=False)
    _print(on_api(data, lambda api: api.put(f"/v3/accounts/{segment(name)}", body, AccountView)), output)


def _quotas(before: AccountQuotas, max_migrating_servers: int | None, balance: str) -> AccountQuotas:
    changes: dict[str, object] = {}
    if max_migrating_servers is not None:
        changes["max_migrating_servers"] = max_migrating_servers
    if balance:
        changes["balance"] = None if balance == "none" else _amount(balance)
    return before.model_copy(update=changes)


def _amount(text: str) -> Decimal:
    if not text.removeprefix("-").replace(".", "", 1).isdecimal():
        raise MigrationError(USAGE, reason=f"--balance {text} is no amount.", command="sms account")
    return Decimal(text)


def _print(account: AccountView, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(account.model_dump(mode="json"))
        return
    print_fields(
        {
            "account": account.name,
            "enabled": account.is_enabled,
            "description": account.description,
            "servers in migration, at most": account.quotas.max_migrating_servers,
            "balance": account.quotas.balance,
            "created": account.created_at,
        }
    )
