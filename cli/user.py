"""`sms user`: who acts for the account."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.access_names import find_group, find_policy, find_user
from cli.api import ApiClient, on_api
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.messages.reply import Accepted
from contracts.messages.user import UserList, UserView
from services.gateway.domain.wire.identity import NewNamed, UserChanges

app = typer.Typer(help="Users of the account.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name or id of the user.")]


@app.command("create")
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What the user is for.")] = "",
    group: Annotated[list[str] | None, typer.Option(help="Put the user into this group; again for more.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Attach this policy; again for more.")] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a user, who may do only what policies and groups allow. `sms credential create --user` makes a key."""

    async def work(api: ApiClient) -> UserView:
        groups = [await find_group(api, one) for one in group or ()]
        policies = [await find_policy(api, one) for one in policy or ()]
        user = await api.post("/v3/users", NewNamed(name=name, description=description), UserView)
        for one in groups:
            await api.put(f"/v3/groups/{one.id}/users/{user.id}", None, Accepted)
        for each in policies:
            await api.put(f"/v3/policies/{each.id}/users/{user.id}", None, Accepted)
        return await api.get(f"/v3/users/{user.id}", UserView)

    _print(on_api(data, work), output)


@app.command("list")
def list_users(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List users."""
    found = on_api(data, lambda api: api.get("/v3/users", UserList, limit=1000))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("name", "enabled", "groups", "policies", "created", "id"),
        ((one.name, one.is_enabled, _groups(one), _policies(one), one.created_at, one.id) for one in found.users),
    )


@app.command("show")
def show(name: NameArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show a user with groups and policies."""
    _print(on_api(data, lambda api: find_user(api, name)), output)


@app.command("enable")
def enable(
    name: NameArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Let the user's keys in again."""
    _set_enabled(name, data, output, is_enabled=True)


@app.command("disable")
def disable(
    name: NameArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Refuse the user's keys, and cut what has logged in with them within seconds."""
    _set_enabled(name, data, output, is_enabled=False)


@app.command("delete")
def delete(
    name: NameArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Delete a user for good, with all keys."""

    async def work(api: ApiClient) -> Accepted:
        user = await find_user(api, name)
        return await api.delete(f"/v3/users/{user.id}", Accepted)

    done = on_api(data, work)
    if output is OutputFormat.JSON:
        print_json({"id": done.id, "deleted": True})
        return
    out.print(f"deleted {name}", markup=False)


def _set_enabled(name: str, data: DataOption, output: OutputFormat, *, is_enabled: bool) -> None:
    async def work(api: ApiClient) -> UserView:
        user = await find_user(api, name)
        return await api.put(f"/v3/users/{user.id}", UserChanges(is_enabled=is_enabled), UserView)

    _print(on_api(data, work), output)


def _print(user: UserView, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(user.model_dump(mode="json"))
        return
    print_fields(
        {
            "name": user.name,
            "id": user.id,
            "root": user.is_root,
            "enabled": user.is_enabled,
            "description": user.description,
            "groups": _groups(user),
            "policies": _policies(user),
            "created": user.created_at,
        }
    )


def _groups(user: UserView) -> str:
    return ", ".join(group.name for group in user.groups)


def _policies(user: UserView) -> str:
    return ", ".join(policy.name for policy in user.policies)
