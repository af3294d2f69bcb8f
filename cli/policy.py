"""`sms policy`: what users and groups may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.access_names import find_group, find_policy, find_user
from cli.api import ApiClient, on_api
from cli.json_file import read_json
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.access_policy import PolicyDocument
from contracts.errors import MigrationError
from contracts.errors.access import ATTACHMENT_UNCLEAR
from contracts.messages.policy import PolicyList, PolicyView
from contracts.messages.reply import Accepted
from services.gateway.domain.wire.identity import NewPolicy, PolicyChanges

app = typer.Typer(help="Policies: what users and groups may do.", no_args_is_help=True)

PolicyArgument = Annotated[str, typer.Argument(help="Name or id of the policy.")]
FileOption = Annotated[Path, typer.Option("--file", help="The policy as JSON: Version and Statement.")]
UserOption = Annotated[str, typer.Option("--user", help="Name or id of the user.")]
GroupOption = Annotated[str, typer.Option("--group", help="Name or id of the group.")]


@app.command("create")
def create(
    name: str,
    file: FileOption,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a policy; it holds for nobody before it is attached."""
    document = read_json(file, PolicyDocument, command="sms policy create")
    body = NewPolicy(name=name, description=description, document=document)
    _print(on_api(data, lambda api: api.post("/v3/policies", body, PolicyView)), output)


@app.command("list")
def list_policies(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the system's policies and the account's own."""
    found = on_api(data, lambda api: api.get("/v3/policies", PolicyList, limit=1000))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("name", "system", "description", "id"),
        ((one.name, one.is_system, one.description, one.id) for one in found.policies),
    )


@app.command("show")
def show(
    name: PolicyArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show a policy with its statements and whom it is attached to."""

    async def work(api: ApiClient) -> PolicyView:
        policy = await find_policy(api, name)
        return await api.get(f"/v3/policies/{policy.id}", PolicyView)

    _print(on_api(data, work), output)


@app.command("update")
def update(
    name: PolicyArgument,
    file: FileOption,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Replace the statements of a policy; they hold at once for everybody whom it is attached to."""
    document = read_json(file, PolicyDocument, command="sms policy update")

    async def work(api: ApiClient) -> PolicyView:
        policy = await find_policy(api, name)
        return await api.put(f"/v3/policies/{policy.id}", PolicyChanges(document=document), PolicyView)

    _print(on_api(data, work), output)


@app.command("delete")
def delete(
    name: PolicyArgument, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Delete a policy, wherever it is attached."""

    async def work(api: ApiClient) -> Accepted:
        policy = await find_policy(api, name)
        return await api.delete(f"/v3/policies/{policy.id}", Accepted)

    done = on_api(data, work)
    if output is OutputFormat.JSON:
        print_json({"id": done.id, "deleted": True})
        return
    out.print(f"deleted {name}", markup=False)


@app.command("attach")
def attach(
    name: PolicyArgument,
    user: UserOption = "",
    group: GroupOption = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Attach a policy to a user or to a group."""

    async def work(api: ApiClient) -> PolicyView:
        policy_id, path = await _place(api, name, user=user, group=group)
        await api.put(path, None, Accepted)
        return await api.get(f"/v3/policies/{policy_id}", PolicyView)

    _print(on_api(data, work), output)


@app.command("detach")
def detach(
    name: PolicyArgument,
    user: UserOption = "",
    group: GroupOption = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Detach a policy from a user or from a group."""

    async def work(api: ApiClient) -> PolicyView:
        policy_id, path = await _place(api, name, user=user, group=group)
        await api.delete(path, Accepted)
        return await api.get(f"/v3/policies/{policy_id}", PolicyView)

    _print(on_api(data, work), output)


async def _place(api: ApiClient, name: str, *, user: str, group: str) -> tuple[str, str]:
    """(id of the policy, path of its attachment)."""
    if bool(user) == bool(group):
        raise MigrationError(ATTACHMENT_UNCLEAR, count=2 * bool(user))
    policy = await find_policy(api, name)
    if user:
        return policy.id, f"/v3/policies/{policy.id}/users/{(await find_user(api, user)).id}"
    return policy.id, f"/v3/policies/{policy.id}/groups/{(await find_group(api, group)).id}"


def _print(policy: PolicyView, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(policy.model_dump(mode="json"))
        return
    print_fields(
        {
            "name": policy.name,
            "id": policy.id,
            "system": policy.is_system,
            "description": policy.description,
            "users": ", ".join(user.name for user in policy.users),
            "groups": ", ".join(group.name for group in policy.groups),
            "changed": policy.changed_at,
        }
    )
    out.print(policy.document.model_dump_json(indent=2), markup=False)
