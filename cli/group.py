"""`sms group`: users who have the same policies."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.access_names import find_group, find_policy, find_user
from cli.api import ApiClient, on_api
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.messages.reply import Accepted
from contracts.messages.user import GroupList, GroupView
from services.gateway.domain.wire.identity import NewNamed

app = typer.Typer(help="Groups of users.", no_args_is_help=True)

GroupArgument = Annotated[str, typer.Argument(help="Name or id of the group.")]
UserArgument = Annotated[str, typer.Argument(help="Name or id of the user.")]


@app.command("create")
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What the group is for.")] = "",
    policy: Annotated[list[str] | None, typer.Option(help="Attach this policy; again for more.")] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a group."""

    async def work(api: ApiClient) -> GroupView:
        policies = [await find_policy(api, one) for one in policy or ()]
        group = await api.post("/v3/groups", NewNamed(name=name, description=description), GroupView)
        for each in policies:
            await api.put(f"/v3/policies/{each.id}/groups/{group.id}", None, Accepted)
        return await api.get(f"/v3/groups/{group.id}", GroupView)

    _print(on_api(data, work), output)


@app.command("list")
def list_groups(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List groups."""
    found = on_api(data, lambda api: api.get("/v3/groups", GroupList, limit=1000))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("name", "policies", "created", "id"),
        ((one.name, ", ".join(each.name for each in one.policies), one.created_at, one.id) for one in found.groups),
    )


@app.command("show")
def show(
    name: GroupArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show a group with its members and policies."""

    async def work(api: ApiClient) -> GroupView:
        group = await find_group(api, name)
        return await api.get(f"/v3/groups/{group.id}", GroupView)

    _print(on_api(data, work), output)


@app.command("add")
def add(
    name: GroupArgument,
    user: UserArgument,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Put a user into a group."""

    async def work(api: ApiClient) -> GroupView:
        group, member = await find_group(api, name), await find_user(api, user)
        await api.put(f"/v3/groups/{group.id}/users/{member.id}", None, Accepted)
        return await api.get(f"/v3/groups/{group.id}", GroupView)

    _print(on_api(data, work), output)


@app.command("remove")
def remove(
    name: GroupArgument,
    user: UserArgument,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take a user out of a group."""

    async def work(api: ApiClient) -> GroupView:
        group, member = await find_group(api, name), await find_user(api, user)
        await api.delete(f"/v3/groups/{group.id}/users/{member.id}", Accepted)
        return await api.get(f"/v3/groups/{group.id}", GroupView)

    _print(on_api(data, work), output)


@app.command("delete")
def delete(
    name: GroupArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Delete a group; its members lose what it gave them."""

    async def work(api: ApiClient) -> Accepted:
        group = await find_group(api, name)
        return await api.delete(f"/v3/groups/{group.id}", Accepted)

    done = on_api(data, work)
    if output is OutputFormat.JSON:
        print_json({"id": done.id, "deleted": True})
        return
    out.print(f"deleted {name}", markup=False)


def _print(group: GroupView, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(group.model_dump(mode="json"))
        return
    print_fields(
        {
            "name": group.name,
            "id": group.id,
            "description": group.description,
            "policies": ", ".join(policy.name for policy in group.policies),
            "users": ", ".join(user.name for user in group.users),
            "created": group.created_at,
        }
    )
