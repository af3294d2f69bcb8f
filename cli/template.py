"""`sms template`: what new target servers are to be like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.api import on_api, segment
from cli.json_file import read_json
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from services.gateway.domain.wire.templates import (
    CreateTemplateReq,
    CreateTemplateResponse,
    DeletetemplatesReq,
    DeleteTemplatesResponse,
    ListTemplatesResponse,
    ShowTargetPasswordResponse,
    ShowTemplateResponse,
    TemplateDisk,
    TemplateDone,
    TemplateRequest,
    TemplateResponseBody,
    UpdateTemplateReq,
)

app = typer.Typer(help="Templates of target servers.", no_args_is_help=True)

_PATH = "/v3/vm/templates"
REFUSED_EXIT_CODE = 4

FileOption = Annotated[Path | None, typer.Option("--file", help="JSON as the API takes it; options go before it.")]
NameOption = Annotated[str, typer.Option("--name", help="Letters, digits, Chinese characters, _ and -.")]
FlavorOption = Annotated[str, typer.Option("--flavor", help="CPUs and memory, such as local.4c8g.")]
RegionOption = Annotated[str, typer.Option("--region", help="Region of the target.")]
ZoneOption = Annotated[str, typer.Option("--zone", help="Availability zone of the target.")]
ServerNameOption = Annotated[str, typer.Option("--server-name", help="Name of the target server.")]
DiskOption = Annotated[
    list[str] | None,
    typer.Option("--disk", metavar="INDEX=GB", help="Size of the target's disk of this place, from 0; again for more."),
]
DiskTypeOption = Annotated[str, typer.Option("--disk-type", help="Type of all disks, such as SAS or SSD.")]
PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="File with the target's password; kept sealed.")
]


@app.command("create")
def create(
    name: NameOption = "",
    flavor: FlavorOption = "",
    region: RegionOption = "",
    zone: ZoneOption = "",
    server_name: ServerNameOption = "",
    disk: DiskOption = None,
    disk_type: DiskTypeOption = "",
    password_file: PasswordOption = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a template from options, from a file, or from both."""
    said = _said(
        name=name, flavor=flavor, region=region, zone=zone, server_name=server_name, disk=disk, disk_type=disk_type,
        password_file=password_file,
    )  # fmt: skip
    body = CreateTemplateReq(template=_template(file, said, command="sms template create"))
    made = on_api(data, lambda api: api.post(_PATH, body, CreateTemplateResponse))
    if output is OutputFormat.JSON:
        print_json({"id": made.id})
    else:
        out.print(f"template {made.id}", markup=False)


@app.command("update")
def update(
    template_id: str,
    name: NameOption = "",
    flavor: FlavorOption = "",
    region: RegionOption = "",
    zone: ZoneOption = "",
    server_name: ServerNameOption = "",
    disk: DiskOption = None,
    disk_type: DiskTypeOption = "",
    password_file: PasswordOption = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change what is given; tasks that were made from the template keep what they have."""
    said = _said(
        name=name, flavor=flavor, region=region, zone=zone, server_name=server_name, disk=disk, disk_type=disk_type,
        password_file=password_file,
    )  # fmt: skip
    path = f"{_PATH}/{segment(template_id)}"
    if not name and file is None:
        said["name"] = on_api(data, lambda api: api.get(path, ShowTemplateResponse)).template.name
    body = UpdateTemplateReq(template=_template(file, said, command="sms template update"))
    on_api(data, lambda api: api.put(path, body, TemplateDone))
    _done(template_id, "changed", output)


@app.command("list")
def list_templates(
    name: Annotated[str, typer.Option(help="Only names that hold this.")] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List templates."""
    found = on_api(data, lambda api: api.get(_PATH, ListTemplatesResponse, name=name or None, limit=1000))
    if output is OutputFormat.JSON:
        print_json({"count": found.count, "templates": [_json(one) for one in found.templates]})
        return
    print_table(
        ("id", "name", "flavor", "region", "zone", "server name", "password"),
        (
            (one.id, one.name, one.flavor, one.region, one.availability_zone, one.target_server_name,
             one.has_target_password)
            for one in found.templates
        ),
    )  # fmt: skip


@app.command("show")
def show(template_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show one template."""
    path = f"{_PATH}/{segment(template_id)}"
    template = on_api(data, lambda api: api.get(path, ShowTemplateResponse)).template
    if output is OutputFormat.JSON:
        print_json(_json(template))
        return
    print_fields(
        {
            "id": template.id,
            "name": template.name,
            "flavor": template.flavor,
            "region": template.region,
            "zone": template.availability_zone,
            "server name": template.target_server_name,
            "system disk": template.volumetype,
            "data disks": template.data_volume_type,
            "image": template.image_id,
            "password": "kept, see `sms template password`" if template.has_target_password else "",
        }
    )
    print_table(
        ("disk", "name", "type", "GB"), ((one.index, one.name, one.disktype, one.size) for one in template.disk)
    )


@app.command("password")
def password(
    template_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show the password that targets of a template get."""
    path = f"{_PATH}/{segment(template_id)}/target-password"
    found = on_api(data, lambda api: api.get(path, ShowTargetPasswordResponse))
    if output is OutputFormat.JSON:
        print_json({"id": found.template_id, "target_password": found.target_password})
    else:
        out.print(found.target_password, markup=False)


@app.command("delete")
def delete(
    template_ids: Annotated[list[str], typer.Argument(help="One or more templates.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Delete templates, each on its own. Exits with 4 when one of several could not be deleted."""
    if len(template_ids) == 1:
        on_api(data, lambda api: api.delete(f"{_PATH}/{segment(template_ids[0])}", TemplateDone))
        _done(template_ids[0], "deleted", output)
        return
    body = DeletetemplatesReq(ids=template_ids)
    found = on_api(data, lambda api: api.post(f"{_PATH}/delete", body, DeleteTemplatesResponse))
    if output is OutputFormat.JSON:
        print_json({"templates": [one.model_dump(mode="json") for one in found.templates]})
    else:
        print_table(
            ("id", "deleted", "error", "message"),
            ((one.id, one.deleted, one.error_code, one.error_msg) for one in found.templates),
        )
    if not all(one.deleted for one in found.templates):
        raise typer.Exit(REFUSED_EXIT_CODE)


def _said(
    *,
    name: str,
    flavor: str,
    region: str,
    zone: str,
    server_name: str,
    disk: list[str] | None,
    disk_type: str,
    password_file: Path | None,
) -> dict[str, Any]:
    """What the options say, in the API's names."""
    values: dict[str, Any] = {
        "name": name,
        "flavor": flavor,
        "region": region,
        "availability_zone": zone,
        "target_server_name": server_name,
        "volumetype": disk_type,
        "data_volume_type": disk_type,
    }
    said = {key: value for key, value in values.items() if value}
    if disk:
        said["disk"] = [_disk(text, disk_type) for text in disk]
    if password_file is not None:
        try:
            said["target_password"] = password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = f"--password-file {password_file} cannot be read."
            raise MigrationError(USAGE, reason=reason, command="sms template create") from error
    return said


def _template(file: Path | None, said: dict[str, Any], *, command: str) -> TemplateRequest:
    if file is not None:
        return read_json(file, TemplateRequest, command=command).model_copy(update=said)
    if "name" not in said:
        raise MigrationError(USAGE, reason="--name or --file is needed.", command=command)
    return TemplateRequest(**said)


def _disk(text: str, disk_type: str) -> TemplateDisk:
    index, _, size = text.partition("=")
    if not (index.isdecimal() and size.isdecimal()):
        raise MigrationError(USAGE, reason=f"--disk needs INDEX=GB, not {text!r}.", command="sms template create")
    return TemplateDisk(index=int(index), name=f"disk{int(index)}", disktype=disk_type, size=int(size))


def _json(template: TemplateResponseBody) -> dict[str, Any]:
    return template.model_dump(mode="json", exclude={"target_password"}, exclude_none=True)


def _done(template_id: str, what: str, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json({"id": template_id, what: True})
    else:
        out.print(f"{what} {template_id}", markup=False)
